"""metrics_file: what an operator graphs, as a text file for Prometheus' node exporter."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from torc_watch.daemon.event_counts import EventCounts
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.workflow_view import AllocationsView, Phase, WorkflowView

if TYPE_CHECKING:
    from prometheus_client import Metric

_WORKFLOW = ("server", "workflow_id")
_MAX_NAME = 100  # characters of a workflow's name

Samples = Iterable[tuple[Sequence[str], float]]  # values of the labels, and the value


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonMetrics:
    """What is known of a daemon and its workflows at the time ``at``."""

    user: str
    holder: Holder
    at: datetime
    active_since: datetime | None
    is_active: bool
    workflows: tuple[WorkflowView, ...]
    counts: EventCounts


def write_metrics(path: Path, metrics: DaemonMetrics) -> None:
    """Replaces the file as a whole; every user may read it. Raises OSError."""
    from prometheus_client import CollectorRegistry, write_to_textfile  # noqa: PLC0415 - 20 ms

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    write_to_textfile(str(path), registry)


class _Collector:
    """Every series has the label ``user``: a login node has a file of each of its users."""

    def __init__(self, metrics: DaemonMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator["Metric"]:
        yield from self._of_daemon()
        yield from self._of_workflows()

    def _of_daemon(self) -> Iterator["Metric"]:
        metrics, counts = self._metrics, self._metrics.counts
        who = (metrics.holder.version, metrics.holder.host)
        yield self._gauge("build_info", "Version and host.", ("version", "host"), [(who, 1)])
        yield self._value("active", "1 while the daemon holds the lease.", metrics.is_active)
        written = metrics.at.timestamp()
        yield self._value("written_timestamp_seconds", "When this file was written.", written)
        if metrics.active_since is not None:
            since = metrics.active_since.timestamp()
            yield self._value("active_since_timestamp_seconds", "When it became active.", since)
        ended = [((verdict,), number) for verdict, number in counts.ended.items()]
        yield self._counter("watches_ended", "Watches, by how they ended.", ("verdict",), ended)
        failed = [((server,), number) for server, number in counts.polls_failed.items()]
        yield self._counter("polls_failed", "Polls without an answer.", ("server",), failed)
        rounds = [((), counts.rounds)]
        yield self._counter("rounds_planned", "Rounds of recovery with a plan.", (), rounds)
        retries = [((), counts.retries_in_place)]
        yield self._counter("retries_in_place", "Jobs retried while others ran.", (), retries)
        hours = "Node hours at most of Slurm's allocations in those rounds."
        yield self._counter("node_hours_planned", hours, (), [((), counts.node_hours)])
        yield self._counter("news_sent", "News sent.", (), [((), counts.news_sent)])
        yield self._counter("news_failed", "News given up.", (), [((), counts.news_failed)])

    def _of_workflows(self) -> Iterator["Metric"]:
        views, last_poll = self._metrics.workflows, self._metrics.counts.last_poll
        phases = [((phase.value,), sum(v.phase is phase for v in views)) for phase in Phase]
        yield self._gauge("workflows", "Workflows, by phase.", ("phase",), phases)
        names = [((*_key(v), v.name[:_MAX_NAME]), 1) for v in views]
        yield self._gauge("workflow_info", "The name of a workflow.", (*_WORKFLOW, "name"), names)
        jobs = chain.from_iterable(_numbers(v, v.counts) for v in views)
        yield self._gauge("jobs", "Jobs, by status.", (*_WORKFLOW, "status"), jobs)
        allocations = chain.from_iterable(_numbers(v, _by_state(v.allocations)) for v in views)
        help_text = "Allocations, by whether they are queued or running."
        yield self._gauge("allocations", help_text, (*_WORKFLOW, "state"), allocations)
        used = [(_key(v), v.round) for v in views]
        yield self._gauge("rounds_used", "Rounds of recovery that are used.", _WORKFLOW, used)
        allowed = [(_key(v), v.max_retries) for v in views if v.max_retries is not None]
        yield self._gauge("rounds_allowed", "Rounds that are allowed.", _WORKFLOW, allowed)
        polls = [(_key(v), last_poll[v.key].timestamp()) for v in views if v.key in last_poll]
        help_text = "The last poll that the server answered."
        yield self._gauge("last_poll_timestamp_seconds", help_text, _WORKFLOW, polls)

    def _value(self, name: str, text: str, value: float) -> "Metric":
        return self._gauge(name, text, (), [((), value)])

    def _gauge(self, name: str, text: str, labels: Sequence[str], samples: Samples) -> "Metric":
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        family = GaugeMetricFamily(f"torc_watch_{name}", text, labels=("user", *labels))
        for values, value in samples:
            family.add_metric([self._metrics.user, *values], float(value))
        return family

    def _counter(self, name: str, text: str, labels: Sequence[str], samples: Samples) -> "Metric":
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

        help_text = f"{text} Since the daemon started."
        family = CounterMetricFamily(f"torc_watch_{name}", help_text, labels=("user", *labels))
        for values, value in samples:
            family.add_metric([self._metrics.user, *values], float(value))
        return family


def _numbers(view: WorkflowView, counts: dict[str, int] | None) -> Samples:
    return [((*_key(view), word), number) for word, number in (counts or {}).items()]


def _by_state(allocations: AllocationsView | None) -> dict[str, int]:
    if allocations is None:
        return {}
    return {"queued": allocations.queued, "running": allocations.running}


def _key(view: WorkflowView) -> tuple[str, str]:
    return view.server, str(view.workflow_id)
