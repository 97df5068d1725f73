"""The engine: watches workflows, one watcher for each, and recovers them.

The watcher only observes, the diagnosis task explains what it saw, and the recovery task carries
out a plan. ``supervisor`` has the queues between them.
"""
