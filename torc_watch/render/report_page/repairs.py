"""What rounds of recovery changed, by cause: jobs alike in a round are one line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from torc_watch.core.cause import Cause
from torc_watch.core.past_watch import PastRound
from torc_watch.core.recovery_round import Retry, RoundOutcome
from torc_watch.core.units import duration_text, format_memory

CARRIED_OUT = (RoundOutcome.RESUBMITTED, RoundOutcome.CONTINUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Jobs that one round ran again for one cause; ``reason`` is that of the first."""

    number: int
    round: PastRound
    cause: Cause
    retries: tuple[Retry, ...]

    @property
    def reason(self) -> str:
        return self.retries[0].reason


def numbered(rounds: Iterable[PastRound]) -> Iterator[tuple[int, PastRound]]:
    """Those that were carried out, or are under way."""
    done = (each for each in rounds if each.ended is None or each.outcome in CARRIED_OUT)
    yield from enumerate(done, start=1)


def repairs(rounds: Iterable[PastRound]) -> Iterator[Repair]:
    """By round, the cause with the most jobs first."""
    for number, each in numbered(rounds):
        causes: dict[Cause, list[Retry]] = {}
        for retry in each.plan.retries if each.plan else ():
            causes.setdefault(retry.cause, []).append(retry)
        for cause, retries in sorted(causes.items(), key=lambda item: -len(item[1])):
            yield Repair(number=number, round=each, cause=cause, retries=tuple(retries))


def sizing_sentences(rounds: Iterable[PastRound]) -> list[str]:
    """Why jobs requested what they did, with the number of the round."""
    return [
        f"Round {number}: {sentence}"
        for number, each in numbered(rounds)
        for sentence in (each.plan.sizing if each.plan else ())
    ]


def raises(retries: Sequence[Retry]) -> str:
    """What these jobs got more of: ``memory 64m → 99m``, ``run time 1 h → 2 h``; empty if nothing.

    Where they differ, from the least to the most.
    """
    memory = [retry.memory for retry in retries if retry.memory]
    runtime = [retry.runtime for retry in retries if retry.runtime]
    parts = []
    if memory:
        parts.append(
            f"memory {_span(memory, 0, format_memory)} → {_span(memory, 1, format_memory)}"
        )
    if runtime:
        before, after = _span(runtime, 0, duration_text), _span(runtime, 1, duration_text)
        parts.append(f"run time {before} → {after}")
    cpus = [retry.cpus for retry in retries if retry.cpus]
    if cpus:
        parts.append(f"CPUs {_span(cpus, 0, str)} → {_span(cpus, 1, str)}")
    return ", ".join(parts)


def _span(pairs: Sequence[tuple[int, int]], side: int, text: Callable[[int], str]) -> str:
    amounts = [pair[side] for pair in pairs]
    least, most = text(min(amounts)), text(max(amounts))
    return least if least == most else f"{least}–{most}"  # noqa: RUF001 - an en dash is meant
