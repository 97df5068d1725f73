"""The daemon's socket: its server, its client, and the stream of workflow states over it."""
