"""The live view: the daemon's workflows on a whole terminal, as they change.

``live_app`` puts it together. What a row says, which columns there are, and in which order rows
come are pure functions.
"""
