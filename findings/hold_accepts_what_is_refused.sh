#!/bin/sh
# Slurm 22.05.8 (Debian 12). Also seen with 24.11.5 and 26.05.5.
#
# Expected: sbatch refuses more memory than any node has, whether the job is to be held or not; or
# `scontrol release` refuses it later.
# Seen: `sbatch --hold` accepts what the same command without --hold refuses, `scontrol release` exits
# with 0, and the first attempt to schedule the job makes its priority 0 again, with the reason
# BadConstraints in place of JobHeldUser. It stays PENDING, and a further release changes nothing.
# A start time in the future (--begin) does not hide the refusal, only --hold does.
# Why it matters: a program that submits in two phases, held first and released once the id is recorded,
# never sees the refusal: it waits for a job that can never run, and every command about it succeeded.
set -eu
. "$(dirname "$0")/slurm_in_a_folder.sh"
start_slurm

run sbatch --mem=2000 --begin=now+1hour --wrap true
still "exit status with --begin" 1 "$status"
run sbatch --hold --mem=2000 --parsable --wrap true
still "exit status with --hold" 0 "$status"
job=$output

for _ in first second; do
    run scontrol release "$job"
    still "exit status of release" 0 "$status"
    wait_for 60 state_is "PENDING BadConstraints 0" squeue --noheader --jobs="$job" --format="%T %r %Q"
    run squeue --noheader --jobs="$job" --format="%T %r %Q"
done
run sbatch --parsable --wrap true # the node is free, and others run
wait_for 60 state_is COMPLETED squeue --noheader --states=all --jobs="$output" --format=%T
run squeue --noheader --states=all --format="%i %T %r %Q"
