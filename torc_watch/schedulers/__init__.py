"""Schedulers: the port that the engine asks, statuses that all watches share, one room for each.

`base` is the port. `cluster` is what the engine holds: it shares one status query of a scheduler
among all watches. `local` runs allocations as processes of this machine. `slurm` queries the status
of Slurm jobs; nothing uses it yet.
"""
