#!/bin/sh
# Torc 1.0.0.
#
# Expected: `supports_termination: true` of a job in a specification is stored with the job, as its other
# keys are; the server's API has the field.
# Seen: `torc create` reads the key (a misspelled one is refused), and creates the job without it. The stored
# job says false.
# Why it matters: a job that can save its state when it is asked to end is treated as one that cannot, and no
# message says so.
set -eu
. "$(dirname "$0")/torc_in_a_folder.sh"

start_torc
cat >workflow.yaml <<'YAML'
name: termination
jobs:
  - {name: saves_its_state, command: "true", supports_termination: true, priority: 7}
YAML
torc create workflow.yaml
torc -f json jobs list 1 >jobs
still "priority" 7 "$(only priority <jobs)"
still "supports_termination" False "$(only supports_termination <jobs)"

sed 's/supports_termination/supports_terminations/' workflow.yaml >misspelled.yaml
torc create misspelled.yaml >refusal 2>&1 && status=0 || status=$?
still "exit status for a misspelled key" 1 "$status"
