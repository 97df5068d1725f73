"""The configuration: where values come from, and the validated settings."""
