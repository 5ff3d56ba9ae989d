"""The commands of the speech programs we know: text on standard input, a WAV on standard output.

`{voice}`, `{rate}` and `{volume}` are filled in for each program in its own measure, from a rate and a volume that
mean the same for all: 1.0 and 100 are the program's ordinary ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.record import record


@record(kw_only=True)
class Profile:
    """One program."""

    command: str
    rate: Callable[[float], str]
    volume: Callable[[float], str]


def _whole(value: float) -> str:
    return str(round(value))


PROFILES: Mapping[str, Profile] = {
    # Words in a minute, 175 when it is not told; an amplitude of 0 to 200, 100 when it is not.
    "espeak-ng": Profile(
        command="espeak-ng --stdin --stdout -v {voice} -s {rate} -a {volume}",
        rate=lambda rate: _whole(175 * rate),
        volume=_whole,
    ),
    # The length of each sound, 1 when it is not told; the voice is a file, and as loud as it was recorded.
    "piper": Profile(
        command="piper --model {voice} --length_scale {rate} --output_file - --quiet",
        rate=lambda rate: f"{1 / rate:.2f}",
        volume=_whole,
    ),
}
OWN = Profile(command="", rate=lambda rate: f"{rate:g}", volume=_whole)
"""For a command of the installer's own: the rate as a factor, the volume in percent."""
