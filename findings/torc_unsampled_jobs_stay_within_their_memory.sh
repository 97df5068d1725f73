#!/bin/sh
# Torc 1.0.0.
#
# Expected: a job that ends before the monitor has taken its first sample (every ten seconds by default) has
# no measured peak, and reports say so.
# Seen: its result has a peak of 0 bytes, as if that was measured. `torc workflows check-resources` says that
# a job which used 400 MB of its 100 MB "stayed within" its requirements, at 0.0 MB.
# Why it matters: whoever sizes requests by these numbers takes the jobs that use up memory in seconds for
# those that need the least. A peak of 0 must count as not measured.
set -eu
. "$(dirname "$0")/torc_in_a_folder.sh"

start_torc
cat >workflow.yaml <<'YAML'
name: overshoot
resource_requirements:
  - {name: small, num_cpus: 1, num_nodes: 1, memory: 100m, runtime: PT10M}
jobs:
  - name: uses_400_MB
    resource_requirements: small
    command: python3 -c 'import time; filled = bytearray(400_000_000); time.sleep(3)'
YAML
torc create workflow.yaml
torc run 1 >run.log 2>&1

torc -f json results list 1 >results
still "return code" 0 "$(only return_code <results)"
still "peak memory in bytes" 0 "$(only peak_memory_bytes <results)"
still "check-resources" "✓ All 1 jobs stayed within their specified resource requirements" \
    "$(torc workflows check-resources 1)"
