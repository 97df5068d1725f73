#!/bin/sh
# Slurm 22.05.8 (Debian 12). Also seen with 24.11.5 and 26.05.5.
#
# Expected: a filter, such as --me or --name, narrows down what scancel does and changes nothing about
# a job that passes it.
# Seen: `scancel ID` of a job that has ended says nothing and exits with 0, also for an id that never
# was. `scancel --me ID` of the same job says "Invalid job id specified" and exits with 1, while squeue
# and scontrol still know that id.
# Why it matters: a program that adds a filter, so that it never cancels a job that is not its own, can
# no longer repeat the command safely: it fails when there is nothing left to cancel.
set -eu
. "$(dirname "$0")/slurm_in_a_folder.sh"
start_slurm

run sbatch --parsable --job-name=short --wrap true
job=$output
wait_for 30 state_is COMPLETED squeue --noheader --states=all --jobs="$job" --format=%T
run scancel "$job"
still "exit status and output of scancel" "0 " "$status $output"
for filter in --me --user="$(id -un)" --name=short; do
    run scancel "$filter" "$job"
    still "exit status with a filter" 1 "$status"
    still "its message" "scancel: error: Kill job error on job id $job: Invalid job id specified" "$output"
done
run squeue --noheader --states=all --jobs="$job" --format="%i %j %T"
still "what squeue knows" "$job short COMPLETED" "$output"
