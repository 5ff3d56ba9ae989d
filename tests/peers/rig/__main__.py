"""A hub for people: `python -m tests.peers.rig --dir DIR`, or `scripts/hub DIR`, until Ctrl-C.

The first line of output is JSON with everything a client needs. The control port takes JSON over HTTP, for instance
`curl -d '{"text": "hello"}' localhost:PORT/speak`; `POST /core` and `/broker` take `{"action": "kill"}` (or stop,
start, restart, pause, resume), `/speak` takes `text` and `device`, `/responder` the arguments of `Hub.responder`,
`/allow` takes `types`, and `/clients` and `/received` answer with what the hub sees.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.peers.hub import DEFAULT_ALLOW, ECHO, Hub
from tests.peers.rig import api
from tests.peers.rig.ports import HOST

_ACTIONS = ("kill", "stop", "start", "restart", "pause", "resume")


def _control(hub: Hub) -> api.Handler:
    def act(child: Any, action: str) -> dict[str, Any]:
        if action not in _ACTIONS:
            raise ValueError(f"action is one of {', '.join(_ACTIONS)}")
        getattr(child, action)()
        return {"alive": child.alive, "paused": child.paused}

    handlers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "/core": lambda body: act(hub.core, body["action"]),
        "/broker": lambda body: act(hub.broker, body["action"]),
        "/clients": lambda body: hub.clients(**body),
        "/received": lambda body: hub.received(),
        "/speak": lambda body: hub.speak(**body),
        "/responder": lambda body: hub.responder(**body),
        "/allow": lambda body: hub.allow(*body["types"]),
    }
    return lambda _method, path, body: handlers[path](body)


def main() -> None:
    parser = argparse.ArgumentParser(prog="hub", description="A real hub and broker on loopback, until Ctrl-C.")
    parser.add_argument(
        "--dir", type=Path, required=True, help="where everything is kept; used again it is the same hub"
    )
    parser.add_argument("--devices", type=int, default=1, help="how many clients to register")
    parser.add_argument(
        "--allow", default=",".join(DEFAULT_ALLOW), help="message types they may publish; empty denies all"
    )
    parser.add_argument("--answer", default=ECHO, help="the function that answers (default: %(default)s)")
    parser.add_argument("--no-broker", action="store_true", help="without mosquitto, and so without MQTT")
    parser.add_argument("--no-tls", action="store_true")
    parser.add_argument("--mqtt-idle-seconds", type=int, default=300)
    for carrier in ("wss", "https", "mqtt"):
        parser.add_argument(f"--{carrier}-port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    hub = Hub(
        options.dir,
        devices=options.devices,
        allow=[kind for kind in options.allow.split(",") if kind],
        with_broker=not options.no_broker,
        tls=not options.no_tls,
        mqtt_idle_seconds=options.mqtt_idle_seconds,
        answer=options.answer,
        ports={carrier: getattr(options, f"{carrier}_port") for carrier in ("wss", "https", "mqtt")},
    )

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        with hub:
            server = api.serve(_control(hub), threaded=False)
            ready = {
                "identities": [str(hub.identity(number)) for number in range(1, len(hub.devices) + 1)],
                "environment": hub.environment(),
                "ports": hub.ports,
                "control": f"http://{HOST}:{server.server_port}",
                "pids": {"bench": os.getpid(), "core": hub.core.pid, "broker": hub.broker.pid if hub.broker else None},
            }
            print(json.dumps(ready), flush=True)
            server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
