"""What is decided of a failure, and how sure that is."""

from dataclasses import dataclass

from torc_watch.core.cause import Cause
from torc_watch.core.fact import Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A cause, with the phrase that says what was observed."""

    cause: Cause
    reason: str
    confidence: Confidence


def proven(cause: Cause, reason: str) -> Conclusion:
    return Conclusion(cause=cause, reason=reason, confidence=Confidence.PROVEN)


def likely(cause: Cause, reason: str) -> Conclusion:
    return Conclusion(cause=cause, reason=reason, confidence=Confidence.LIKELY)


def guess(reason: str, cause: Cause = Cause.UNKNOWN) -> Conclusion:
    return Conclusion(cause=cause, reason=reason, confidence=Confidence.GUESS)
