"""The benchmarks: the agent, the published client and the bare libraries beside each other, at one real hub and broker.

Each module measures one thing and gives a `Sheet`. Who is compared runs in turn, run by run, so that whatever else the
machine does falls on both; medians are compared, as ratios. What ran where stands in every report.
"""
