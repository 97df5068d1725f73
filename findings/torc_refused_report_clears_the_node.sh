#!/bin/sh
# Torc 1.0.0.
#
# Expected: a request that is answered with an error has changed nothing. `complete_job` with the result of an
# attempt that has one already, while the next attempt of the job runs, is such a request.
# Seen: the answer is 500, and no result is stored. But the running job has lost its compute node and its
# start time: its status is still running, and `torc jobs running` does not list it any more.
# Why it matters: a report is sent twice when the first answer was lost. A job that runs on no node looks like
# an orphan, and a tool that gives it up at once has it run twice.
set -eu
. "$(dirname "$0")/torc_in_a_folder.sh"

start_torc
cat >workflow.yaml <<'YAML'
name: reports
jobs:
  - {name: retried, command: "test -e hold && while [ -e hold ]; do sleep 0.1; done"}
YAML
torc create workflow.yaml
torc run 1 >run.log 2>&1 || true
still "return code of attempt 1" 1 "$(torc -f json results list 1 | only return_code)"

still "status of the answer to the retry" 200 "$(ask POST "/jobs/1/retry/1?max_retries=2")"
touch hold
run_in_background 1
wait_for 60 job_is 1 retried running
still "running jobs before the report" retried "$(torc -f json jobs running 1 | only job_name)"

report='{"job_id": 1, "workflow_id": 1, "run_id": 1, "attempt_id": 1, "compute_node_id": 1, "return_code": 1,
    "status": "failed", "exec_time_minutes": 0.01, "completion_time": "2026-01-01T00:00:00Z"}'
still "status of the answer to the report" 500 "$(ask POST /jobs/1/complete_job/failed/1 "$report")"
still "running jobs after the report" "No running jobs found" "$(torc jobs running 1)"
still "status of the job" running "$(job_status 1 retried)"
rm hold
wait "$runner"
still "status of the job in the end" completed "$(job_status 1 retried)"
