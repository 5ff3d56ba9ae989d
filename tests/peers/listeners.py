"""Servers that are no hub: one that never says a word, one that says the same to everybody."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.rig.ports import HOST, free_port


@contextmanager
def silent_listener() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said, as by a frozen process."""
    with socket.create_server((HOST, free_port())) as listener:
        yield listener.getsockname()[1]


@contextmanager
def talking_listener(says: bytes = b"", *, certificates: Path | None = None, waits: bool = True) -> Iterator[int]:
    """A port where everything said is answered with `says`, under the certificate in that folder if there is one.

    With `waits` the visitor speaks first.
    """
    context = None
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    open_ones: list[socket.socket] = []

    def serve(visitor: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if context is not None:
                visitor = context.wrap_socket(visitor, server_side=True)
                open_ones.append(visitor)
            visitor.settimeout(5)
            if not waits:
                visitor.sendall(says)
            while visitor.recv(65536):
                visitor.sendall(says)

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                visitor, _ = listener.accept()
            except OSError:
                return
            open_ones.append(visitor)
            threading.Thread(target=serve, args=(visitor,), name="listener", daemon=True).start()

    with socket.create_server((HOST, free_port())) as listener:
        threading.Thread(target=accept, args=(listener,), name="listener", daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for one in open_ones:
                with contextlib.suppress(OSError):
                    one.close()
