# Sourced by the findings about Slurm's accounting: `start_accounting`, after `start_munge` of
# slurm_in_a_folder.sh, starts MariaDB with an empty database, and slurmdbd, which uses it.
# shellcheck shell=sh
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
    sacctmgr --version
    sacctmgr --immediate --quiet add cluster folder
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
