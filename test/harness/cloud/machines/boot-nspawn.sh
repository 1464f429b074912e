#!/bin/bash
# As boot.sh, but what boots is a whole Debian, with systemd and with cloud-init's own Ec2 datasource, under systemd-nspawn.
# That comes from the same Debian, so that nothing has to be installed on the host.
set -eu
stage=$1
shift
if [ "$stage" = outside ]; then
  for file in $LIMITS; do echo 0 >"$file"; done
  exec unshare --net --mount --uts --ipc --pid --fork --kill-child=KILL "$BASH" "$0" inside "$@"
fi
base=$1 id=$2 address=$3 bits=$4 gateway=$5
home=$base/machines/$id root=$base/machines/$id/root tools=$base/machines/$id/tools
echo unshared >&3

mkdir "$home/disk" "$root" "$tools"
mount -t tmpfs -o "mode=755,size=${DISK_MB}m" tmpfs "$home/disk"
mkdir "$home"/disk/{upper,work}
mount -t overlay -o "lowerdir=$DEBIAN,upperdir=$home/disk/upper,workdir=$home/disk/work" overlay "$root"
printf '127.0.0.1 localhost\n%s ip-%s\n' "$address" "${address//./-}" >"$root/etc/hosts"
# Without one systemd takes this for a first boot.
printf '%s' "$id" | md5sum | cut -c1-32 >"$home/machine-id"
cp "$home/machine-id" "$root/etc/machine-id"
mount --bind "$DEBIAN" "$tools"
mount -o remount,ro,bind "$tools"
mount --bind "$home/machine-id" "$tools/etc/machine-id"
mount -t proc proc "$tools/proc"
mount --rbind /sys "$tools/sys"
mount --rbind /dev "$tools/dev"
mount -t tmpfs tmpfs "$tools/run"
mount -t tmpfs tmpfs "$tools/tmp"
mount -t tmpfs tmpfs "$tools/var/lib"
# Next to it nspawn makes a lock.
mkdir "$tools/run/machine"
mount --bind "$root" "$tools/run/machine"

read -r _
ip -batch - <<LIST
link set lo up
addr add $address/$bits dev eth0
link set eth0 up
route add 169.254.169.254/32 dev eth0
route add default via $gateway
LIST
echo linked >&3
read -r _
echo booted >&3
# It ends with 0 after a power-off.
exec env -i PATH=/usr/sbin:/usr/bin SYSTEMD_LOG_LEVEL=warning chroot "$tools" systemd-nspawn --quiet --register=no \
  --keep-unit --boot --network-namespace-path=/proc/self/ns/net -D /run/machine --machine="$id" \
  --capability=CAP_NET_ADMIN --hostname="ip-${address//./-}" --console=read-only --link-journal=no --resolv-conf=off \
  </dev/null 3>&-
