"""A record is a frozen dataclass by another road: the two are made from the same class and compared."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import ClassVar

import pytest

from agent import record as records


class Plain:
    number: int
    text: str = "-"
    more: tuple[str, ...] = ()
    RATE: ClassVar[int] = 3

    def doubled(self) -> int:
        return self.number * 2


def twins(**options):
    """The same class as a dataclass and as a record."""
    return dataclasses.dataclass(slots=True, **({"frozen": True} | options))(_copy(Plain)), records.record(**options)(
        _copy(Plain)
    )


def _copy(cls):
    return type(cls.__name__, (), {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")})


@records.record
class Kept:
    """One that can be found again by its name."""

    name: str
    secret: str = records.field(default="", repr=False)
    seen: list[int] = records.field(default_factory=list, compare=False)


@records.record(kw_only=True)
class Longer(Kept):
    size: int = 0


@pytest.mark.parametrize("options", [{}, {"kw_only": True}, {"frozen": False}, {"eq": False}])
@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((), {"number": 1}),
        ((1,), {}),
        ((1, "a"), {}),
        ((1,), {"more": ("x",)}),
        ((1, "a", ("x",)), {}),
        ((), {}),
        ((1, "a", ("x",), 4), {}),
        ((1,), {"number": 1}),
        ((1,), {"unknown": 1}),
        ((), {"text": "a"}),
    ],
)
def test_it_takes_what_a_dataclass_takes_and_looks_the_same(options, args, named):
    made: list[object] = []
    for cls in twins(**options):
        try:
            one = cls(*args, **named)
        except TypeError:
            made.append("refused")
        else:
            again = cls(*args, **named)
            hashed = None if cls.__hash__ is None else hash(one) == hash(again)
            made.append((repr(one), one == again, one == (1, "a", ("x",)), hashed, one.doubled(), one.RATE))
    assert made[0] == made[1]


@pytest.mark.parametrize("options", [{}, {"kw_only": True}, {"frozen": False}])
def test_it_is_described_as_a_dataclass_is(options):
    theirs, ours = twins(**options)
    assert str(inspect.signature(ours)).removesuffix(" -> None") == str(inspect.signature(theirs)).removesuffix(
        " -> None"
    )
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__slots__ == theirs.__slots__
    assert [one.name for one in records.fields(ours)] == [one.name for one in dataclasses.fields(theirs)]
    assert [one.required for one in records.fields(ours)] == [True, False, False]


def test_a_frozen_one_stays_as_it_is_and_another_does_not():
    one = Kept("a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'name'"):
        one.name = "b"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'name'"):
        del one.name
    loose = twins(frozen=False)[1](1)
    loose.number = 2
    assert loose.doubled() == 4


def test_a_replaced_one_differs_in_what_was_said_and_takes_no_field_it_has_not():
    one = Kept("a", "s")
    assert records.replace(one, name="b") == Kept("b", "s")
    assert dataclasses.replace(one, name="b") == Kept("b", "s")
    with pytest.raises(TypeError, match="has no 'nmae'"):
        records.replace(one, nmae="b")


def test_the_functions_of_dataclasses_know_a_record():
    one = Longer("a", "s", size=3)
    assert dataclasses.is_dataclass(one)
    assert dataclasses.asdict(one) == {"name": "a", "secret": "s", "seen": [], "size": 3}
    assert [(each.name, each.repr, each.compare) for each in dataclasses.fields(Kept)] == [
        ("name", True, True),
        ("secret", False, True),
        ("seen", True, False),
    ]


def test_a_field_may_be_hidden_or_left_out_of_comparisons_and_have_a_default_of_its_own():
    one, other = Kept("a", "s"), Kept("a", "s")
    one.seen.append(1)
    assert (repr(one), one) == ("Kept(name='a', seen=[1])", other)
    assert hash(one) == hash(other)
    assert other.seen == []


def test_one_may_be_built_upon_another():
    assert repr(Longer("a", size=2)) == "Longer(name='a', seen=[], size=2)"
    assert Longer("a") != Kept("a")
    assert vars(Longer)["__slots__"] == ("size",)


def test_it_is_copied_and_pickled():
    one = Longer("a", "s", [1], size=2)
    deep = copy.deepcopy(one)
    assert (copy.copy(one), deep, pickle.loads(pickle.dumps(one))) == (one, one, one)
    assert deep.seen is not one.seen


def test_it_is_matched_by_position():
    match Kept("a", "s"):
        case Kept(name, secret):
            assert (name, secret) == ("a", "s")


def test_what_a_class_says_itself_stands():
    @records.record
    class Own:
        name: str

        def __repr__(self) -> str:
            return "hidden"

        def __post_init__(self) -> None:
            if not self.name:
                raise ValueError("it needs a name")

    assert repr(Own("a")) == "hidden"
    with pytest.raises(ValueError, match="it needs a name"):
        Own("")


def test_a_default_that_all_would_share_and_a_field_behind_one_with_a_default_are_refused():
    with pytest.raises(ValueError, match=r"Wrong\.items has a mutable default; use default_factory"):

        @records.record
        class Wrong:
            items: list[int] = []  # noqa: RUF012 - what is refused

    with pytest.raises(TypeError, match=r"Late\.second has no default and follows one that has"):

        @records.record
        class Late:
            first: int = 0
            second: int  # type: ignore[misc]
