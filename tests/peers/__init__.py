"""The far ends a device meets: the real hub and its broker, and peers that misbehave on purpose."""
