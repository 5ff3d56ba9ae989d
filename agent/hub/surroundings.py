"""What the kernel tells of the world around the link: a cable or an address came or went, the clock was set.

Both only hasten what the link does anyway, so a kernel that tells nothing is a reason to wait longer and no more. The
link waits on the descriptors itself; there is no thread here.

The kernel repeats itself (a Wi-Fi interface is announced with every scan, an IPv6 address with every router
advertisement), so what is told here is only what differs from what was known.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import socket
import struct
import time
from enum import StrEnum

log = logging.getLogger(__name__)

_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR (linux/rtnetlink.h)
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR = 16, 17, 20, 21
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")
_IFF_LOOPBACK, _IFF_RUNNING = 0x8, 0x40
_IFA_ADDRESS = 1
_ABSOLUTE, _CANCEL_ON_SET = 1, 2  # TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET
_NEVER = (1 << 31) - 2  # seconds since 1970 that 32-bit boards can still say


class Change(StrEnum):
    """What differs from before."""

    NETWORK = "network"
    """An interface got or lost its carrier, or an address came or went."""
    CLOCK = "clock"
    """The time of day was set, not merely slewed."""


class NetworkNews:
    """Reads rtnetlink's announcements. Pure: bytes in, whether anything changed out."""

    def __init__(self) -> None:
        self._running: dict[int, bool] = {}
        self._addresses: set[tuple[int, bytes]] = set()

    def read(self, datagram: bytes) -> bool:
        """Whether these announcements say something new. What cannot be read says nothing."""
        changed = False
        while len(datagram) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(datagram)
            if not _HEADER.size <= length <= len(datagram):
                break
            with contextlib.suppress(struct.error):
                changed |= self._one(kind, datagram[_HEADER.size : length])
            datagram = datagram[(length + 3) & ~3 :]
        return changed

    def _one(self, kind: int, body: bytes) -> bool:
        if kind in (_NEWLINK, _DELLINK):
            _, _, index, flags, _ = _LINK.unpack_from(body)
            if flags & _IFF_LOOPBACK:
                return False
            running = kind == _NEWLINK and bool(flags & _IFF_RUNNING)
            known, self._running[index] = self._running.get(index), running
            return known is not running
        if kind in (_NEWADDR, _DELADDR):
            *_, index = _ADDRESS.unpack_from(body)
            address = (index, _attribute(body[_ADDRESS.size :], _IFA_ADDRESS))
            if (address in self._addresses) is (kind == _NEWADDR):
                return False
            (self._addresses.add if kind == _NEWADDR else self._addresses.discard)(address)
            return True
        return False


class Surroundings:
    """Watches. One thread uses it; `close` ends it. Where the kernel gives no descriptor it watches what it can."""

    def __init__(self) -> None:
        self._news = NetworkNews()
        self._netlink = _open_netlink()
        self._timer = _open_timer()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Readable when something may have changed."""
        found = [] if self._netlink is None else [self._netlink.fileno()]
        return tuple(found if self._timer is None else [*found, self._timer])

    def changes(self) -> set[Change]:
        """What changed since the last call. Never waits."""
        changes = set()
        if self._network_changed():
            changes.add(Change.NETWORK)
        if self._clock_was_set():
            changes.add(Change.CLOCK)
        return changes

    def close(self) -> None:
        """Let go of the descriptors. Idempotent."""
        netlink, self._netlink = self._netlink, None
        timer, self._timer = self._timer, None
        if netlink is not None:
            netlink.close()
        if timer is not None:
            os.close(timer)

    def _network_changed(self) -> bool:
        changed = False
        while self._netlink is not None:
            try:
                changed |= self._news.read(self._netlink.recv(65536))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # more happened than fits: certainly something
                    self._netlink.close()
                    self._netlink = None
                return True
        return changed

    def _clock_was_set(self) -> bool:
        if self._timer is None:
            return False
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
        _arm(self._timer)
        return True


def _attribute(attributes: bytes, wanted: int) -> bytes:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if length < _ATTRIBUTE.size:
            break
        if kind == wanted:
            return attributes[_ATTRIBUTE.size : length]
        attributes = attributes[(length + 3) & ~3 :]
    return b""


def _open_netlink() -> socket.socket | None:
    opened = None
    try:
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        opened.bind((0, _GROUPS))
    except OSError as error:  # a unit whose RestrictAddressFamilies= leaves AF_NETLINK out
        log.debug("changes of the network are not told", extra={"reason": error.strerror})
        if opened is not None:
            opened.close()
        return None
    return opened


def _open_timer() -> int | None:
    """A timer that never rings, and is cancelled when the clock is set; timerfd_create(2)."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timer: int = libc.timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, AttributeError):  # a libc without it
        return None
    if timer < 0:
        return None
    if not _arm(timer):
        os.close(timer)
        return None
    return timer


def _arm(timer: int) -> bool:
    # struct itimerspec: the interval, then the moment; two longs each.
    moment = (ctypes.c_long * 4)(0, 0, _NEVER, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.timerfd_settime(timer, _ABSOLUTE | _CANCEL_ON_SET, ctypes.byref(moment), None) == 0)
