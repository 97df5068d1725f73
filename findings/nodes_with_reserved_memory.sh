#!/bin/sh
# sinfo's CPUs and memory of a node (%c, %m, and with --exact too) are said to be those of the node,
# and tools plan by them what a job may ask for. Where a site keeps some for the system, by
# CoreSpecCount and MemSpecLimit, sinfo still prints all of it: a job that asks for as much as sinfo
# shows is refused, without a word on which of both it was. `scontrol show node` has what is left:
# CPUEfctv, and RealMemory without MemSpecLimit. A cluster planned by sinfo refuses every whole node.
set -eu
cd "$(dirname "$0")"
# shellcheck source=findings/slurm_in_a_folder.sh
. ./slurm_in_a_folder.sh
node_options="CoreSpecCount=1 MemSpecLimit=300"
start_slurm

run sinfo --noheader --exact --format='%c %m'
still "what sinfo shows" "4 1000" "$output"

refusal="allocation failure: Requested node configuration is not available"
run sbatch --test-only --mem=1000 --wrap true
still "the answer for all of the memory" "$refusal" "$output"
run sbatch --test-only --cpus-per-task=4 --wrap true
still "the answer for all of the CPUs" "$refusal" "$output"

run sbatch --test-only --cpus-per-task=3 --mem=700 --wrap true
still "the status for what is left" 0 "$status"
run sh -c "scontrol --oneliner show node node1 | grep -o 'CPUEfctv=[0-9]*\|MemSpecLimit=[0-9]*'"
still "what scontrol shows" "CPUEfctv=3
MemSpecLimit=300" "$output"
