"""Allocations that are processes of this machine."""
