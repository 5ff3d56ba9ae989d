"""A disk with a volatile write cache: a network block device in a thread, whose image is never written.

What the guest writes is in the cache until it asks for a flush, or writes with FUA; then it is durable. `cut` decides
what becomes of the rest, which is what a card does to software that forgot to flush:

    drop     none of it survives
    random   each 512-byte sector survives or not by a coin toss: torn and reordered writes

A worn-out card is `broken`: reads go on, and every write and flush fails with EIO.

The protocol is that of github.com/NetworkBlockDevice/nbd, doc/proto.md, as far as QEMU's client needs it.
"""

from __future__ import annotations

import mmap
import pickle
import random
import shutil
import socket
import struct
import threading
from io import BufferedReader
from pathlib import Path
from typing import Literal

BLOCK = 4096
SECTOR = 512
Policy = Literal["drop", "random"]

_OPTION = 0x49484156454F5054
_OPTION_REPLY = 0x3E889045565A9
_REQUEST_REPLY = 0x67446698
_FLAGS = 1 | 4 | 8 | 32 | 64  # flags are sent, and flush, FUA, trim and write-zeroes are known
_ACK, _INFO, _UNKNOWN = 1, 3, 0x80000001
_WRITE = 1  # of 0 read, 1 write, 2 disconnect, 3 flush, 4 trim, 6 write zeroes
_EIO = 5


class Disk:
    """The disk over the image at `image`, served at the socket `path`."""

    def __init__(self, image: Path, path: Path) -> None:
        self.path = path
        self._image = image
        with image.open("rb") as file:
            self._base = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self._durable: dict[int, bytes] = {}
        self._cache: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self.flushes = 0
        self.broken = False
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True, name="disk").start()

    def cut(self, policy: Policy, chance: random.Random) -> int:
        """The power goes; the machine is dead already. The number of blocks that were in the cache."""
        with self._lock:
            lost = len(self._cache)
            if policy == "random":
                for block, new in sorted(self._cache.items()):
                    old = self._stable(block)
                    self._durable[block] = b"".join(
                        (new if chance.random() < 0.5 else old)[at : at + SECTOR] for at in range(0, BLOCK, SECTOR)
                    )
            self._cache.clear()
        return lost

    def export(self, path: Path) -> None:
        """Write what is durable as an image of its own."""
        shutil.copyfile(self._image, path)
        with self._lock, path.open("r+b") as file:
            for block, data in self._durable.items():
                file.seek(block * BLOCK)
                file.write(data)

    def save(self, path: Path) -> None:
        """Keep the disk's present state, cache and all."""
        with self._lock:
            path.write_bytes(pickle.dumps((self._durable, self._cache)))

    def load(self, path: Path) -> None:
        """Be as the disk was when it was saved."""
        with self._lock:
            self._durable, self._cache = pickle.loads(path.read_bytes())

    def close(self) -> None:
        """Serve no more."""
        self._server.close()

    def _stable(self, block: int) -> bytes:
        return self._durable.get(block) or self._base[block * BLOCK : (block + 1) * BLOCK].ljust(BLOCK, b"\0")

    def _read(self, offset: int, length: int) -> bytes:
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        data = b"".join(self._cache.get(block) or self._stable(block) for block in range(first, last + 1))
        return data[offset - first * BLOCK :][:length]

    def _write(self, offset: int, data: bytes, *, durable: bool) -> None:
        done = 0
        while done < len(data):
            block, at = divmod(offset + done, BLOCK)
            size = min(BLOCK - at, len(data) - done)
            old = self._cache.get(block) or self._stable(block)
            new = old[:at] + data[done : done + size] + old[at + size :]
            if durable:
                self._durable[block] = new
                self._cache.pop(block, None)
            else:
                self._cache[block] = new
            done += size

    # -- the protocol

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True, name="disk").start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as asked:
            try:
                if self._agree(connection, asked):
                    while self._answer(connection, asked):
                        pass
            except (OSError, struct.error):
                return  # the machine died in the middle of a word

    def _agree(self, connection: socket.socket, asked: BufferedReader) -> bool:
        connection.sendall(b"NBDMAGIC" + struct.pack(">QH", _OPTION, 3))
        asked.read(4)
        while True:
            _, option, length = struct.unpack(">8sII", asked.read(16))
            asked.read(length)
            size = len(self._base)

            def reply(kind: int, data: bytes = b"", option: int = option) -> None:
                connection.sendall(struct.pack(">QIII", _OPTION_REPLY, option, kind, len(data)) + data)

            match option:
                case 1:  # EXPORT_NAME
                    connection.sendall(struct.pack(">QH", size, _FLAGS) + bytes(124))
                    return True
                case 2:  # ABORT
                    reply(_ACK)
                    return False
                case 6 | 7:  # INFO and GO
                    reply(_INFO, struct.pack(">HQH", 0, size, _FLAGS))
                    reply(_ACK)
                    if option == 7:
                        return True
                case _:
                    reply(_UNKNOWN)

    def _answer(self, connection: socket.socket, asked: BufferedReader) -> bool:
        _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", asked.read(28))
        data = asked.read(length) if kind == _WRITE else b""
        answer, error = b"", 0
        with self._lock:
            # Names would be bindings in a match, so these are numbers.
            match kind:
                case 1 | 3 | 6 if self.broken:
                    error = _EIO
                case 0:
                    answer = self._read(offset, length)
                case 1:
                    self._write(offset, data, durable=bool(flags & 1))
                case 2:
                    return False
                case 3:
                    self._durable |= self._cache
                    self._cache.clear()
                    self.flushes += 1
                case 6:
                    self._write(offset, bytes(length), durable=bool(flags & 1))
                case _:
                    pass  # a trim is advice
        connection.sendall(struct.pack(">IIQ", _REQUEST_REPLY, error, handle) + answer)
        return True
