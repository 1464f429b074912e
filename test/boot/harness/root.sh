#!/bin/bash
# One machine: root.sh FOLDER, as first process of its own namespaces. Makes a root in which nothing of the host is but
# /usr, read-only, and what the machine starts with; then it is the init of cloud.sh's machine.
set -eu
folder=$1
here=$(dirname "$0")
. "$folder/settings"
mount --make-rprivate /
root=$folder/root
mkdir -p "$root"
mount -t tmpfs -o size=700m,mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc/systemd/system run tmp var opt home root proc sys dev old host srv
chmod 1777 tmp
chmod 700 root
for name in bin sbin lib lib64; do [ -e "/$name" ] && ln -s "usr/$name" "$name"; done
mount --rbind -o ro /usr usr
mount -o remount,bind,ro usr
mount -t tmpfs tmpfs usr/local
mkdir -p usr/local/sbin usr/local/bin var/lib/cloud etc/ssl/certs
cp "$here"/poweroff usr/local/sbin/poweroff
ln -s poweroff usr/local/sbin/halt
printf '%s\n' root:x:0:0:root:/root:/bin/bash messagebus:x:100:100::/:/bin/false >etc/passwd
printf '%s\n' root:x:0: adm:x:4: tty:x:5: messagebus:x:100: systemd-journal:x:101: >etc/group
echo 'root:*:::::::' >etc/shadow
echo 'passwd: files' >etc/nsswitch.conf
echo '127.0.0.1 localhost' >etc/hosts
cp /etc/ld.so.cache etc/
[ -e /etc/alternatives ] && cp -a /etc/alternatives etc/
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
# The host's own switch, where its kernel has one, must never be reached from here.
[ ! -e proc/sysrq-trigger ] || mount --bind /dev/null proc/sysrq-trigger
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
if [ "$systemd" = 1 ]; then
  rm usr/local/sbin/*
  touch dev/console
  mount --bind "$(tty)" dev/console
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t sysfs -o ro sysfs sys
  if [ -e /sys/fs/cgroup/systemd ]; then
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
  else
    mount -t cgroup2 cgroup2 sys/fs/cgroup
  fi
  echo 0123456789abcdef0123456789abcdef >etc/machine-id
  # No more of systemd than what user data meets, and nothing that is about hardware.
  for name in getty.target remote-fs.target cryptsetup.target dev-hugepages.mount dev-mqueue.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount systemd-udevd.service \
    systemd-logind.service systemd-sysctl.service systemd-sysusers.service systemd-tmpfiles-setup.service \
    systemd-timesyncd.service systemd-resolved.service systemd-networkd.service; do
    ln -s /dev/null "etc/systemd/system/$name"
  done
  printf '[Unit]\nRequires=multi-user.target\nAfter=multi-user.target\n' >etc/systemd/system/default.target
  printf '[Unit]\nWants=user-data.service\nRequires=basic.target\nAfter=basic.target\n' >etc/systemd/system/multi-user.target
  printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nKillMode=process\nTasksMax=infinity\nStandardOutput=journal+console\nExecStart=/bin/bash /host/init\n' \
    >etc/systemd/system/user-data.service
fi
mount --bind "$folder/host" host
[ "$fetch_bytes" = 0 ] || { mkdir -p var/lib/tinderbox; mount -t tmpfs -o size="$fetch_bytes" tmpfs var/lib/tinderbox; }
touch "$folder/waiting"
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip link set lo up
ip addr add 10.9.0.2/24 dev eth0
ip link set eth0 up
ip -6 addr add fd00:ec2::2/64 dev eth0 nodad
ip route add default via 10.9.0.1
hostname machine
[ -e host/prepare ] && (. host/prepare)
pivot_root . old
umount -l /old
rmdir /old
cd /
[ ! -e /proc/sysrq-trigger ] || grep -q sysrq-trigger /proc/self/mountinfo
[ "$systemd" = 0 ] || exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=console --show-status=0
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash /host/init
