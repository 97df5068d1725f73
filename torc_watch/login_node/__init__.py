"""The login node around the daemon: probes and checks of it, and the systemd user service."""
