"""GS1's application identifiers and what may stand behind each (GS1 General Specifications, figure 3.2-1). Pure.

Only what can be told from the digits themselves is here: length, kind of character, check digit, date. Which element
may stand beside which, and which country has which number, is for whoever reads the code to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

from agent.record import record
from hardware import check_digits

_TABLE = """
00          N18c
01-03       N14c
10          X..20
11-13       N6d
15-17       N6d
20          N2
21-22       X..20
235         X..28
240-241     X..30
242         N..6
243         X..20
250-251     X..30
253         N13c [X..17]
254         X..20
255         N13c [N..12]
30          N..8
3100-3105   N6
3110-3115   N6
3120-3125   N6
3130-3135   N6
3140-3145   N6
3150-3155   N6
3160-3165   N6
3200-3205   N6
3210-3215   N6
3220-3225   N6
3230-3235   N6
3240-3245   N6
3250-3255   N6
3260-3265   N6
3270-3275   N6
3280-3285   N6
3290-3295   N6
3300-3305   N6
3310-3315   N6
3320-3325   N6
3330-3335   N6
3340-3345   N6
3350-3355   N6
3360-3365   N6
3370-3375   N6
3400-3405   N6
3410-3415   N6
3420-3425   N6
3430-3435   N6
3440-3445   N6
3450-3455   N6
3460-3465   N6
3470-3475   N6
3480-3485   N6
3490-3495   N6
3500-3505   N6
3510-3515   N6
3520-3525   N6
3530-3535   N6
3540-3545   N6
3550-3555   N6
3560-3565   N6
3570-3575   N6
3600-3605   N6
3610-3615   N6
3620-3625   N6
3630-3635   N6
3640-3645   N6
3650-3655   N6
3660-3665   N6
3670-3675   N6
3680-3685   N6
3690-3695   N6
37          N..8
3900-3909   N..15
3910-3919   N3 N..15
3920-3929   N..15
3930-3939   N3 N..15
3940-3943   N4
3950-3955   N6
400-401     X..30
402         N17c
403         X..30
410-417     N13c
420         X..20
421         N3 X..9
422         N3
423         N3 [N3] [N3] [N3] [N3]
424         N3
425         N3 [N3] [N3] [N3] [N3]
426         N3
427         X..3
4300-4301   X..35
4302-4306   X..70
4307        X2u
4308        X..30
4309        N20
4310-4311   X..35
4312-4316   X..70
4317        X2u
4318        X..20
4319        X..30
4320        X..35
4321-4323   N1b
4324-4325   N6d N4
4326        N6d
4330-4333   N6 [X1]
7001        N13
7002        X..30
7003        N6d N4t
7004        N..4
7005        X..12
7006        N6d
7007        N6d [N6d]
7008        X..3
7009        X..10
7010        X..2
7011        N6d [N4t]
7020-7022   X..20
7023        X..30
7030-7039   N3 X..27
7040        N1 X3
7041        X..4
710-717     X..20
7230-7239   X2 X..28
7240        X..20
7241        N2
7242        X..25
7250        N8
7251        N12
7252        N1
7253-7254   X..40
7255        X..10
7256        X..90
7257        X..70
7258        X3
7259        X..40
8001        N14
8002        X..20
8003        N14c [X..16]
8004        X..30
8005        N6
8006        N14c N4
8007        X..34
8008        N6d N2 [N2] [N2]
8009        X..50
8010        Y..30
8011        N..12
8012        X..20
8013-8014   X..25p
8017-8018   N18c
8019        N..10
8020        X..25
8026        N14c N4
8030        Z..90
8040-8041   N15
8042        N32
8043        N18 [N..2]
8110        X..70
8111        N4
8112        X..70
8200        X..70
90          X..30
91-99       X..90
"""
"""N: digits, X: GS1's 82 characters, Y: 39 of them, Z: those of base64 in an address. A number is a length, `..` up to
it.

What is in brackets may be missing. c: a check digit at the end, p: a pair of check letters, d: a date (YYMMDD, where a
day of 00 is none), t: a time (HHMM), b: 0 or 1, u: capitals and digits.
"""

_SETS = {
    "N": "[0-9]",
    "X": "[!\"%&'()*+,\\-./0-9:;<=>?A-Z_a-z]",
    "Y": "[#\\-/0-9A-Z]",
    "Z": "[\\-_=0-9A-Za-z]",
}
_PART = re.compile(r"(\[)?([NXYZ])(\.\.)?(\d+)([bcdptu])?\]?")
_ENDED_BY_LENGTH = {"00", "01", "02", "03", "04", *map(str, range(11, 21)), *map(str, range(31, 37)), "41"}
"""First two digits of the identifiers whose length everybody knows, so that no GS need follow (figure 7.8.5-2)."""


@record
class Identifier:
    """One application identifier."""

    ai: str
    shortest: int
    longest: int
    """Characters of its shortest and its longest value."""
    needs_end: bool
    """Whether a GS must follow when something else does."""
    _form: re.Pattern[str]
    _rules: tuple[str, ...]

    def problem(self, value: str) -> str | None:
        """What is wrong with a value: "length", "characters", "date", "check digit"; None for a good one."""
        found = self._form.fullmatch(value)
        if found is None:
            return "characters" if self.shortest <= len(value) <= self.longest else "length"
        broken = [
            rule
            for rule, part in zip(self._rules, found.groups(), strict=True)
            if rule and part is not None and not _RULES[rule](part)
        ]
        if not broken:
            return None
        return {"c": "check digit", "p": "check digit", "d": "date", "t": "date"}.get(broken[0], "characters")


def identifier(text: str) -> Identifier | None:
    """The application identifier a text begins with; no identifier is the beginning of another."""
    known = _identifiers()
    return next((known[text[:length]] for length in (2, 3, 4) if text[:length] in known), None)


def known_identifiers() -> list[str]:
    """Every identifier there is, in order."""
    return sorted(_identifiers())


def _is_date(digits: str) -> bool:
    import calendar  # with the time zones and the locale, for a code with a date in it

    year, month, day = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    return 1 <= month <= 12 and day <= calendar.monthrange(2000 + year, month)[1]


_RULES: dict[str, Callable[[str], bool]] = {
    "b": lambda digit: digit in "01",
    "c": check_digits.gs1_is_right,
    "d": _is_date,
    "p": check_digits.gs1_pair_is_right,
    "t": lambda digits: digits[:2] < "24" and digits[2:] < "60",
    "u": lambda text: text == text.upper() and text.isalnum(),
}


@cache
def _identifiers() -> dict[str, Identifier]:
    return {ai: _built(ai, form) for ai, form in _rows()}


def _rows() -> Iterator[tuple[str, str]]:
    for line in _TABLE.strip().splitlines():
        span, form = line.split(maxsplit=1)
        first, _, last = span.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield str(number).zfill(len(first)), form


def _built(ai: str, form: str) -> Identifier:
    parts = _PART.findall(form)
    return Identifier(
        ai,
        shortest=sum(0 if optional else 1 if upto else int(length) for optional, _, upto, length, _ in parts),
        longest=sum(int(length) for *_, length, _ in parts),
        needs_end=ai[:2] not in _ENDED_BY_LENGTH,
        _form=_compiled(form),
        _rules=tuple(rule for *_, rule in parts),
    )


@cache  # the 541 identifiers have 76 forms
def _compiled(form: str) -> re.Pattern[str]:
    return re.compile(
        "".join(
            f"({_SETS[kind]}{{{'1,' if upto else ''}{length}}}){'?' if optional else ''}"
            for optional, kind, upto, length, _ in _PART.findall(form)
        )
    )
