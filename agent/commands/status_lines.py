"""A status for a person: what `Status.as_dict` says, a line for each thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.commands.colours import Colour, Paint

_STATES: Mapping[str, Colour] = {
    "ready": "good",
    "up": "good",
    "degraded": "look",
    "offline": "bad",
    "attention": "bad",
}
_MIB = 1 << 20


def status_lines(answer: Mapping[str, Any], paint: Paint = lambda text, _: text) -> list[str]:
    """The lines, with what is wrong and what to do under the thing that it is about."""
    return [
        *_agent(answer, paint),
        *_outbox(answer["outbox"], answer["card"], paint),
        *_board(answer["board"], paint),
        *_parts((*answer["inputs"], *answer["outputs"]), answer.get("refused_scans", ()), paint),
        *_counts(answer["counts"]),
    ]


def _agent(answer: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    link, identity, configuration = answer["link"], answer["identity"], answer["configuration"]
    state, uptime = answer["state"], duration(answer["uptime_seconds"])
    yield f"{paint(state, _STATES.get(state, ''))}, version {answer['version']}, running for {uptime}"
    over = f" over {link['protocol']}" if link["protocol"] else ""
    shown = paint(link["state"], _STATES.get(link["state"], "look"))
    yield f"link      {shown}{over} for {duration(link['seconds'])}, lost {link['drops']} times"
    yield from _under(link["advice"], paint)
    yield from _under(answer["report"]["trouble"], paint)
    yield f"identity  {paint(identity['trouble'], 'bad') or identity['site_id'] or 'not read yet'}"
    if configuration["trouble"]:
        yield f"config    {paint(configuration['trouble'], 'look')}"
    if configuration["from_hub"]:
        values = configuration["from_hub"].items()
        yield "set by the hub: " + ", ".join(f"{name} {_value(value)}" for name, value in values)


def _outbox(outbox: Mapping[str, Any], card: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    oldest = "" if outbox["oldest_seconds"] is None else f", the oldest for {duration(outbox['oldest_seconds'])}"
    dead = paint(f"{outbox['dead']} dead letters", "look" if outbox["dead"] else "")
    yield f"outbox    {outbox['waiting']} waiting ({outbox['bytes']} bytes){oldest}, {dead}"
    yield from _under(outbox["trouble"], paint)
    written = "" if card["written_bytes"] is None else f", {card['written_bytes']} bytes written"
    yield f"card      {card['flushes']} flushes{written}"
    if not card["survives_power_cut"]:
        yield from _under("scans do not survive a power cut here: the state folder is in memory", paint)


def _board(board: Mapping[str, Any] | None, paint: Paint) -> Iterator[str]:
    if board is None:
        return
    facts = [board["model"] or "a machine of no name"]
    if board["temperature_celsius"] is not None:
        facts.append(f"{board['temperature_celsius']:g} °C")
    for name, key in (("memory", "available_bytes"), ("disk", "free_bytes")):
        if board[name] is not None:
            facts.append(f"{board[name][key] // _MIB} MiB of {name} free")
    facts.append(f"clock {board['clock']}")
    yield f"board     {', '.join(facts)}"
    held = board["throttling"]
    if held and held["now"]:
        yield from _under(f"held back now: {', '.join(held['now'])}", paint)
    elif held and held["since_boot"]:
        yield f"          held back since it was started: {', '.join(held['since_boot'])}"


def _parts(parts: Sequence[Mapping[str, str]], refused: Sequence[Mapping[str, Any]], paint: Paint) -> Iterator[str]:
    for part in parts:
        yield f"{part['kind']:<8}  {part['name']}: {paint(part['trouble'], 'bad') or 'works'}"
        if part["kind"] == "scanner":
            yield from (f"          {_refusal(one)}" for one in refused if one["scanner"] == part["name"])


def _refusal(refused: Mapping[str, Any]) -> str:
    """What a scanner sent that was no code, on one line."""
    why = f"{refused['reason']} ({refused['remark']})" if refused["remark"] else refused["reason"]
    shown = f": {refused['hex']}" if refused["hex"] else ""
    more = " …" if 3 * refused["bytes"] - 1 > len(refused["hex"]) > 0 else ""
    return f"refused {duration(refused['seconds'])} ago, {why}, {refused['bytes']} bytes{shown}{more}"


def _counts(counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        yield f"counted   {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}"


def _under(text: str, paint: Paint) -> Iterator[str]:
    if text:
        yield f"          {paint(text, 'bad')}"


def _value(value: Any) -> str:
    return (", ".join(value) or "never") if isinstance(value, list) else f"{value:g} %"


def duration(seconds: float) -> str:
    """A time as a person says it, two units at most."""
    whole = int(seconds)
    for size, name, smaller, smaller_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"
