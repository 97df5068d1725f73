#!/bin/sh
# Slurm 22.05.8 (Debian 12). Also seen with 24.11.5 and 26.05.5.
#
# Expected: --name means the same to squeue and to scancel. The man pages say of neither whether upper
# and lower case differ.
# Seen: `squeue --name=run1` also lists the job `Run1`; `scancel --name=run1` leaves that job alone,
# says nothing and exits with 0.
# Why it matters: a program that finds its jobs by name takes another's for its own if they differ in
# case alone; and to cancel by the name that squeue was asked for may cancel nothing, without a word.
set -eu
. "$(dirname "$0")/slurm_in_a_folder.sh"
start_slurm

run sbatch --hold --job-name=Run1 --wrap true
run squeue --noheader --name=run1 --format="%j %T"
still "what squeue finds" "Run1 PENDING" "$output"
run scancel --name=run1
still "exit status and output of scancel" "0 " "$status $output"
run squeue --noheader --name=run1 --format="%j %T"
still "the job after scancel" "Run1 PENDING" "$output"
run scancel --name=Run1
run squeue --noheader --name=run1 --format="%j %T"
still "the job after scancel with its own name" "" "$output"
