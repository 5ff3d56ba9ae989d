"""What a keyboard's keys write, by layout. Pure.

The numbers are Linux key codes, which are places on the keyboard: 16 is the key to the right of Tab, whatever is
printed on it. A scanner that poses as a keyboard presses the keys of the layout it is set to, and here they are turned
back.

A dead key waits for the next letter: `^` and `e` make `ê`, `^` and a space make `^`.
"""

from __future__ import annotations

import unicodedata

from agent.record import record
from hardware.facts import DeviceError

_DIGITS, _UPPER, _MIDDLE, _LOWER = range(2, 14), range(16, 28), range(30, 41), range(44, 54)
_GRAVE, _BACKSLASH, _LESS, _SPACE = 41, 43, 86, 57
_KEYPAD = dict(zip((71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83), "789-456+1230.", strict=True))
_KEYPAD |= {55: "*", 98: "/", 117: "=", 121: ","}
_ENDS = {28: "\r", 96: "\r", 15: "\t", 1: "\x1b"}
_SHIFTS, _CONTROLS, _ALT, _ALTGR, _CAPS, _METAS = {42, 54}, {29, 97}, 56, 100, 58, {125, 126}
_DEAD = {"\u0302": "^", "\u0301": "´", "\u0300": "`", "\u0308": "¨", "\u0303": "~"}
"""Dead keys are combining marks in the tables, and these when they stand alone."""


@record
class Keymap:
    """What each key writes alone, with Shift, with AltGr, and with both."""

    levels: tuple[dict[int, str], dict[int, str], dict[int, str], dict[int, str]]


def _rows(rows: str) -> dict[int, str]:
    """Keys from the rows of a keyboard as they are printed: the key before 1, the numbers, and so on down."""
    grave, digits, upper, backslash, middle, less, lower = rows.split(" ")
    keys = {_GRAVE: grave, _BACKSLASH: backslash, _LESS: less, _SPACE: " "}
    for row, letters in ((_DIGITS, digits), (_UPPER, upper), (_MIDDLE, middle), (_LOWER, lower)):
        keys |= dict(zip(row, letters, strict=True))
    return keys


KEYMAPS = {
    "us": Keymap(
        (
            _rows("` 1234567890-= qwertyuiop[] \\ asdfghjkl;' < zxcvbnm,./"),
            _rows('~ !@#$%^&*()_+ QWERTYUIOP{} | ASDFGHJKL:" > ZXCVBNM<>?'),
            {},
            {},
        )
    ),
    "uk": Keymap(
        (
            _rows("` 1234567890-= qwertyuiop[] # asdfghjkl;' \\ zxcvbnm,./"),
            _rows('¬ !"£$%^&*()_+ QWERTYUIOP{} ~ ASDFGHJKL:@ | ZXCVBNM<>?'),
            {_GRAVE: "¦", 5: "€", 18: "é", 22: "ú", 23: "í", 24: "ó", 30: "á"},
            {18: "É", 22: "Ú", 23: "Í", 24: "Ó", 30: "Á"},
        )
    ),
    "de": Keymap(
        (
            _rows("\u0302 1234567890ß\u0301 qwertzuiopü+ # asdfghjklöä < yxcvbnm,.-"),
            _rows("° !\"§$%&/()=?\u0300 QWERTZUIOPÜ* ' ASDFGHJKLÖÄ > YXCVBNM;:_"),
            {
                3: "²",
                4: "³",
                8: "{",
                9: "[",
                10: "]",
                11: "}",
                12: "\\",
                16: "@",
                18: "€",
                27: "~",
                _LESS: "|",
                50: "µ",
            },
            {},
        )
    ),
    "fr": Keymap(
        (
            _rows("² &é\"'(-è_çà)= azertyuiop\u0302$ * qsdfghjklmù < wxcvbn,;:!"),
            _rows("~ 1234567890°+ AZERTYUIOP\u0308£ µ QSDFGHJKLM% > WXCVBN?./§"),
            {**dict(zip(range(3, 14), "~#{[|`\\^@]}", strict=True)), 18: "€", 27: "¤"},
            {},
        )
    ),
}


class KeyReader:
    """The text that a keyboard's keys write. Raises DeviceError for a layout nobody has drawn yet.

    Enter on either block is CR, as a serial scanner sends it. Ctrl with a letter or with `]` is a control character,
    and Alt with numbers on the keypad is the character of that number: scanners write the GS of a GS1 code in both
    ways.
    """

    def __init__(self, layout: str = "us") -> None:
        if layout not in KEYMAPS:
            raise DeviceError(f'there is no keyboard layout "{layout}"; known: {", ".join(sorted(KEYMAPS))}')
        self._levels = KEYMAPS[layout].levels
        self.reset()

    def reset(self) -> None:
        """No key is down, and no dead key waits."""
        self._down: set[int] = set()
        self._caps = False
        self._dead = ""
        self._number = ""

    def key(self, code: int, value: int) -> str:
        """What a key writes by going down (1) or up (0); a key that is held (2) writes nothing more."""
        if value == 0:
            self._down.discard(code)
            return self._numbered() if code == _ALT else ""
        if value != 1:
            return ""
        self._down.add(code)
        if code == _CAPS:
            self._caps = not self._caps
        if code in _KEYPAD and _ALT in self._down and _KEYPAD[code].isdigit():
            self._number += _KEYPAD[code]
            return ""
        if self._down & _METAS:
            return ""
        if code in _ENDS:
            return self._composed("") + _ENDS[code]
        character = _KEYPAD.get(code) or self._character(code)
        if not character:
            return ""
        if self._down & _CONTROLS:
            return self._control(character)
        if character in _DEAD:
            waiting, self._dead = self._composed(""), character
            return waiting
        return self._composed(character)

    def _character(self, code: int) -> str:
        shift = bool(self._down & _SHIFTS)
        plain = self._levels[0].get(code, "")
        if self._caps and plain.isalpha() and plain.upper() == self._levels[1].get(code):
            shift = not shift
        return self._levels[shift + 2 * (_ALTGR in self._down)].get(code, "")

    def _control(self, character: str) -> str:
        upper = character.upper()
        return chr(ord(upper) & 0x1F) if len(upper) == 1 and "@" <= upper <= "_" else ""

    def _composed(self, character: str) -> str:
        dead, self._dead = self._dead, ""
        if not dead:
            return character
        if character == " ":
            return _DEAD[dead]
        whole = unicodedata.normalize("NFC", character + dead)
        return whole if character and len(whole) == 1 else _DEAD[dead] + character

    def _numbered(self) -> str:
        """The character whose number was typed while Alt was held: with a 0 in front of Windows', else of the PC's."""
        digits, self._number = self._number, ""
        if not digits:
            return ""
        number = int(digits[-5:])
        if number > 255:
            return chr(number) if number < 0xD800 else ""
        if number < 32:
            return chr(number)
        return bytes([number]).decode("cp1252" if digits.startswith("0") else "cp437", "ignore")
