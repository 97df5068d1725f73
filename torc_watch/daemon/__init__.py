"""The daemon: one for each person, which watches all that it was ordered to.

    order ──▶ spool ──▶ keeper ──▶ a watch for each workflow (the engine) ──▶ board
                           │
                           └──▶ registry

It acts only while it holds the lease, and looks at that again before each change.
"""
