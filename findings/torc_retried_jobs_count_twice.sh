#!/bin/sh
# Torc 1.0.0.
#
# Expected: an `on_jobs_complete` action runs when all jobs of its list have ended, as Torc's documentation
# says.
# Seen: the server counts ends, not jobs. A job that fails and is retried (`POST /jobs/{id}/retry/{run_id}`)
# counts twice, so the action for two jobs runs while the other one is still running.
# Why it matters: such actions delete the input or archive the output of the jobs of their list. Whoever
# retries a job that is in such a list, while others of the list have not ended, starts them too early; the
# safe way is to reset the job when nothing runs any more.
set -eu
. "$(dirname "$0")/torc_in_a_folder.sh"

start_torc
cat >workflow.yaml <<'YAML'
name: counts
jobs:
  - {name: retried, command: test -e mended}
  - {name: long, command: "while [ -e hold ]; do sleep 0.1; done"}
actions:
  - trigger_type: on_jobs_complete
    jobs: [retried, long]
    action_type: run_commands
    commands: [touch after_both] # in torc_output
YAML
torc create workflow.yaml
touch hold
run_in_background 1
wait_for 60 job_is 1 retried failed
touch mended
still "status of the answer to the retry" 200 "$(ask POST "/jobs/1/retry/1?max_retries=2")"
wait_for 60 job_is 1 retried completed
wait_for 20 test -e torc_output/after_both
still "job of the list, after the action" running "$(job_status 1 long)"
