"""The login node around us: what it offers, and torc-watchd as one of its services.

Texts of commands and of /proc are parsed by pure functions; what runs a command is handed in.
"""
