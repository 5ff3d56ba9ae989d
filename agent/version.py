"""The version of this program. Here, since asking the installed metadata for it costs 3 MiB and 30 ms at the start."""

from __future__ import annotations

__version__ = "0.1.0"
