"""Fuzzing of everything that reads bytes from outside; see scripts/fuzz."""

from __future__ import annotations
