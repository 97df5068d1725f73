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
. "$(dirname "$0")/slurm_in_a_folder.sh"

slurm_packages="$slurm_packages slurmdbd=22.05.8-4+deb12u3 slurm-wlm-mysql-plugin=22.05.8-4+deb12u3
    mariadb-server-core=1:10.11.19-0+deb12u1 libmariadb3=1:10.11.19-0+deb12u1 libaio1=0.3.113-4
    liburing2=2.3-3"

start_accounting() {
    cat >"$folder/slurmdbd.conf" <<END
AuthInfo=socket=$folder/munge/socket
DbdHost=localhost
DbdPort=$((port + 2))
SlurmUser=$(id -un)
PidFile=$folder/slurmdbd.pid
PluginDir=$plugins
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 3))
StorageUser=root
END
    chmod 600 "$folder/slurmdbd.conf"
    cat >>"$SLURM_CONF" <<END
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$((port + 2))
AccountingStoragePass=$folder/munge/socket
END
    start_database
    start slurmdbd -D
    wait_for 60 sacctmgr --noheader list cluster
}

start_database() {
    tables="$folder/packages/usr/share/mysql"
    mkdir "$folder/database"
    # slurmdbd keeps procedures in the database, for which this needs its system tables.
    { printf '%s;\n' "create database mysql" "use mysql"; cat "$tables/mysql_system_tables.sql"; } |
        mariadbd --no-defaults --bootstrap --datadir="$folder/database" --lc-messages-dir="$tables" \
            --user="$(id -un)" >"$folder/bootstrap.log" 2>&1
    start mariadbd --no-defaults --datadir="$folder/database" --socket="$folder/mysql" \
        --bind-address=127.0.0.1 --port=$((port + 3)) --skip-grant-tables \
        --lc-messages-dir="$tables" --user="$(id -un)"
    wait_for 60 test -S "$folder/mysql"
}

limit_of_science() {
    run sacctmgr --noheader --parsable2 show account science withassoc format=MaxTRES
}

start_munge
start_accounting
sacctmgr --version
sacctmgr --immediate --quiet add cluster folder
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
