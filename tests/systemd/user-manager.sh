#!/bin/sh
# Starts a real `systemd --user` with a real journald, independent of the machine's own systemd, which
# need not be running. Run it as root in new namespaces:
#   unshare --mount --cgroup --pid --fork --kill-child --mount-proc --propagation private \
#       sh user-manager.sh USER NUMBER READABLE_FOLDER...
# The user, with home and name, exists only in the namespaces. Prints "ready". At the end of its standard
# input it ends, with all processes in the namespaces.
set -eu
user="$1" number="$2"
shift 2
home="/run/home/$user" runtime="/run/user/$number"

# A private view of the file system; its files are deleted when this script ends.
umount --lazy /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log

# Folders that the user must read, such as Python's, may be below a folder that is closed to others.
closed=
for folder; do
    mkdir -p "/run/kept/$folder"
    mount --rbind "$folder" "/run/kept/$folder"
    parent="$folder"
    while [ "$parent" != / ]; do
        parent=$(dirname "$parent")
        case "$(stat -c %A "$parent")" in *[xt]) ;; *) closed="$parent" ;; esac
    done
    [ -z "$closed" ] || mountpoint -q "/run/closed$closed" || {
        mkdir -p "/run/closed$closed"
        mount --bind "$closed" "/run/closed$closed"
        mount -t tmpfs -o mode=755 tmpfs "$closed"
    }
    [ -z "$closed" ] || [ -e "$folder" ] || {
        mkdir -p "$folder"
        mount --rbind "/run/kept/$folder" "$folder"
    }
done

mkdir -p /run/etc "$home" "$runtime"
for file in passwd group; do cp "/etc/$file" "/run/etc/$file"; done
echo "$user:x:$number:$number::$home:/bin/sh" >>/run/etc/passwd
echo "$user:x:$number:" >>/run/etc/group
for file in passwd group; do mount --bind "/run/etc/$file" "/etc/$file"; done
chown "$number:$number" "$home" "$runtime"
chmod 0700 "$home" "$runtime"

# Hides this machine's Slurm. A test can put stub commands into the user's bin folder.
for program in sbatch squeue sacct scancel scrontab; do
    for folder in /usr/local/bin /usr/bin; do
        [ ! -e "$folder/$program" ] || mount --bind /dev/null "$folder/$program"
    done
done

# Programs detect systemd by /run/systemd/system. unit-root, which the system's manager would create, is
# the mount point for services with their own file system. The journal is stored on "disk", since only
# then each user has a journal file.
mkdir -p /run/systemd/system /run/systemd/journal /run/log/journal /run/systemd/unit-root
journal="/var/log/journal/$(cat /etc/machine-id)"
mkdir -p "$journal"
chgrp -R systemd-journal /var/log/journal
chmod 2755 /var/log/journal "$journal"
# It must not inherit our standard streams, or it would keep the pipes of the test open.
/usr/lib/systemd/systemd-journald </dev/null >/dev/null 2>&1 &
until [ -S /run/systemd/journal/stdout ]; do sleep 0.02; done
journalctl --flush

# The manager runs in the user's control group; journald identifies services by this path.
group="/sys/fs/cgroup/user.slice/user-$number.slice/user@$number.service"
mkdir -p "$group"
for file in "$group" "$group/cgroup.procs" "$group/cgroup.subtree_control" "$group/cgroup.threads"; do
    chown "$number:$number" "$file"
done
sh -c 'echo $$ >"$0/cgroup.procs" && exec setpriv --reuid "$1" --regid "$1" --clear-groups \
    env -i HOME="$2" USER="$3" LOGNAME="$3" SHELL=/bin/sh PATH=/usr/local/bin:/usr/bin:/bin \
    XDG_RUNTIME_DIR="$4" PYTHONPATH="${PYTHONPATH:-}" SYSTEMD_LOG_TARGET=journal /usr/lib/systemd/systemd --user' \
    "$group" "$number" "$home" "$user" "$runtime" </dev/null >/dev/null 2>&1 &
until [ -S "$runtime/systemd/private" ]; do sleep 0.02; done
echo ready
cat >/dev/null
