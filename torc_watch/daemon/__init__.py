"""The daemon: one for each user, which watches all workflows that the user added.

    command ──▶ spool ──▶ watch manager ──▶ a watch for each workflow (the engine) ──▶ status board
                               │
                               └──▶ registry

It acts only while it holds the lease, and checks the lease before each change.
"""
