"""Pictures of the kiosk page, for the README and for whoever changes how it looks."""

from __future__ import annotations
