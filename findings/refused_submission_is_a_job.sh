#!/bin/sh
# Slurm 22.05.8 (Debian 12). Also seen with 24.11.5 and 26.05.5, where sacct lists the job too: FAILED,
# exit code 1:0.
#
# Expected: a submission that sbatch refuses, with exit status 1 and no job id, leaves no job.
# Seen: sbatch refuses more memory than any node has ("Requested node configuration is not
# available"), and yet there is a job with this name and comment from then on: FAILED, reason
# BadConstraints, with an id that sbatch never printed. A job that depends on the failure of that id
# runs. Other refusals, for example of a partition that does not exist, leave nothing.
# Why it matters: a program that looks for its job by name or comment, because it cannot know whether a
# failed submission arrived, finds one and takes a refusal for a job that was submitted and failed.
set -eu
. "$(dirname "$0")/slurm_in_a_folder.sh"
start_slurm

run sbatch --partition=other --job-name=unknown-partition --wrap true
still "exit status for an unknown partition" 1 "$status"
run sbatch --mem=2000 --job-name=too-large --wrap true
still "exit status for too much memory" 1 "$status"
run squeue --noheader --states=all --format="%i %j %T %r"
still "the list of all jobs" "1 too-large FAILED BadConstraints" "$output"

run sbatch --dependency=afternotok:1 --job-name=successor --wrap true
wait_for 30 state_is COMPLETED squeue --noheader --states=all --name=successor --format=%T
run squeue --noheader --states=all --name=successor --format="%i %j %T"
