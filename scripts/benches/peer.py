"""The published client, as a program of its own that imports nothing of ours.

`peer.py agent IDENTITY PROTOCOL` is its agent runner with two handlers. `peer.py client IDENTITY PROTOCOL` is its
client, told what to do by lines: `ask N PAUSE` asks N times, each after a pause of that many seconds, and prints each
answer's seconds; `send N` sends N codes.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any


def main() -> None:
    role, identity, protocol = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if role == "agent":
        _agent(identity, protocol)
    else:
        _client(identity, protocol)


def _agent(identity: str, protocol: str) -> None:
    from thalovant import ThalovantAgent

    agent: Any = ThalovantAgent.from_identity_file(identity, protocol=protocol)
    agent.on_speak(lambda event: print("speak", event.data.get("utterance"), flush=True))
    agent.on("hive.policy.denied", lambda event: print("denied", flush=True))
    agent.client.connect()
    print("peer up", flush=True)
    agent.run_forever()


def _client(identity: str, protocol: str) -> None:
    from thalovant import ThalovantClient

    with ThalovantClient.from_identity_file(identity, protocol=protocol, reply_settle_seconds=0.0) as client:
        print("peer up", flush=True)
        for line in sys.stdin:
            command, count, *pause = line.split()
            for number in range(int(count)):
                if command == "ask":
                    time.sleep(float(pause[0]))
                    began = time.perf_counter()
                    client.ask(f"ask {number}")
                    print("answer", time.perf_counter() - began, flush=True)
                else:
                    client.send_code(f"PEER-{number}")
            print("done", command, flush=True)


if __name__ == "__main__":
    main()
