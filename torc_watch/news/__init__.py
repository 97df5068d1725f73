"""The ways by which news leave: a service through apprise, a user's program, local mail.

Each runs in a process of its own with a time limit, so that none can hold up the daemon. Here is
also the metrics file.
"""
