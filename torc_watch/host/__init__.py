"""The operating system: processes, locks, subprocesses, limits, systemd notifications."""
