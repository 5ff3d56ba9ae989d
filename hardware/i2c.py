"""What goes wrong on an I2C bus, in sentences that say what to do."""

from __future__ import annotations

import errno
from typing import Any, Protocol

from hardware.facts import DeviceError

_NOBODY = frozenset({errno.EREMOTEIO, errno.EIO, errno.ENXIO, errno.ENODEV})


class I2cBus(Protocol):
    """What of `smbus2.SMBus` the panels use."""

    def write_byte(self, i2c_addr: int, value: int) -> Any: ...
    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> Any: ...
    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> Any: ...
    def close(self) -> None: ...


def open_bus(number: int) -> I2cBus:
    """The bus /dev/i2c-`number`. Raises OSError, or ImportError without smbus2."""
    from smbus2 import SMBus

    bus: I2cBus = SMBus(number)
    return bus


def i2c_error(error: OSError, bus: int, address: int) -> DeviceError:
    """What an error of the bus means for whoever installed the panel."""
    if error.errno == errno.ENOENT:
        return DeviceError(f"there is no I2C bus {bus}; switch it on with: raspi-config nonint do_i2c 0")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return DeviceError(f"I2C bus {bus}: permission denied; add the agent's user to the group i2c")
    if error.errno in _NOBODY:
        return DeviceError(
            f"no panel answers at 0x{address:02x} on I2C bus {bus}; see who does with: i2cdetect -y {bus}"
        )
    if error.errno == errno.ETIMEDOUT:
        return DeviceError(f"I2C bus {bus} is stuck; a wire may be loose, or a panel without power")
    return DeviceError(f"the panel at 0x{address:02x} on I2C bus {bus}: {error.strerror or error}")


def missing_library(name: str, extra: str) -> DeviceError:
    """A library that was not installed with the agent."""
    return DeviceError(f"{name} is not installed; install the agent with it: sudo scripts/install --with {extra}")
