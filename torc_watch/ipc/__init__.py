"""The control socket of the daemon, from both ends."""
