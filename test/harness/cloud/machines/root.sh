#!/bin/bash
# Builds, once for each host, what all its machines share: `skeleton` (everything but /usr, of which each machine gets a
# writable copy by overlay) and `usr` (this machine's own /usr, read-only, with our shims and without what a fresh machine
# would not have). Only listed files of /etc are taken, so that nothing of this machine's users, keys or projects is seen.
# usage: root.sh <folder on a tmpfs> <folder of init.py and power.py>
set -eu
base=$1 code=$2
skeleton=$base/skeleton layer=$base/usr-layer usr=$base/usr
umask 022

mkdir -p "$skeleton"/{boot,dev/{pts,shm},etc/{default,ssl},home,media,mnt,opt,proc,root,run/lock,srv,sys,tmp,usr}
mkdir -p "$skeleton"/var/{backups,cache,lib/cloud,local,log,mail,opt,spool,tmp}
chmod 1777 "$skeleton"/{tmp,var/tmp,dev/shm,run/lock}
chmod 700 "$skeleton/root"
ln -s /run "$skeleton/var/run"
ln -s /run/lock "$skeleton/var/lock"
for link in bin sbin lib lib32 lib64 libx32; do
  [ -L "/$link" ] && cp -a "/$link" "$skeleton/$link"
done

# Devices that a program may expect. The machine itself may not make any.
while read -r name major minor mode; do
  mknod -m "$mode" "$skeleton/dev/$name" c "$major" "$minor"
done <<'LIST'
null 1 3 666
zero 1 5 666
full 1 7 666
random 1 8 666
urandom 1 9 666
tty 5 0 666
LIST
ln -s pts/ptmx "$skeleton/dev/ptmx"
ln -s console "$skeleton/dev/ttyS0"
ln -s /proc/self/fd "$skeleton/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "$skeleton/dev/${n#*:}"; done
touch "$skeleton/dev/console"

for name in alternatives bash.bashrc ca-certificates ca-certificates.conf debian_version default/useradd gai.conf \
  host.conf inputrc iproute2 ld.so.cache ld.so.conf ld.so.conf.d localtime login.defs mime.types pam.conf pam.d \
  profile protocols rpc security services shells skel ssl/certs ssl/openssl.cnf terminfo timezone; do
  [ -e "/etc/$name" ] && cp -a "/etc/$name" "$skeleton/etc/$name"
done
for name in /etc/python3*; do [ -d "$name" ] && cp -a "$name" "$skeleton/etc/"; done
ln -s ../usr/lib/os-release "$skeleton/etc/os-release"
ln -s ../proc/self/mounts "$skeleton/etc/mtab"
: >"$skeleton/etc/fstab"
# Without a name server look-ups of names fail at once instead of after half a minute.
printf 'options timeout:1 attempts:1\n' >"$skeleton/etc/resolv.conf"
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n' >"$skeleton/etc/nsswitch.conf"
cat >"$skeleton/etc/passwd" <<'LIST'
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
admin:x:1000:1000:Debian:/home/admin:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
LIST
cat >"$skeleton/etc/group" <<'LIST'
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:admin
tty:x:5:
disk:x:6:
mail:x:8:
www-data:x:33:
shadow:x:42:
utmp:x:43:
staff:x:50:
users:x:100:
admin:x:1000:
nogroup:x:65534:
LIST
sed 's/:.*/:*:19000:0:99999:7:::/' "$skeleton/etc/passwd" >"$skeleton/etc/shadow"
sed 's/:.*/:*::/' "$skeleton/etc/group" >"$skeleton/etc/gshadow"
chmod 640 "$skeleton"/etc/{shadow,gshadow}
mkdir "$skeleton/home/admin"
chown 1000:1000 "$skeleton/home/admin"

mkdir -p "$layer"/{bin,sbin,lib/machine} "$usr"
cp "$code/init.py" "$code/power.py" "$layer/lib/machine/"
chmod 755 "$layer"/lib/machine/*.py
for name in sbin/poweroff sbin/halt sbin/reboot sbin/shutdown bin/systemctl; do
  ln -s /usr/lib/machine/power.py "$layer/$name"
done
# A character device 0/0 hides the file of that name below: what is not in the image of a bare machine.
for name in bin/node bin/nodejs bin/npm bin/npx bin/systemd-run; do
  [ -e "/usr/$name" ] && mknod "$layer/$name" c 0 0
done
mkdir -p "$base/local/"{bin,sbin,lib,share}
mount -t overlay -o "ro,lowerdir=$layer:/usr" overlay "$usr"
if [ -d "$usr/local" ]; then mount --bind "$base/local" "$usr/local"; fi
