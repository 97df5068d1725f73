"""Client for the Torc server.

Callers get the frozen values of ``torc_watch.core.model`` and the errors of
``torc_watch.core.errors``. This package hides the wire formats, the two API versions and HTTP, and
is the only place that retries requests:

- ``transport``        sends requests, retries those that are safe to retry, decodes JSON
- ``retry_policy``     when a call is repeated, for each kind of call
- ``error_responses``  turns failed requests into errors with advice
- ``api_version``      detects which of the two API versions a server speaks
- ``wire``             parses JSON of both API versions into core values
- ``pagination``       fetches single items, whole lists, and the length of a list
- ``slurm_quantities`` reads memory, time, GPUs and CPUs in Slurm's spelling
- ``concurrency``      runs independent requests concurrently
- ``requests``         new objects and their JSON
- ``runs``             a workflow's run, canceled and archived state; starting the next run
- ``client``           the calls that torc-watch makes
- ``runner_api``       additional calls of a job runner
- ``proxies``          which proxy of the environment a request goes through, and its variable
- ``server_url``       whether two URLs lead to the same server
- ``event_stream``     the server's event stream; it may lose events

An error means that a request failed, not that it had no effect. After ServerUnreachable or
ServerFault on a change, read the state again before deciding anything.
"""
