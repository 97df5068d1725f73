#!/bin/sh
# Torc 1.0.0.
#
# Expected: a job with `cancel_on_blocking_job_failure` is canceled when one of the jobs that it depends on has
# failed and the others have succeeded, whatever happened to the server meanwhile.
# Seen: the server remembers in memory alone which workflows have failures. If it is restarted between the
# failure and the success, the job runs. Without the restart it is canceled.
# Why it matters: after an update of the server, or a reboot of its machine, jobs run without the output of
# the failed job and may end with success. Their results look as if nothing was missing.
set -eu
. "$(dirname "$0")/torc_in_a_folder.sh"

start_torc
cat >workflow.yaml <<'YAML'
name: memory
jobs:
  - {name: fails, command: exit 1}
  - {name: long, command: "while [ -e hold ]; do sleep 0.1; done"}
  - {name: needs_failed, command: "true", depends_on: [fails], cancel_on_blocking_job_failure: true}
  - {name: needs_both, command: "true", depends_on: [fails, long], cancel_on_blocking_job_failure: true}
YAML

# Creates the workflow, and runs it until the server has dealt with the failure.
begin() { # workflow
    touch hold
    torc create workflow.yaml
    run_in_background "$1"
    wait_for 60 job_is "$1" needs_failed canceled
    still "status of the job that needs both, after the failure" blocked "$(job_status "$1" needs_both)"
}

# Lets the long job end, and the workflow.
finish() {
    rm hold
    wait "$runner" || true
}

begin 1
finish
still "status of the job that needs both, without a restart" canceled "$(job_status 1 needs_both)"
begin 2
restart_torc
finish
still "status of the job that needs both, after a restart" completed "$(job_status 2 needs_both)"
