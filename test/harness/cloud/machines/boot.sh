#!/bin/bash
# Becomes a machine: joins its limits, makes its namespaces and its root, and turns into its init. Runs twice: first in the
# namespaces of the host's VPC, then, as pid 1, inside the machine's. Says "unshared" on fd 3 when there is a network
# namespace to put an interface into, and "linked" when that is up; waits after each for a line on stdin. Says "booted" before
# its init begins.
set -eu
stage=$1
shift
if [ "$stage" = outside ]; then
  for file in $LIMITS; do echo 0 >"$file"; done
  # The machine's clock of uptime begins at its boot.
  read -r up _ </proc/uptime
  exec unshare --net --mount --uts --ipc --cgroup --time --boottime "-${up%.*}" --monotonic "-${up%.*}" \
    --pid --fork --kill-child=KILL "$BASH" "$0" inside "$@"
fi
base=$1 id=$2 address=$3 bits=$4 gateway=$5 delay=$6
home=$base/machines/$id root=$base/machines/$id/root
echo unshared >&3

mkdir "$home/disk" "$root"
mount -t tmpfs -o "mode=755,size=${DISK_MB}m" tmpfs "$home/disk"
mkdir "$home"/disk/{upper,work}
if [ -n "$CLOCK" ]; then
  mkdir "$home/disk/upper/etc"
  cp "$CLOCK" "$home/disk/upper/etc/machine-clock.so"
  echo "$SKEW_MS" >"$home/disk/upper/etc/machine-clock"
  echo /etc/machine-clock.so >"$home/disk/upper/etc/ld.so.preload"
fi
mount -t overlay -o "lowerdir=$base/skeleton,upperdir=$home/disk/upper,workdir=$home/disk/work" overlay "$root"
mount --rbind "$base/usr" "$root/usr"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount --bind "$home/console" "$root/dev/console"
# Written to by those who want a power-off at any price; the real one, where the kernel has it, would end the host.
if [ -e "$root/proc/sysrq-trigger" ]; then
  mkfifo -m 200 "$home/sysrq"
  mount --bind "$home/sysrq" "$root/proc/sysrq-trigger"
fi
# Settings of the kernel are the host's, but for the network's, which are the machine's own.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount --bind /proc/sys/net "$root/proc/sys/net" 2>/dev/null || true

read -r _
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
ip -batch - <<LIST
link set lo up
addr add $address/$bits dev eth0
link set eth0 up
route add 169.254.169.254/32 dev eth0
route add default via $gateway
LIST
echo linked >&3
read -r _
cd "$root"
mkdir -p .host
pivot_root . .host
umount -l /.host
rmdir /.host
echo booted >&3
# Set the clock, load modules, make devices: those are the host's.
exec env -i PATH=/usr/sbin:/usr/bin setpriv \
  --bounding-set=-sys_time,-sys_module,-sys_rawio,-mknod,-syslog,-audit_control,-audit_write,-wake_alarm \
  /usr/bin/python3 -IS /usr/lib/machine/init.py "$id" "$address" "$delay" </dev/null >/dev/console 2>&1 3>&-
