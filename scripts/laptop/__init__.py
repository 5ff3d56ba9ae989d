"""The whole device on a laptop: a real hub with a small shop behind it, and the agent with what stands in for a Pi.

`shop` is what the hub answers, `device` everything that runs, `terminal` a person at it, `visit` a visit without one.
"""
