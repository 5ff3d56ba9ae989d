"""The commands of `thalovant-agent`, a module for each family.

Each has `add(commands)`, which tells argparse of them. What a command needs beyond the configuration is imported when
it runs.
"""

from __future__ import annotations
