from __future__ import annotations

import pytest

from hardware.displays import ConsoleDisplay
from hardware.facts import DeviceError
from tests.peers.terminal import Terminal


@pytest.fixture
def terminal():
    return Terminal()


def test_lines_are_drawn_from_the_top_and_the_rest_is_cleared(terminal):
    display = ConsoleDisplay(terminal.path)
    display.show(["Hello", "world"])
    assert display.size == (20, 4)
    text = terminal.written()
    assert "\x1b[1;1H\x1b[2KHello\x1b[2;1H\x1b[2Kworld" in text
    assert text.endswith("\x1b[3;1H\x1b[J")
    display.close()
    assert terminal.written().endswith("\x1b[?25h\r\n"), "the cursor is back"


def test_what_does_not_fit_is_wrapped_and_cut(terminal):
    display = ConsoleDisplay(terminal.path)
    display.show(["a line that is longer than twenty columns", "second", "third", "fourth"])
    rows = terminal.rows()
    assert len(rows) == 4
    assert all(len(row) <= 20 for row in rows)
    assert rows[-1].endswith("…")
    display.close()


def test_the_configured_size_wins(terminal):
    display = ConsoleDisplay(terminal.path, columns=10, rows=2)
    display.show(["1", "2", "3"])
    assert display.size == (10, 2)
    assert terminal.rows() == ["1", "2…"]
    display.close()


def test_no_text_reaches_the_terminal_but_as_characters(terminal):
    display = ConsoleDisplay(terminal.path)
    display.show(["\x1b[2J\x1b]0;mine\x07evil\u202e"])
    assert terminal.rows() == ["evil"]
    display.close()


def test_a_display_that_is_not_there_is_named():
    with pytest.raises(DeviceError, match="there is no display /dev/none"):
        ConsoleDisplay("/dev/none").show(["a"])


def test_a_file_is_no_display(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(DeviceError, match="is not a terminal; use /dev/tty1"):
        ConsoleDisplay(str(path)).show(["a"])


def test_a_display_that_went_away_is_told_and_opened_again(terminal):
    display = ConsoleDisplay(terminal.path)
    display.show(["a"])
    terminal.hang_up()
    with pytest.raises(DeviceError):
        display.show(["b"])
    again = Terminal()
    if again.path != terminal.path:
        pytest.skip("the system gives another number to the next terminal")
    display.show(["c"])
    assert again.rows() == ["c"]
    display.close()


def test_a_terminal_stopped_with_ctrl_s_does_not_stop_the_agent(terminal):
    display = ConsoleDisplay(terminal.path)
    display.show(["a"])
    with pytest.raises(DeviceError, match="Ctrl-S"):
        show_a_thousand_times(display)  # nobody reads, as behind a terminal that was stopped
    display.close()


def show_a_thousand_times(display):
    for _ in range(1000):
        display.show(["x" * 20] * 4)


def test_a_log_gets_each_new_line_once(capfd):
    display = ConsoleDisplay("-")
    display.show(["Ready"])
    display.show(["Ready", "INV-1: kept\x07"])
    display.show(["Ready", "INV-1: done"])
    display.close()
    assert capfd.readouterr().out.splitlines() == ["Ready", "INV-1: kept", "INV-1: done"]
