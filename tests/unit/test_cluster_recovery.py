"""`scripts/bench cluster-recovery` where there is no cluster to measure on."""

import cluster_recovery
import pytest


@pytest.mark.parametrize("missing", ["missing_requirement", "missing_program"])
async def test_reason_why_nothing_is_measured(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("missing_requirement", "missing_program"):
        reason = "nothing is there" if name == missing else None
        monkeypatch.setattr(cluster_recovery, name, lambda reason=reason: reason)

    assert await cluster_recovery.measure(repetitions=1, logs=None) == {}
    assert capsys.readouterr().out == "No comparison on a cluster: nothing is there\n"
