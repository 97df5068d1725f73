"""The Torc server, as the rest of torc-watch sees it.

What leaves this package are the frozen values of ``torc_watch.core.model`` and the errors of
``torc_watch.core.errors``. Wire formats, the differences between the server's API dialects, HTTP
and everything of httpx and pydantic stay inside, and requests are repeated here and nowhere else:

- ``transport``  one server: sends a request, repeats what may safely be repeated, decodes JSON
- ``failures``   what went wrong between here and the server, in words a person can act on
- ``dialect``    which of the two API dialects a server speaks
- ``wire``       JSON of both dialects to values of the core
- ``reading``    one thing, a list of any length, the length of a list
- ``together``   independent requests side by side
- ``drafts``     things to be created on the server, and their JSON
- ``runs``       where a workflow stands, and its next run
- ``client``     what torc-watch asks of a server
- ``worker``     what a job runner asks in addition
- ``events``     the server's event stream: a hint that something happened, never the truth

An error says that a request failed, never that it had no effect. After ServerUnreachable or
ServerFault on a change, read the state again before deciding anything.
"""
