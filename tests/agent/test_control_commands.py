from __future__ import annotations

import pytest

from agent.control_commands import ControlCommands
from agent.events import Requested, Tick
from agent.tasks import Task
from hardware.facts import DeviceError


class Asked:
    """The commands with what stands around them written down."""

    def __init__(self):
        self.put = []
        self.room = True
        self.driven = []
        self.letters = []
        self.answers = []
        self.commands = ControlCommands(self._put, status=self.status, letters=self, drive=self._drive)

    def __call__(self, command, **arguments):
        self.commands.handle({"command": command, **arguments}, self.answers.append)

    def core(self):
        """Do what the core would."""
        for item in self.put:
            if isinstance(item, Task):
                item.run(5.0)

    def error(self):
        (answer,) = self.answers
        assert answer["ok"] is False
        return answer["error"]

    def status(self, now):
        return {"state": "ready", "now": now}

    def list(self):
        return {"ok": True, "letters": []}

    def retry(self, request_id, now):
        self.letters.append(("retry", request_id, now))
        return {"ok": True, "changed": 1}

    def drop(self, request_id):
        self.letters.append(("drop", request_id))
        return {"ok": True, "changed": 1}

    def _put(self, item):
        if self.room:
            self.put.append(item)
        return self.room

    def _drive(self, pin, level):
        if pin != 17:
            raise DeviceError(f"no button is on pin {pin}")
        self.driven.append((pin, level))


@pytest.fixture
def asked():
    return Asked()


def test_the_status_is_made_on_the_core(asked):
    asked("status")
    assert asked.answers == []
    asked.core()
    assert asked.answers == [{"ok": True, "state": "ready", "now": 5.0}]


def test_a_code_becomes_a_request_whose_answer_comes_later(asked):
    asked("send-code", text="INV-1", kind="invoice", label="Invoice", language="de-de", session="till", wait=3)
    (wish,) = asked.put
    assert wish == Requested(
        ticket=wish.ticket,
        kind="code",
        text="INV-1",
        label="Invoice",
        code_kind="invoice",
        language="de-de",
        session_id="till",
        wait_seconds=3.0,
    )
    assert asked.answers == []
    asked.commands.answer(wish.ticket, {"ok": True, "outcome": "done"})
    asked.commands.answer(wish.ticket, {"ok": True, "outcome": "again"})
    assert asked.answers == [{"ok": True, "outcome": "done"}]


def test_an_action_and_a_question_have_their_kinds(asked):
    asked("send-action", text="/help", title="Help")
    asked("ask", text="what time is it")
    action, question = asked.put
    assert (action.kind, action.label, action.wait_seconds) == ("action", "Help", 12.0)
    assert (question.kind, question.label, question.language) == ("utterance", None, None)
    assert action.ticket != question.ticket


def test_a_code_is_passed_on_as_it_is(asked):
    asked("send-code", text=" 0104\x1d ")
    assert asked.put[0].text == " 0104\x1d "


def test_dead_letters_are_listed_sent_again_and_dropped_on_the_core(asked):
    asked("outbox")
    asked("outbox", action="retry", request_id="all")
    asked("outbox", action="drop", request_id="r-1")
    assert asked.letters == []
    asked.core()
    assert asked.letters == [("retry", "all", 5.0), ("drop", "r-1")]
    assert [answer["ok"] for answer in asked.answers] == [True] * 3
    assert any(isinstance(item, Tick) for item in asked.put)


def test_a_pin_is_driven_at_once_or_refused(asked):
    asked("pin", pin=17, level="low")
    assert asked.driven == [(17, "low")]
    assert asked.answers.pop() == {"ok": True}
    asked("pin", pin=18, level="low")
    assert asked.error() == "no button is on pin 18"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "a request names its command"),
        ({"command": 7}, "a request names its command"),
        ({"command": "stauts"}, 'there is no command "stauts"; did you mean "status"?'),
        ({"command": "send-code"}, "text must be a text that is not empty"),
        ({"command": "send-code", "text": "  "}, "text must be a text that is not empty"),
        ({"command": "send-code", "text": "A" * 40_000}, "text may have 32768 characters"),
        ({"command": "send-code", "text": "A", "kind": 1}, "kind must be a text"),
        ({"command": "ask", "text": "A", "wait": "soon"}, "wait must be a number of seconds from 0 to 600"),
        ({"command": "ask", "text": "A", "wait": -1}, "wait must be a number"),
        ({"command": "ask", "text": "A", "wait": float("nan")}, "wait must be a number"),
        ({"command": "ask", "text": "A", "wait": True}, "wait must be a number"),
        ({"command": "outbox", "action": "burn"}, 'an outbox can be asked to "list", "retry" or "drop"'),
        ({"command": "outbox", "action": "retry"}, 'name the request_id to retry, or "all"'),
        ({"command": "pin", "pin": "17", "level": "low"}, "a pin is driven with its GPIO number"),
        ({"command": "pin", "pin": 17, "level": "up"}, "a pin is driven with its GPIO number"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_one_sentence(asked, request_, words):
    asked.commands.handle(request_, asked.answers.append)
    assert words in asked.error()
    assert asked.put == []


@pytest.mark.parametrize("command", ["status", "ask"])
def test_a_full_inbox_is_told(asked, command):
    asked.room = False
    asked(command, text="A")
    assert asked.error() == "the agent has too much to do; try again"


def test_a_task_that_fails_is_answered_all_the_same(asked):
    def failing(now):
        raise ZeroDivisionError

    asked.commands = ControlCommands(asked._put, status=failing, letters=asked, drive=asked._drive)
    asked("status")
    with pytest.raises(ZeroDivisionError):
        asked.core()
    assert "its journal says how" in asked.error()
