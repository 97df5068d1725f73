"""Every error that torc-watch raises on purpose.

TorcWatchError
├── InvalidInput            the caller asked for something that makes no sense
│   ├── InvalidQuantity     a memory or duration text
│   └── InvalidSpec         a workflow specification
├── ConfigurationAway       a file of the configuration cannot be read; perhaps it can later
├── ServerError             the Torc server; raised by torc_watch.torc only
│   ├── ServerUnreachable   no answer: nothing is known, least of all that nothing happened
│   ├── AccessDenied        401, 403
│   ├── NotFound            404
│   ├── Conflict            409, 422: the server's state does not allow it (any more)
│   ├── RequestRejected     any other 4xx: we and the server disagree on the API
│   └── ServerFault         5xx, or an answer that is not what the API promises
├── SchedulerError          allocations could not be submitted or asked after
├── JournalError            the journal cannot be read or written
│   ├── JournalBusy         another process has locked it, and does not let go of it
│   └── JournalCorrupt      it is damaged, or no journal at all: waiting will not help
├── RecordUnreadable        what is kept of one workflow is of another version of this program
├── WatchHeld               another process watches this workflow
├── LeaseLost               another process of the same person acts from now on
├── HookFailed              the user's recovery hook ended with an error
├── ServiceError            the service cannot be installed, started or removed
└── SandboxError            the embedded server cannot have its port or its directory

The message of each is one or two sentences for a person: what happened, and what to do next.
"""


class TorcWatchError(Exception):
    """Base of all errors whose message is meant for the user."""


class InvalidInput(TorcWatchError, ValueError):
    pass


class InvalidQuantity(InvalidInput):
    pass


class InvalidSpec(InvalidInput):
    pass


class ConfigurationAway(TorcWatchError):
    pass


class ServerError(TorcWatchError):
    pass


class ServerUnreachable(ServerError):
    pass


class AccessDenied(ServerError):
    pass


class NotFound(ServerError):
    pass


class Conflict(ServerError):
    pass


class RequestRejected(ServerError):
    pass


class ServerFault(ServerError):
    pass


class SchedulerError(TorcWatchError):
    pass


class JournalError(TorcWatchError):
    pass


class JournalBusy(JournalError):
    pass


class JournalCorrupt(JournalError):
    pass


class RecordUnreadable(TorcWatchError):
    pass


class WatchHeld(TorcWatchError):
    pass


class LeaseLost(TorcWatchError):
    pass


class HookFailed(TorcWatchError):
    pass


class ServiceError(TorcWatchError):
    pass


class SandboxError(TorcWatchError):
    pass
