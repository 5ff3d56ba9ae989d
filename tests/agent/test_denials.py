"""A hub denies at once what it denies, in the order it reads, and never says which message it means."""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import booleans, integers, lists, tuples

from agent.denials import Denials


def after(*sent):
    denials = Denials()
    for name in sent:
        denials.sent(name)
    return denials


def test_what_is_out_alone_owns_a_denial():
    assert after("a").denied(["a"]) == ["a"]


def test_of_two_nobody_owns_one_denial():
    assert after("a", "b").denied(["a", "b"]) == []


def test_as_many_denials_as_messages_are_everybodys():
    denials = after("a", "b")
    denials.denied(["a", "b"])
    assert denials.denied(["a", "b"]) == ["a", "b"]


def test_an_answer_tells_whose_the_denial_was():
    denials = after("a", "b")
    denials.denied(["a", "b"])
    assert denials.answered("a", ["b"]) == ["b"]


def test_an_answer_to_the_later_one_tells_as_well():
    denials = after("a", "b")
    denials.denied(["a", "b"])
    assert denials.answered("b", ["a"]) == ["a"]


def test_a_message_given_up_may_still_own_the_next_denial():
    denials = after("silent", "a")
    assert denials.denied(["a"]) == []
    denials.sent("a")
    assert denials.denied(["a"]) == ["a"], "the silent one has one denial at most"


def test_what_went_out_before_an_answered_one_is_denied_by_then_or_never():
    denials = after("silent", "a")
    assert denials.answered("a", []) == []
    denials.sent("b")
    assert denials.denied(["b"]) == ["b"]


def test_another_session_has_nothing_to_do_with_this_one():
    denials = after("a")
    denials.session_began()
    denials.sent("b")
    assert denials.denied(["b"]) == ["b"]


def test_a_denial_of_nothing_that_is_out_is_nobodys():
    assert after().denied([]) == []
    assert after().denied(["a"]) == []


@given(
    fates=lists(tuples(booleans(), integers(0, 3)), min_size=1, max_size=6),
    hears=lists(integers(0, 5), max_size=40),
    window=integers(1, 3),
)
def test_however_the_answers_come_only_what_was_denied_is_taken_for_denied(fates, hears, window):
    """`fates`: whether the hub denies a message, and how many turns later it answers it otherwise (3: never)."""
    denials = Denials()
    waiting = [str(number) for number in range(len(fates))]
    out: dict[str, int] = {}
    for turn in range(200):
        read = []
        while waiting and len(out) < window:
            name = waiting.pop(0)
            out[name] = turn
            read.append(name)
            denials.sent(name)
        gone: set[str] = set()
        for name in read:
            if fates[int(name)][0]:
                gone.update(denials.denied(list(out)))
        assert all(fates[int(name)][0] for name in gone), "a message that was not denied is taken for denied"
        for name in gone:
            out.pop(name)
        patience = hears[turn % len(hears)] if hears else 3
        for name, since in list(out.items()):
            if name not in out:
                continue
            denied, delay = fates[int(name)]
            if not denied and delay < 3 and turn - since >= delay:
                del out[name]
                found = denials.answered(name, list(out))
                assert all(fates[int(other)][0] for other in found)
                for other in found:
                    out.pop(other)
            elif not denied and turn - since > 3 + patience:
                del out[name]  # given up
            elif denied and turn - since > patience:
                del out[name]  # sent again, first of all
                waiting.insert(0, name)
        if not out and not waiting:
            return
    raise AssertionError(f"never came to an end: {out} {waiting}")
