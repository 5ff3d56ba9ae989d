"""The accessibility checks of axe-core, one JavaScript file that is fetched once and kept beside the virtual
environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tests.peers.browser import Browser

_VERSION = "4.14.1"  # named: a new rule should arrive in a commit of ours
_SECONDS = 60.0


class AxeMissingError(Exception):
    """It cannot be had here; the text says why."""


def axe_source() -> str:
    """The library's source. Raises AxeMissingError where it is not kept and cannot be fetched."""
    kept = Path(sys.prefix) / "cache" / f"axe-core-{_VERSION}.js"
    if not kept.is_file():
        _fetch(kept)
    return kept.read_text("utf-8")


def violations(browser: Browser, source: str) -> list[str]:
    """What is wrong with the page that is open: rule, reason and the elements, in a line each."""
    browser.evaluate(f"(() => {{ if (!window.axe) {{ {source}\n }} return true }})()")
    options = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
    found: list[dict[str, Any]] = browser.evaluate(f"axe.run({options}).then(result => result.violations)")
    return [
        f"{each['id']}: {each['help']} ({'; '.join(' '.join(map(str, node['target'])) for node in each['nodes'])})"
        for each in found
    ]


def _fetch(kept: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise AxeMissingError("axe-core is not kept here and there is no npm to fetch it: apt-get install npm")
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(
                [npm, "pack", f"axe-core@{_VERSION}", "--silent"],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=_SECONDS,
            )
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as package:
                member = package.extractfile("package/axe.min.js")
                assert member is not None
                source = member.read()
        except (subprocess.SubprocessError, OSError, tarfile.TarError, StopIteration, KeyError) as error:
            raise AxeMissingError(f"axe-core cannot be fetched with npm ({type(error).__name__})") from None
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_suffix(".part")
        beside.write_bytes(source)
        beside.replace(kept)
