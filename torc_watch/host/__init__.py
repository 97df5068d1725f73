"""The operating system: processes, locks, subprocesses, limits, service notifications."""
