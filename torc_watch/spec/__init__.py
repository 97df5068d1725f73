"""Workflow specifications: reads files with Torc's keys, validates them, and submits workflows."""

from torc_watch.spec.expansion import expand
from torc_watch.spec.specification import FileSpec, JobSpec, RequirementsSpec, Spec, UserDataSpec

__all__ = ["FileSpec", "JobSpec", "RequirementsSpec", "Spec", "UserDataSpec", "expand"]
