"""Schedulers: the port that the engine asks, statuses that all watches share, one room for each.

`base` is the port, `status_cache` shares one query among all who ask, `cluster` is what the engine
holds. `local` runs allocations as processes of this machine.
"""
