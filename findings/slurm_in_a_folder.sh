# Sourced by the findings about Slurm. `start_slurm` unpacks the Slurm 22.05.8 of Debian 12 into a
# temporary folder and runs it there as the current user: munged, slurmctld, and a slurmd for one idle
# node, `node1`, with 4 CPUs and 1,000 MB; `node_options` adds to its line in slurm.conf. The commands of
# Slurm are then in PATH and use this cluster, which ends with the shell. Neither root nor an installed
# Slurm is needed, but Debian 12 (bookworm) and the package lists of apt-get. Settings that do not have to
# differ have Slurm's defaults.
# shellcheck shell=sh

slurm_packages="slurmctld=22.05.8-4+deb12u3 slurmd=22.05.8-4+deb12u3 slurm-client=22.05.8-4+deb12u3
    slurm-wlm-basic-plugins=22.05.8-4+deb12u3 munge=0.5.15-2+deb12u1 libmunge2=0.5.15-2+deb12u1
    libhwloc15=2.9.0-1 libjson-c5=0.16-2 libnuma1=2.0.16-1 libreadline8=8.2-1.3"

start_slurm() {
    start_munge
    start_cluster
}

start_cluster() {
    start slurmctld-wlm -D
    start slurmd-wlm -D -N node1 -d "$folder/packages/usr/sbin/slurmstepd-wlm"
    wait_for 30 state_is idle sinfo --noheader --format=%t
    scontrol --version
}

# Makes the folder, with the packages and slurm.conf, and starts munged alone.
start_munge() {
    folder=$(mktemp -d)
    processes=
    trap end_slurm EXIT
    trap 'exit 130' INT TERM
    mkdir "$folder/packages" "$folder/munge" "$folder/state" "$folder/spool"
    unpack_slurm
    configure_slurm
    cd "$folder" || exit # where jobs write their output
    mungekey --create --keyfile="$folder/munge/key"
    start munged --foreground --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed"
    wait_for 10 test -S "$folder/munge/socket"
}

unpack_slurm() {
    (
        cd "$folder/packages" || exit
        # shellcheck disable=SC2086 # one word for each package
        apt-get download $slurm_packages >log 2>&1 || { cat log >&2; exit 1; }
        for package in *.deb; do
            dpkg-deb --extract "$package" .
        done
    )
    set -- "$folder"/packages/usr/lib/*/slurm-wlm
    plugins=$1 libraries=${1%/*}
    # PluginDir of slurm.conf is for plugins alone: the programs need libslurmfull and other libraries.
    export LD_LIBRARY_PATH="$plugins:$libraries:$folder/packages/lib/${libraries##*/}"
    export PATH="$folder/packages/usr/bin:$folder/packages/usr/sbin:$PATH"
    export SLURM_CONF="$folder/slurm.conf"
}

configure_slurm() {
    host=$(uname -n)
    port=$((20000 + $$ % 5000 * 2))
    cat >"$SLURM_CONF" <<END
ClusterName=folder
SlurmctldHost=${host%%.*}(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthInfo=socket=$folder/munge/socket
PluginDir=$plugins
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
NodeName=node1 NodeHostname=${host%%.*} NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=4 RealMemory=1000 ${node_options-}
PartitionName=main Nodes=node1 Default=YES State=UP
END
}

start() { # program argument...
    "$@" >"$folder/$1.log" 2>&1 </dev/null &
    processes="$processes $!"
}

end_slurm() {
    # shellcheck disable=SC2086 # one word for each process
    [ -z "$processes" ] || kill $processes 2>/dev/null || true
    wait
    rm -rf "$folder"
}

wait_for() { # seconds command...
    deadline=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || { give_up "$*"; return 1; }
        sleep 0.2
    done
}

give_up() { # what never happened
    echo "waited in vain: $1" >&2
    tail -n 5 "$folder"/*.log >&2
}

state_is() { # state command...
    expected=$1
    shift
    [ "$("$@")" = "$expected" ]
}

# Shows a command, its output, which is then in $output, and its exit status, then in $status.
run() { # command...
    status=0
    output=$("$@" 2>&1) || status=$?
    printf '$ %s\n' "$*"
    [ -z "$output" ] || printf '%s\n' "$output"
    echo "(exit status $status)"
}

# The behavior is still there if both are equal.
still() { # what expected seen
    [ "$2" = "$3" ] || { echo "no longer so: $1 was '$2' and is '$3'" >&2; exit 1; }
}
