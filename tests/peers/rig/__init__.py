"""A real hub and a real broker on loopback, as processes that can be killed, frozen and started again.

`tests.peers.hub.Hub` is the way in for tests, `python -m tests.peers.rig` for people. The hub is the released
hivemind-core with its released carriers and agent plugin. What is ours is the agent's bus, which records all that
arrives from clients, and the answers behind it.
"""
