#!/bin/sh
# Torc 1.0.0.
#
# Expected: `max_retries: 2` of a failure handler gives a job its first attempt and two more, and the results
# of all runs have a row for each attempt.
# Seen: the job is attempted twice in all, so that 2 allows one retry. There is one row, that of the last
# attempt; the one before is in no list, with or without --all-runs. Only its output files are left.
# Why it matters: what the first attempt used and why it failed cannot be asked from the server. A tool that
# counts rows sees a job that failed once.
set -eu
. "$(dirname "$0")/torc_in_a_folder.sh"

start_torc
cat >workflow.yaml <<'YAML'
name: attempts
failure_handlers:
  - name: again
    rules:
      - {match_all_exit_codes: true, max_retries: 2}
jobs:
  - {name: fails, command: exit 7, failure_handler: again}
YAML
torc create workflow.yaml
torc run 1 >run.log 2>&1

set -- torc_output/job_stdio/job_wf1_j1_r1_a*.o
still "attempts that wrote output" 2 "$#"
torc -f json results list 1 --all-runs >results
still "attempt of the only row" 2 "$(only attempt_id <results)"
