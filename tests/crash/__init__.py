"""The device under faults: killed at every step of a scan's way, on disks that are full, read-only or damaged."""
