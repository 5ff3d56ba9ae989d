"""Plain records: what `dataclasses` makes, without compiling each one's methods at every start.

`@record` is `@dataclass(frozen=True, slots=True)` by another road. A dataclass writes the source of its methods and
has it compiled, 0.6 ms for a class on the machine of BENCHMARKS.md and many times that on a small board; this agent has
some 150 of them, which was a third of its start. Here one set of methods serves all, driven by a table of the fields.
Making an instance takes about as long; `tests/agent/test_record.py` holds the two to the same behaviour.

The functions of `dataclasses` (`fields`, `asdict`, `replace`) work on a record too, at the cost of importing them;
`replace` here does without. This module may be imported from everywhere and imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")

_MISSING: Any = type("_Missing", (), {"__repr__": lambda _: "<missing>"})()


class Field:
    """One field of a record: its name, its default, and where it counts."""

    __slots__ = ("compare", "default", "factory", "hash", "kw_only", "name", "repr")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, repr: bool, compare: bool, hash: bool) -> None:
        self.name = ""
        self.kw_only = False
        self.default = default
        self.factory = factory
        self.repr = repr
        self.compare = compare
        self.hash = hash

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is _MISSING and self.factory is None


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    repr: bool = True,
    compare: bool = True,
    hash: bool | None = None,
) -> Any:
    """A field that is more than a name and a type; see `dataclasses.field`."""
    return Field(default, default_factory, repr, compare, compare if hash is None else hash)


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, kw_only: bool = False, frozen: bool = True, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: Any = None, /, *, kw_only: bool = False, frozen: bool = True, eq: bool = True) -> Any:
    """Make a class a record, with slots; see `dataclasses.dataclass`.

    Raises TypeError for a field without a default behind one with, and ValueError for a mutable default.
    """
    if cls is None:
        return lambda cls: _made(cls, kw_only=kw_only, frozen=frozen, eq=eq)
    return _made(cls, kw_only=kw_only, frozen=frozen, eq=eq)


def fields(kind: object) -> tuple[Field, ...]:
    """The fields of a record, or of its class, in their order. Raises AttributeError for anything else."""
    found: tuple[Field, ...] = kind.__record_fields__  # type: ignore[attr-defined]
    return found


def is_record(kind: object) -> bool:
    """Whether it is a record, or the class of one."""
    return hasattr(kind, "__record_fields__")


def replace(instance: T, /, **changes: Any) -> T:
    """A record like `instance`, but for `changes`. Raises TypeError for a field it has not."""
    for one in instance.__record_fields__:  # type: ignore[attr-defined]
        if one.name not in changes:
            changes[one.name] = getattr(instance, one.name)
    return type(instance)(**changes)


def _made(cls: type, *, kw_only: bool, frozen: bool, eq: bool) -> type:
    inherited = getattr(cls, "__record_fields__", ())
    own = list(_own_fields(cls, kw_only=kw_only))
    names = [one.name for one in own]
    fields = (*(one for one in inherited if one.name not in names), *own)
    contents = {name: value for name, value in cls.__dict__.items() if name not in {*names, "__dict__", "__weakref__"}}
    known = {one.name for one in inherited}
    contents["__slots__"] = tuple(name for name in names if name not in known)
    contents["__record_fields__"] = fields
    contents["__dataclass_fields__"] = _DataclassFields()
    contents["__signature__"] = _Signature()
    contents.setdefault("__match_args__", tuple(one.name for one in fields if not one.kw_only))
    methods = [_repr(fields)]
    if eq:
        methods += [_eq(fields)]
    if frozen:
        methods += _frozen(fields)
    for method in methods:
        contents.setdefault(method.__name__, method)
    if eq and "__hash__" not in cls.__dict__:
        contents["__hash__"] = _hash(fields) if frozen else None
    made = type(cls)(cls.__name__, cls.__bases__, contents)
    made.__qualname__ = cls.__qualname__
    if "__init__" not in cls.__dict__:
        made.__init__ = _init(made, fields)  # type: ignore[misc]
    return made


def _own_fields(cls: type, *, kw_only: bool) -> Iterable[Field]:
    defaults = False
    for name, hint in cls.__dict__.get("__annotations__", {}).items():  # noqa: RUF063 - inspect is what is not imported
        if "ClassVar" in str(hint):
            continue
        value = cls.__dict__.get(name, _MISSING)
        one = value if isinstance(value, Field) else field(default=value)
        one.name, one.kw_only = name, kw_only
        if isinstance(one.default, (list, dict, set)):
            raise ValueError(f"{cls.__name__}.{name} has a mutable default; use default_factory")
        if one.required and defaults and not kw_only:
            raise TypeError(f"{cls.__name__}.{name} has no default and follows one that has")
        defaults = defaults or not one.required
        yield one


def _init(cls: type, fields: tuple[Field, ...]) -> Callable[..., None]:
    positional = [one for one in fields if not one.kw_only]
    ordered = [*positional, *(one for one in fields if one.kw_only)]
    # The slots' own setters: they do not ask whether the record is frozen.
    table = [(one.name, getattr(cls, one.name).__set__, one.default, one.factory) for one in ordered]
    setters, most = [put for _, put, _, _ in table], len(positional)
    rests = [table[given:] for given in range(most + 1)]
    then = getattr(cls, "__post_init__", None)

    def __init__(self: Any, /, *args: Any, **named: Any) -> None:
        if len(args) > most:
            raise TypeError(f"{cls.__name__}() takes {most} values by position, not {len(args)}")
        for put, value in zip(setters, args, strict=False):
            put(self, value)
        for name, put, default, factory in rests[len(args)]:
            if name in named:
                put(self, named.pop(name))
            elif factory is not None:
                put(self, factory())
            elif default is not _MISSING:
                put(self, default)
            else:
                raise TypeError(f"{cls.__name__}() needs {name!r}")
        if named:
            raise TypeError(f"{cls.__name__}() has no {next(iter(named))!r}, or was given it twice")
        if then is not None:
            then(self)

    return __init__


def _values(fields: Iterable[Field]) -> Callable[[Any], Any]:
    names = [one.name for one in fields]
    return attrgetter(*names) if names else lambda _: ()


def _eq(fields: tuple[Field, ...]) -> Callable[..., Any]:
    values = _values(one for one in fields if one.compare)

    def __eq__(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash(fields: tuple[Field, ...]) -> Callable[[Any], int]:
    values = _values(one for one in fields if one.hash)
    return lambda self: hash(values(self))


def _repr(fields: tuple[Field, ...]) -> Callable[[Any], str]:
    shown = [one.name for one in fields if one.repr]

    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    return __repr__


def _frozen(fields: tuple[Field, ...]) -> list[Callable[..., Any]]:
    """What keeps a record as it is, and lets it be copied and pickled all the same."""

    def __setattr__(_self: Any, name: str, _value: Any) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(_self: Any, name: str) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __getstate__(self: Any) -> list[Any]:
        return [getattr(self, one.name) for one in fields]

    def __setstate__(self: Any, state: list[Any]) -> None:
        for one, value in zip(fields, state, strict=True):
            object.__setattr__(self, one.name, value)

    return [__setattr__, __delattr__, __getstate__, __setstate__]


class _DataclassFields:
    """What `dataclasses` knows its own by, made when it asks."""

    def __get__(self, _instance: object, owner: Any) -> dict[str, Any]:
        import dataclasses

        @dataclasses.dataclass(kw_only=True)
        class Likeness:
            pass

        Likeness.__annotations__ = {}
        for one in owner.__record_fields__:
            given: dict[str, Any] = {"repr": one.repr, "compare": one.compare, "hash": one.hash, "kw_only": one.kw_only}
            if one.factory is not None:
                given["default_factory"] = one.factory
            elif one.default is not _MISSING:
                given["default"] = one.default
            setattr(Likeness, one.name, dataclasses.field(**given))
            Likeness.__annotations__[one.name] = _hint(owner, one.name)
        return dataclasses.dataclass(Likeness).__dataclass_fields__


class _Signature:
    """What `inspect.signature` says of a record, made when it asks."""

    def __get__(self, _instance: object, owner: Any) -> Any:
        from inspect import Parameter, Signature

        parameters = []
        for one in sorted(owner.__record_fields__, key=lambda one: one.kw_only):
            default = Parameter.empty if one.required else one.default if one.factory is None else one.factory
            kind = Parameter.KEYWORD_ONLY if one.kw_only else Parameter.POSITIONAL_OR_KEYWORD
            parameters.append(Parameter(one.name, kind, default=default, annotation=_hint(owner, one.name)))
        return Signature(parameters, return_annotation=None)


def _hint(owner: type, name: str) -> Any:
    from inspect import get_annotations

    return next(hints[name] for cls in owner.__mro__ if name in (hints := get_annotations(cls)))
