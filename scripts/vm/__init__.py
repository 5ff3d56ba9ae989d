"""A virtual machine whose power can be cut: its disk forgets or tears what was not flushed."""
