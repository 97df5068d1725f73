"""Workflow specifications under Torc's own keys, from mappings and lists to a checked workflow."""

from torc_watch.spec.expansion import expand
from torc_watch.spec.specification import FileSpec, JobSpec, RequirementsSpec, Spec, UserDataSpec

__all__ = ["FileSpec", "JobSpec", "RequirementsSpec", "Spec", "UserDataSpec", "expand"]
