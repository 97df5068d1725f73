#!/bin/sh
# Slurm 22.05.8 (Debian 12).
#
# Expected: what sbatch and scancel have acknowledged survives a crash of slurmctld; or at least no
# number is given twice, and a job that was canceled never comes back.
# Seen: slurmctld writes its state every few seconds while it changes. After `kill -9` and a restart, the job that was
# submitted last is unknown and its number goes to the next one, and the job that was canceled last is
# pending again, and would run. There is no word of it, and each command had ended with 0.
# Why it matters: a program that records the number of a job finds another job under it, and one that
# cancels a job before it submits the same work again has it run twice. Names tell the first apart; the
# second has to be looked at again.
set -eu
cd "$(dirname "$0")"
# shellcheck source=findings/slurm_in_a_folder.sh
. ./slurm_in_a_folder.sh
start_slurm

run sbatch --hold --parsable --job-name=early --wrap true
early=$output
sleep 10
run scontrol update "jobid=$early" comment=changed # is written at once; what follows waits
sleep 1
run scancel "$early"
still "exit status of scancel" 0 "$status"
run sbatch --hold --parsable --job-name=late --wrap true
still "exit status of sbatch" 0 "$status"
late=$output

controller=$(cat "$folder/slurmctld.pid")
kill -9 "$controller"
start slurmctld-wlm -D
wait_for 30 state_is "$early early" squeue --noheader --format="%i %j"
run squeue --noheader --states=all --format="%i %j %T"
still "the jobs after the crash" "$early early PENDING" "$output"
run sbatch --hold --parsable --job-name=another --wrap true
still "the number of the next job" "$late" "$output"
