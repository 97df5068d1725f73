"""Allocations that are Slurm jobs."""
