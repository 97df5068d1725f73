"""An embedded Torc server, for the demo, for tests, and for machines without Torc.

It serves both versions of Torc's API, with Torc's own rules, delays and pitfalls. It is one process
with one event loop and one SQLite database; data of answered requests survives a kill.
"""

from torc_watch.sandbox.server.app import open_server
from torc_watch.sandbox.server.server_process import serve
from torc_watch.sandbox.server.server_settings import ServerSettings

__all__ = ["ServerSettings", "open_server", "serve"]
