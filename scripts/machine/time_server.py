"""A time server for the machine, as its systemd-timesyncd asks one (SNTP, RFC 4330)."""

from __future__ import annotations

import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

_PORT = 123
_EPOCH = 2_208_988_800  # 1970 in seconds since 1900
_REPLY = struct.Struct("!BBbb11I")


class TimeServer:
    """Tells the time on loopback from when it is entered. Raises OSError where that port is not to be had."""

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", _PORT))
        except OSError:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._serve, daemon=True, name="time server")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.sendto(b"", self._socket.getsockname())  # a thread that waits would hold a closed port
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            request, sender = self._socket.recvfrom(128)
            if not request:
                return
            if len(request) < _REPLY.size:
                continue
            seconds, fraction = divmod(time.time() + _EPOCH, 1.0)
            moment = (int(seconds), int(fraction * 2**32))
            origin = struct.unpack("!2I", request[40:48])  # what the client calls its own time comes back
            words = (0, 0, int.from_bytes(b"GPS\0", "big"), *moment, *origin, *moment, *moment)
            self._socket.sendto(_REPLY.pack(0x24, 1, 4, -20, *words), sender)  # version 4, server; stratum 1
