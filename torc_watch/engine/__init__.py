"""The engine: watches workflows, one task for each, and recovers them.

    watcher ──Poll──▶ diagnoser ──Case──▶ recoverer
       ▲                  │                   │
       └──────Decision────┴───────────────────┘

The watcher only observes, the diagnoser only explains, the recoverer only performs a plan. The two
streams are bounded; the supervisor runs the stages of different workflows side by side, while one
workflow is at one place at a time, since its watcher waits for the decision on its last poll.
"""
