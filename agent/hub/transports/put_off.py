"""Modules that a library imports and does not use here: loaded only if it does after all."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def put_off(name: str) -> None:
    """Have `import name` run the module only once something in it is asked for. Loaded already, it stays as it is.

    importlib's LazyLoader does the same, but runs the module as soon as it is imported a second time.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return  # whoever imports it will say so
    loader, module = spec.loader, importlib.util.module_from_spec(spec)

    def run_it_now(attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system's own questions
            raise AttributeError(attribute)
        if module.__dict__.pop("__getattr__", None) is not None:
            loader.exec_module(module)
        return getattr(module, attribute)

    module.__dict__["__getattr__"] = run_it_now
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
