"""The tests mirror the tree; `scenes` run the whole agent, `peers` are what it is run against."""
