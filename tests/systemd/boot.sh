#!/bin/sh
# Boots this machine's system in a container on a temporary overlay, and runs FOLDER/test.sh in it when
# it is up; the output goes to FOLDER/log, and the exit status is returned. With systemd as process 1,
# logind and polkit it shows what happens at logout. Run it as root in new namespaces:
#   unshare --mount --cgroup --pid --fork --kill-child --mount-proc --propagation private \
#       sh boot.sh NSPAWN FOLDER USER NUMBER READABLE_FOLDER...
# FOLDER/etc is copied over /etc. USER exists only in the container.
set -eu
nspawn="$1" folder="$2" user="$3" number="$4"
shift 4

umount --lazy /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/boot
echo $$ >/sys/fs/cgroup/boot/cgroup.procs
mount -t tmpfs tmpfs /run

layers="$folder/layers" root="$folder/layers/root"
mkdir -p "$layers" "$folder/out"
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/upper" "$layers/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount -t tmpfs tmpfs "$root/run"

# Only systemd's own units and the test start. An empty machine-id makes systemd create a new one.
: >"$root/etc/machine-id"
rm -rf "$root"/etc/systemd/system/*.wants
for timer in "$root"/usr/lib/systemd/system/*.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/${timer##*/}"
done
ln -sf /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
mkdir "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../test.service "$root/etc/systemd/system/multi-user.target.wants"
cat >"$root/etc/systemd/system/test.service" <<UNIT
[Unit]
After=systemd-logind.service dbus.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh /out/test.sh
StandardOutput=truncate:/out/log
StandardError=inherit
UNIT
# The container has no Slurm, even if this machine has it.
rm -f "$root"/etc/profile.d/*
for program in sbatch squeue sacct scancel scrontab; do
    rm -f "$root/usr/local/bin/$program" "$root/usr/bin/$program"
done
echo "$user:x:$number:$number::/home/$user:/bin/sh" >>"$root/etc/passwd"
echo "$user:*:19000:0:99999:7:::" >>"$root/etc/shadow"
echo "$user:x:$number:" >>"$root/etc/group"
mkdir -p "$root/home/$user"
chown "$number:$number" "$root/home/$user"
cp -R "$folder/etc/." "$root/etc/"
cp "$folder/test.sh" "$folder/out/"

# Folders that the user must read, such as Python's, may be below a folder that is closed to others.
binds=
for readable; do
    parent="$root$readable"
    mkdir -p "$parent"
    while [ "$parent" != "$root" ]; do
        chmod go+rx "$parent"
        parent=$(dirname "$parent")
    done
    binds="$binds --bind-ro=$readable"
done
# shellcheck disable=SC2086 # one option for each folder
"$nspawn" --quiet --directory="$root" --private-network --register=no --keep-unit \
    --link-journal=no --console=pipe --bind="$folder/out:/out" $binds --boot </dev/null
