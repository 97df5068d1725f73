"""The login node: probes and checks for `doctor`, and the systemd user service."""
