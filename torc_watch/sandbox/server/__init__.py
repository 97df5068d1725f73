"""An embedded Torc server: for trying out, for tests, and for machines with nothing else.

It speaks either version of Torc's API, with Torc's own rules, asynchronous unblocking and traps.
One process, one event loop, one SQLite database; what was answered survives a kill.
"""

from torc_watch.sandbox.server.app import open_server
from torc_watch.sandbox.server.serving import serve
from torc_watch.sandbox.server.settings import ServerSettings

__all__ = ["ServerSettings", "open_server", "serve"]
