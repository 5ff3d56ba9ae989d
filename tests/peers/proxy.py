"""The bad network between a device and its hub: a TCP proxy that does to connections what switches, routers, firewalls
and pulled cables do.

    with TcpProxy(hub.ports["wss"]) as network:
        url = f"wss://localhost:{network.port}"
        network.freeze()          # a half-open connection: nothing arrives, nothing ends
        network.heal()

The settings apply to the connections there are and to those to come, each direction by itself. One thread moves all the
bytes.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.peers.rig.ports import HOST, free_port

_CHUNK = 65536
_TICK = 0.005
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends RST
UP, DOWN = "up", "down"
"""The directions: towards the hub, and from it."""


@dataclass(slots=True)
class _Flow:
    """One direction of one connection."""

    source: socket.socket
    sink: socket.socket
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    """What was read and may not go on before its moment."""
    passed: int = 0
    ended: bool = False


@dataclass(slots=True)
class _Pair:
    near: socket.socket
    far: socket.socket
    flows: dict[str, _Flow]


class TcpProxy:
    """A proxy to `target`, a port on loopback. Every method may be called from any thread at any time."""

    def __init__(self, target: int, *, port: int | None = None) -> None:
        self.target = target
        self.port = port or free_port()
        """Where devices find the hub."""
        self.accepted = 0
        """Connections taken so far."""
        self._guard = threading.Lock()
        self._pairs: list[_Pair] = []
        self._forgotten: list[_Pair] = []
        self._listener: socket.socket | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._delay = 0.0
        self._rate: float | None = None
        self._frozen: frozenset[str] = frozenset()
        self._cut: dict[str, int] = {}
        self._cut_by_reset = False

    # -- what is done to the network

    def delay(self, seconds: float) -> None:
        """Everything takes so much longer, each way."""
        self._delay = seconds

    def throttle(self, bytes_per_second: float) -> None:
        """No more than this passes, each way of each connection."""
        self._rate = bytes_per_second

    def freeze(self, *directions: str) -> None:
        """Nothing passes any more, in one direction or both, and nobody is told: a half-open connection. What was sent
        meanwhile is lost for good with `drop`, and arrives late after `heal`."""
        self._frozen = frozenset(directions or (UP, DOWN))

    def cut_after(self, count: int, *, direction: str = UP, reset: bool = False) -> None:
        """Each connection ends once `count` bytes of its own passed in that direction: at any byte of any message."""
        self._cut_by_reset = reset
        self._cut = {direction: count}

    def drop(self, *, reset: bool = False) -> int:
        """End all connections, with FIN or RST; how many there were."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _end(pair, reset=reset)
        return len(pairs)

    def vanish(self) -> None:
        """Forget all connections without a word to the device: its end lives on, the hub's has ended. New ones are not
        taken: packets go nowhere."""
        self.freeze()
        with self._guard:
            for pair in self._pairs:
                pair.far.close()

    def forget(self) -> int:
        """Pass nothing more on the connections there are, tell neither end, and take new ones: a router that was
        started anew. How many there were."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
            self._forgotten += pairs
        return len(pairs)

    def refuse(self) -> None:
        """Nobody listens any more. The connections there are live on."""
        with self._guard:
            if self._listener is not None:
                self._listener.close()
                self._listener = None

    def heal(self) -> None:
        """All is well again: for new connections, and for those that outlived it."""
        self._delay, self._rate, self._frozen, self._cut = 0.0, None, frozenset(), {}
        self._listen()

    # -- its life

    def __enter__(self) -> Self:
        self._listen()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(5)
        self.refuse()
        self._pairs += self._forgotten
        self.drop()

    def _listen(self) -> None:
        with self._guard:
            if self._listener is None:
                self._listener = socket.create_server((HOST, self.port), backlog=512)
                self._listener.setblocking(False)

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._guard:
                listener, pairs = self._listener, list(self._pairs)
            with selectors.DefaultSelector() as selector:
                with contextlib.suppress(ValueError, KeyError, OSError):  # one was closed under our hands: next round
                    if listener is not None and not self._frozen:
                        selector.register(listener, selectors.EVENT_READ)
                    for pair in pairs:
                        for way, flow in pair.flows.items():
                            if not flow.ended and way not in self._frozen and len(flow.waiting) < 64:
                                selector.register(flow.source, selectors.EVENT_READ)
                busy = any(flow.waiting for pair in pairs for flow in pair.flows.values())
                ready = {key.fileobj for key, _ in selector.select(_TICK if busy else 4 * _TICK)}
            if listener in ready:
                self._accept(listener)
            for pair in pairs:
                self._move(pair, ready)

    def _accept(self, listener: socket.socket | None) -> None:
        with contextlib.suppress(OSError):
            assert listener is not None
            near, _ = listener.accept()
            self.accepted += 1
            try:
                far = socket.create_connection((HOST, self.target), timeout=1)
            except OSError:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                near.close()
                return
            for end in (near, far):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                self._pairs.append(_Pair(near, far, {UP: _Flow(near, far), DOWN: _Flow(far, near)}))

    def _move(self, pair: _Pair, ready: AbstractSet[object]) -> None:
        try:
            for way, flow in pair.flows.items():
                if flow.source in ready:
                    data = flow.source.recv(int(self._rate * _TICK) + 1 if self._rate else _CHUNK)
                    flow.ended = not data
                    at = time.monotonic() + self._delay + (len(data) / self._rate if self._rate else 0.0)
                    flow.waiting.append((max(at, flow.waiting[-1][0] if flow.waiting else 0.0), data))
                if way not in self._frozen:
                    self._pass_on(pair, way, flow)
        except BlockingIOError:
            pass
        except OSError:
            self._forget(pair, reset=True)

    def _pass_on(self, pair: _Pair, way: str, flow: _Flow) -> None:
        while flow.waiting and flow.waiting[0][0] <= time.monotonic():
            at, data = flow.waiting.popleft()
            if not data:
                self._forget(pair, reset=False)
                return
            left = self._cut[way] - flow.passed if way in self._cut else len(data)
            data = data[: max(left, 0)]
            sent = 0
            with contextlib.suppress(BlockingIOError):
                sent = flow.sink.send(data) if data else 0
            flow.passed += sent
            if way in self._cut and flow.passed >= self._cut[way]:
                self._forget(pair, reset=self._cut_by_reset)
                return
            if sent < len(data):
                flow.waiting.appendleft((at, data[sent:]))
                return

    def _forget(self, pair: _Pair, *, reset: bool) -> None:
        with self._guard:
            if pair in self._pairs:
                self._pairs.remove(pair)
        _end(pair, reset=reset)


def _end(pair: _Pair, *, reset: bool) -> None:
    for end in (pair.near, pair.far):
        with contextlib.suppress(OSError):
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.close()
