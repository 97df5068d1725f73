#!/bin/sh
# Slurm 22.05.8 (Debian 12).
#
# Expected: sacctmgr refuses a limit whose number it cannot read, as it refuses other words that it does
# not know ("Unknown option", exit status 1), and leaves the old limit.
# Seen: "MaxTRES=mem=1.5T" gives the error "Invalid unit type '.'", and then "Modified account
# associations" with exit status 0. The limit is 1 MiB from then on: the digits before the point, in MiB.
# The old one is gone.
# Why it matters: where limits are enforced, jobs of the account ask for more and wait for ever, and the
# script that set the limit saw success. A program that plans by an account's limits has to expect such
# numbers.
set -eu
. "$(dirname "$0")/slurm_accounting_in_a_folder.sh"

limit_of_science() {
    run sacctmgr --noheader --parsable2 show account science withassoc format=MaxTRES
}

start_munge
start_accounting
sacctmgr --immediate --quiet add account science

run sacctmgr --immediate modify account science set MaxTRES=mem=2T
still "exit status for 2T" 0 "$status"
limit_of_science
still "the limit of 2T" "mem=2T" "$output"

run sacctmgr --immediate modify account science set MaxTRES=mem=1.5T
still "exit status for 1.5T" 0 "$status"
limit_of_science
still "the limit of 1.5T" "mem=1M" "$output"

run sacctmgr --immediate modify account science set MaxTRES=memory=2T
still "exit status for an unknown resource" 1 "$status"
