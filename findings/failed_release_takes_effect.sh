#!/bin/sh
# Slurm 22.05.8 (Debian 12). Also seen with 24.11.5 and 26.05.5.
#
# Expected: an `scontrol` command that prints an error about a job and exits with 1 changed nothing.
# Seen: of a pending job that asks for more CPUs than any node has, `scontrol release`, `scontrol hold`
# and `scontrol update` all say "Requested partition configuration not available now" and exit with 1.
# Each of them does what it was asked nevertheless: the job is released, held, renamed.
# With too many nodes, or too long a time limit, the same commands exit with 0.
# Why it matters: a program that takes the error for a refusal believes that the job is still held, and
# leaves a released job in the queue; one that takes it for a passing fault repeats it for ever.
set -eu
. "$(dirname "$0")/slurm_in_a_folder.sh"
start_slurm

fails() { # command...
    run "$@"
    still "exit status" 1 "$status"
}

run sbatch --hold --cpus-per-task=8 --job-name=before --parsable --wrap true
job=$output
still "the reason of the new job" JobHeldUser "$(squeue --noheader --jobs="$job" --format=%r)"

fails scontrol release "$job"
wait_for 60 state_is PartitionConfig squeue --noheader --jobs="$job" --format=%r
run squeue --noheader --jobs="$job" --format="%T %r %Q"
fails scontrol hold "$job"
run squeue --noheader --jobs="$job" --format="%T %Q" # priority 0: held
still "the job after hold" "PENDING 0" "$output"
fails scontrol update jobid="$job" jobname=after
run squeue --noheader --jobs="$job" --format=%j
still "the name after update" after "$output"
