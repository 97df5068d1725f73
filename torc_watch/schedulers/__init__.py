"""Schedulers: the port that the engine asks, and an implementation in each subpackage."""
