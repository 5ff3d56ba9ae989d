"""A virtual machine with a Pi's devices: its power can be cut, its clock and disk be wrong, its scanners unplugged."""
