"""What torc-watch knows and decides, without touching the world.

Nothing here performs I/O, reads a clock, logs or waits; import-linter holds that. What comes in
are frozen values that an edge has validated, what goes out are frozen values that an edge performs.
"""
