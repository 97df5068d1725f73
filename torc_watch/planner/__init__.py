"""Which allocations fit a cluster and the jobs of a workflow. Pure."""
