"""The errors that torc-watch raises deliberately.

TorcWatchError
├── InvalidInput            the user's input is invalid
│   ├── InvalidQuantity     a memory or duration text
│   └── InvalidSpec         a workflow specification
├── ConfigurationAway       a configuration file cannot be read now; a retry may help
├── ServerError             the Torc server; raised by torc_watch.torc only
│   ├── ServerUnreachable   no answer; the request may still have taken effect
│   ├── AccessDenied        401, 403
│   ├── NotFound            404
│   ├── Conflict            409, 422: the server's state does not allow the request
│   ├── RequestRejected     any other 4xx: client and server disagree on the API
│   └── ServerFault         5xx, or a response that violates the API
│       └── AnswerTooLarge  more than torc-watch reads
├── SchedulerError          allocations could not be submitted or queried
│   └── SchedulerUnreachable  no answer; the command may still have taken effect
├── JournalError            the journal cannot be read or written
│   ├── JournalBusy         another process holds its lock
│   ├── LocksMissing        files of the state folder cannot be locked
│   └── JournalCorrupt      it is damaged or not a journal; a retry does not help
├── PlanChanged             the plan is not the one that the user has seen
├── RecordUnreadable        a workflow's record was written by another version of torc-watch
├── WatchHeld               another process is watching this workflow
├── LeaseLost               another daemon of the same user has taken over
├── HookFailed              the user's recovery hook failed
├── ServiceError            the service cannot be installed, started or removed
└── SandboxError            the embedded server cannot use its port or directory

Each message is one or two sentences for the user: what happened and what to do next.
"""


class TorcWatchError(Exception):
    """Base class of all errors whose message is shown to the user."""


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


class AnswerTooLarge(ServerFault):
    pass


class SchedulerError(TorcWatchError):
    pass


class SchedulerUnreachable(SchedulerError):
    pass


class SchedulerCommandMissing(SchedulerError):
    """A command of the scheduler is not on the PATH."""


class JournalError(TorcWatchError):
    pass


class JournalBusy(JournalError):
    pass


class JournalCorrupt(JournalError):
    pass


class LocksMissing(JournalError, OSError):
    """``filename`` is the file that could not be locked, and ``strerror`` says why."""

    def __str__(self) -> str:
        return (
            f"{self.filename} cannot be locked: its file system has no working locks "
            f"({self.strerror}). Use a folder on another file system: for the state folder, set "
            "TORC_WATCHD_HOME."
        )


class PlanChanged(TorcWatchError):
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
