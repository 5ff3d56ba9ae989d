"""The commands of the speech programs we know: text on standard input, a WAV on standard output, or in a folder.

espeak-ng is started for each text: from its start to its first sound it takes 16 ms (a PC of two cores), and one that
is kept tells nobody where a text ends. piper started for a text takes 3.8 s there, and 0.6 s when it is kept.

`{voice}`, `{rate}` and `{volume}` are filled in for each program in its own measure, from a rate and a volume that
mean the same for all: 1.0 and 100 are the program's ordinary ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.record import record

LOAD_SECONDS = 60.0
"""More for the first text of a kept program: a small board reads a voice of 60 MB from its card before it speaks."""


@record(kw_only=True)
class Profile:
    """One program."""

    command: str
    rate: Callable[[float], str]
    volume: Callable[[float], str]
    kept: bool = False
    """Whether it stays, reading a text a line and naming the file in `{folder}` that it made of it."""


def _whole(value: float) -> str:
    return str(round(value))


PROFILES: Mapping[str, Profile] = {
    # Words in a minute, 175 when it is not told; an amplitude of 0 to 200, 100 when it is not.
    "espeak-ng": Profile(
        command="espeak-ng --stdin --stdout -v {voice} -s {rate} -a {volume}",
        rate=lambda rate: _whole(175 * rate),
        volume=_whole,
    ),
    # The length of each sound and how loud it is, each 1 when it is not told; the voice is a file. What piper 1.8 does
    # not know, such as the --quiet of older ones, it takes for the text and speaks in the place of ours.
    "piper": Profile(
        command="piper --model {voice} --length_scale {rate} --volume {volume} --output_dir {folder}",
        rate=lambda rate: f"{1 / rate:.2f}",
        volume=lambda volume: f"{volume / 100:.2f}",
        kept=True,
    ),
}
OWN = Profile(command="", rate=lambda rate: f"{rate:g}", volume=_whole)
"""For a command of the installer's own: the rate as a factor, the volume in percent."""
