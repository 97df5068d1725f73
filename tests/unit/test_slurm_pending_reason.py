"""Why a job waits: which reasons pass by themselves."""

import pytest

from torc_watch.schedulers.slurm.pending_reason import (
    PendingKind,
    pending_detail,
    pending_kind,
)

_KINDS = {
    PendingKind.WAITS: (
        *(
            "None",
            "",
            "Priority",
            "Resources",
            "Dependency",
            "BeginTime",
            "Licenses",
            "Reservation",
        ),
        *("JobArrayTaskLimit", "AssocMaxJobsLimit", "AssocGrpCpuLimit", "AssocGrpNodeLimit"),
        *("AssocGrpCPURunMinutesLimit", "QOSGrpMemRunMinutes", "QOSGrpJobsLimit"),
        *("QOSMaxJobsPerUserLimit", "QOSMaxCpuPerUserLimit", "QOSMaxMemoryPerUser"),
        *("MaxCpuPerAccount", "QOSMaxNodePerUserLimit", "BurstBufferStageIn"),
        *("Waiting for the license server (see https://example.org)", "PartitionTimeLimit or so"),
    ),
    PendingKind.STUCK: (
        *("PartitionTimeLimit", "PartitionNodeLimit", "PartitionConfig"),
        *("QOSMaxWallDurationPerJobLimit", "AssocMaxWallDurationPerJobLimit"),
        *("QOSMaxCpuPerJobLimit", "QOSMaxMemoryPerJob", "QOSMaxNodePerJobLimit"),
        *("AssocMaxCpuPerJobLimit", "AssocMaxCPUMinutesPerJobLimit", "QOSMaxGRESPerNode"),
        *("MaxMemPerLimit", "QOSMinCpuNotSatisfied", "QOSMinGRES"),
        *("AssocGrpCPUMinutesLimit", "AssocGrpBillingMinutes", "QOSGrpCPUMinutesLimit"),
        *("QOSGrpWallLimit", "AssocGrpWallLimit"),
        *("BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed"),
        "Job's account not permitted to use this partition (gpu allows a,b not c)",
        "Job's_QOS_not_permitted_to_use_this_partition_(gpu_allows_a_not_b)",
        *("DependencyNeverSatisfied", "ReservationDeleted", "DeadLine"),
    ),
    PendingKind.HELD: (
        *("JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "launch_failed_requeued_held"),
        *("launch failed requeued held", "job requeued in held state"),
    ),
    PendingKind.BLOCKED: (
        *("PartitionDown", "PartitionInactive", "NodeDown", "ReqNodeNotAvail"),
        "ReqNodeNotAvail, Reserved for maintenance",
        "ReqNodeNotAvail, UnavailableNodes:n[1-3]",
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority ones",
    ),
}


@pytest.mark.parametrize(
    ("kind", "reason"), [(kind, reason) for kind, reasons in _KINDS.items() for reason in reasons]
)
def test_reason_has_its_kind(kind: PendingKind, reason: str) -> None:
    assert pending_kind(reason) is kind


@pytest.mark.parametrize(
    "reason", [each for kind, reasons in _KINDS.items() for each in reasons if kind != "waits"]
)
def test_detail_shows_the_reason_as_it_is_and_what_to_do(reason: str) -> None:
    detail = pending_detail(reason)

    assert f"({reason}): " in detail
    assert "; " in detail


@pytest.mark.parametrize("reason", ["Priority", "Resources", "BeginTime", "None", ""])
def test_job_that_waits_for_its_turn_needs_no_words(reason: str) -> None:
    assert pending_detail(reason) == ""


def test_sentence_of_the_site_is_shown_as_it_is() -> None:
    reason = "Closed for Ada's course, see the wiki (or ask)"

    assert pending_detail(reason) == f"waits, and Slurm's reason is: {reason}"


def test_reason_of_maintenance_advises_less_time() -> None:
    detail = pending_detail("ReqNodeNotAvail, Reserved for maintenance")

    assert detail.endswith("wait until that is over, or ask for less time")
