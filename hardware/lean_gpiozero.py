"""gpiozero without what a device of buttons and lights never uses.

Importing any module of gpiozero runs its `__init__`, which gathers boards, fonts and tones, and imports
`importlib.metadata` for a search that is not made where the pin library is named. Here the package is put in its place
without being run. Whoever asks it for a name later, as `from gpiozero import LED` does, has it run then, and finds
everything.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpiozero import Factory

_FACTORIES = {
    "lgpio": "LGPIOFactory",
    "rpigpio": "RPiGPIOFactory",
    "pigpio": "PiGPIOFactory",
    "native": "NativeFactory",
}
"""The classes behind the values of GPIOZERO_PIN_FACTORY, each in the module of that name."""


def devices() -> Any:
    """The module `gpiozero.devices`, which knows the pins in use. Raises ImportError where gpiozero is missing."""
    _put_in_place()
    return _load("gpiozero.devices")


def named_factory(name: str) -> Factory | None:
    """The pins that a value of GPIOZERO_PIN_FACTORY means; None for one that gpiozero itself has to look up.

    Raises what the pin library raises.
    """
    if name == "mock":
        mock = _load("gpiozero.pins.mock")
        return mock.MockFactory(pin_class=mock.MockPin)  # by its class, or it searches for that
    return _load(f"gpiozero.pins.{name}").__dict__[_FACTORIES[name]]() if name in _FACTORIES else None


def _load(name: str) -> Any:
    if "importlib_metadata" in sys.modules:
        return importlib.import_module(name)
    stand_in = types.ModuleType("importlib_metadata")
    stand_in.__dict__["entry_points"] = _entry_points
    sys.modules[stand_in.__name__] = stand_in
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[stand_in.__name__]


def _put_in_place() -> None:
    if "gpiozero" in sys.modules:
        return
    spec = importlib.util.find_spec("gpiozero")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'gpiozero'", name="gpiozero")
    loader, package = spec.loader, importlib.util.module_from_spec(spec)

    def run_it_now(name: str) -> Any:
        if name.startswith("__"):  # the import system's own questions
            raise AttributeError(name)
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = run_it_now
    sys.modules["gpiozero"] = package


def _entry_points(**selection: Any) -> Any:
    from importlib.metadata import entry_points

    return entry_points(**selection)
