"""The files of the page, read once: what the browser gets under which path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from agent.page.branding import Branding, brand_css
from agent.record import record

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


@record
class Asset:
    """One file."""

    data: bytes
    content_type: str


def page_assets(branding: Branding, logo: Asset | None = None) -> Mapping[str, Asset]:
    """Everything but pictures and events, by path."""
    assets = {f"/{file.name}": Asset(file.read_bytes(), _TYPES[file.suffix]) for file in sorted(_FOLDER.iterdir())}
    html = assets.pop("/index.html")
    # The language and the theme are needed before the script runs: the first picture must not be the wrong one.
    first = html.data.replace(b'lang="en"', f'lang="{branding.languages[0]}"'.encode())
    assets["/"] = Asset(
        first.replace(b'data-theme="light"', f'data-theme="{branding.theme}"'.encode()), html.content_type
    )
    assets["/brand.css"] = Asset(brand_css(branding), _TYPES[".css"])
    if logo is not None:
        assets["/logo"] = logo
    return assets


def version(assets: Mapping[str, Asset]) -> str:
    """Another one whenever a file is another: an open page then loads itself anew."""
    digest = hashlib.sha256()
    for path, asset in sorted(assets.items()):
        digest.update(path.encode() + b"\0" + asset.data)
    return digest.hexdigest()[:16]
