"""gpiozero without what a device of buttons and lights never uses.

Importing any module of gpiozero runs its `__init__`, which gathers boards, fonts and tones, and imports
`importlib.metadata` for a search that is not made where the pin library is named. Here the package is put in its place
without being run. Whoever asks it for a name later, as `from gpiozero import LED` does, has it run then, and finds
everything. In the place of three modules of which it wants a function or two stand those functions, which import them
when they are called.
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
        return mock.MockFactory(pin_class=mock.MockPWMPin)  # by its class, or it searches for that
    return _load(f"gpiozero.pins.{name}").__dict__[_FACTORIES[name]]() if name in _FACTORIES else None


def _load(name: str) -> Any:
    stand_ins = [module for module in _SELDOM_USED if module not in sys.modules]
    for module in stand_ins:
        sys.modules[module] = types.ModuleType(module)
        sys.modules[module].__dict__.update(_SELDOM_USED[module])
    try:
        return importlib.import_module(name)
    finally:
        for module in stand_ins:
            del sys.modules[module]


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


def _later(module: str, function: str) -> Any:
    def run_it_now(*args: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(module), function)(*args, **named)

    return run_it_now


_SELDOM_USED = {
    "importlib_metadata": {"entry_points": _later("importlib.metadata", "entry_points")},
    "colorzero": {"Color": _later("colorzero", "Color")},
    "statistics": {name: _later("statistics", name) for name in ("mean", "median")},
}
"""Modules that gpiozero imports for a function or two: for its search, the colour of a light when it is asked for, and
inputs that are smoothed."""
