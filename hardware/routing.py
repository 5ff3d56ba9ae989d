"""Which code goes where: the rules of one device, the first that fits. Pure.

A rule says what it is about (a symbology, a GS1 application identifier, a pattern; all that it names must hold) and
what becomes of such a code. A code that no rule is about is what the scanner's own settings say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.record import record
from hardware.facts import CodeScanned, DeviceError

_PLACE = re.compile(r"\{([A-Za-z_0-9]+)\}")


@record(kw_only=True)
class Rule:
    """What is done with some codes."""

    scanner: str = ""
    """The scanner it is about; empty: all."""
    symbologies: tuple[str, ...] = ()
    """Names out of `hardware.symbology.NAMES`, or AIM identifiers; empty: any, and none."""
    identifiers: tuple[str, ...] = ()
    """GS1 application identifiers that must all be there."""
    pattern: str = ""
    """A regular expression that must fit the whole value; empty: any."""
    kind: str = ""
    label: str = ""
    session: str = ""
    """What the code is for the hub; empty: as the scanner says."""
    value: str = ""
    """What is sent in place of the whole code, with `{value}`, `{01}` or a group of the pattern in braces."""
    action: str = ""
    """An action to be sent instead of a code, with the same in braces. A barcode at the counter is a button then."""


@record
class Route:
    """What becomes of one code; what is empty is as the scanner says."""

    kind: str = ""
    label: str = ""
    session: str = ""
    value: str = ""
    action: str = ""


class Routes:
    """The rules of a device. Raises DeviceError, naming the rule by its number, for one that can never work."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [_Compiled(rule, number) for number, rule in enumerate(rules, 1)]

    def route(self, code: CodeScanned) -> Route | None:
        """What becomes of a code; None when no rule is about it."""
        for rule in self._rules:
            groups = rule.fit(code)
            if groups is not None:
                return rule.route(code, groups)
        return None


class _Compiled:
    def __init__(self, rule: Rule, number: int) -> None:
        # Here, not above: the class of a rule is known to every device, and few have one.
        from hardware import symbology
        from hardware.gs1_identifiers import known_identifiers

        self._rule = rule
        where = f"rule {number}"
        for name in rule.symbologies:
            if name not in symbology.NAMES and not re.fullmatch(r"\][A-Za-z][0-9A-Za-z]", name):
                raise DeviceError(
                    f'{where}: "{name}" is no symbology; use ean-13, gs1-128, qr, … or an AIM identifier such as ]C1'
                )
        unknown = sorted(set(rule.identifiers) - set(known_identifiers()))
        if unknown:
            raise DeviceError(f'{where}: "{unknown[0]}" is no GS1 application identifier')
        try:
            self._pattern = re.compile(rule.pattern or ".*", re.DOTALL)
        except re.error as error:
            raise DeviceError(f'{where}: "{rule.pattern}" is no regular expression: {error}') from None
        known = {"value", *rule.identifiers, *self._pattern.groupindex}
        for place in _PLACE.findall(rule.value + rule.action):
            if place not in known and not (place.isdigit() and place in known_identifiers()):
                raise DeviceError(f"{where}: nothing gives {{{place}}} a value; known here: {', '.join(sorted(known))}")

    def fit(self, code: CodeScanned) -> dict[str, str] | None:
        """What the braces stand for, when the rule is about the code."""
        rule = self._rule
        if rule.scanner and rule.scanner != code.scanner:
            return None
        if rule.symbologies and not {code.symbology, code.aim} & set(rule.symbologies):
            return None
        values = {element.ai: element.value for element in reversed(code.elements)}  # of two alike the first holds
        if not set(rule.identifiers) <= set(values):
            return None
        found = self._pattern.fullmatch(code.value)
        if found is None:
            return None
        return values | {name: text or "" for name, text in found.groupdict().items()} | {"value": code.value}

    def route(self, code: CodeScanned, values: dict[str, str]) -> Route:
        rule = self._rule
        return Route(
            kind=rule.kind,
            label=rule.label,
            session=rule.session,
            value=_filled(rule.value, values),
            action=_filled(rule.action, values),
        )


def _filled(template: str, values: dict[str, str]) -> str:
    return _PLACE.sub(lambda place: values.get(place[1], ""), template)
