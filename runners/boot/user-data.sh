#!/bin/bash
{ [ -e /run/tinderbox/armed ] && echo "tinderbox boot: this user data runs already" && exit 0; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; umask 022; trap "" PIPE; keep=@KEEP@; off='trap "" PIPE HUP; sync & poweroff & sleep 10; poweroff -f & sleep 8; python3 -Ic "import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)" & sleep 4; case $(readlink /proc/self/ns/pid) in pid:?4026531836?) echo 1 >/proc/sys/kernel/sysrq; echo o >/proc/sysrq-trigger;; esac'; over="timeout 5 echo \"tinderbox boot: power-off, the lifetime of @LIFETIME@ s is over\"; $off"; failed() { set +e; timeout 5 echo "tinderbox boot: the user data has ended with code $1"; [ "$keep" = 1 ] && timeout 5 echo "tinderbox boot: kept for debugging until the lifetime is over" && exit 1; trap - EXIT; setsid sh -c "$off" </dev/null & sleep 1; exit 1; }; trap 'failed $?' EXIT; if ! { [ -d /run/systemd/system ] && mkdir -p /run/tinderbox && echo "$over" >/run/tinderbox/lifetime && timeout 10 systemd-run --quiet --unit=tinderbox-lifetime --on-active=@LIFETIME@ --timer-property=AccuracySec=1s -p DefaultDependencies=no -p StandardOutput=journal+console /bin/sh /run/tinderbox/lifetime; }; then setsid sh -c "trap \"\" PIPE HUP; sleep @LIFETIME@; $over" </dev/null & fi; }
# Above, in one line: the power-off timer, and a trap that powers off when this script fails. A script that is cut off
# later is a syntax error, which springs the trap; one cut off earlier is a syntax error that has done nothing.
# Units of systemd get plain words only: systemd 252 writes others so that it cannot read them at a daemon-reload.
# What turns a machine off says so without waiting for a reader, and relies on nothing but a shell. The last resort is
# the kernel's own; in a container (another process namespace than that number's) it would hit somebody else's machine.

# The failsafe: off when the parent has not been heard. The machine process touches a file; what counts is that its time
# changes between two looks here, by the machine's uptime, so a clock that jumps means nothing.
{ read -r up _ </proc/uptime; timeout 5 echo "tinderbox boot: booted $up"
mkdir -p /run/tinderbox; chmod 755 /run/tinderbox; cd /run/tinderbox
: >parent
echo "$off" >off
cat >watch <<'END'
trap '' PIPE HUP
cd /run/tinderbox
echo -1000 2>/dev/null >/proc/self/oom_score_adj
off() { timeout 5 echo "tinderbox boot: power-off, $*"; sh off; poweroff -f; }
mark= gone= heard=$(stat -c %y parent) since= limit=@NO_PARENT@ after="the parent was never heard"
while :; do
  read -r up _ </proc/uptime
  up=${up%%.*}
  since=${since:-$up}
  if [ -n "$mark" ] && [ "$mark" != "$heard" ]; then
    heard=$mark since=$up limit=@PARENT_LOST@ after="the parent was not heard again"
  elif [ $((up - since)) -ge $limit ]; then
    off "$after within $limit s; last step: $(tail -c 300 step 2>/dev/null)"
  fi
  [ -e over ] && off "the machine process has ended"
  # At the second look: at the first the news of the end may still be on its way.
  [ -s keeper ] && read -r keeper <keeper && [ ! -d "/proc/$keeper" ] && gone=x$gone
  [ "$gone" = xx ] && off "nobody looks after the machine process"
  sleep 1
  mark=$(stat -c %y parent 2>/dev/null)
done
END
if [ "$keep" = 1 ]; then :
elif [ -d /run/systemd/system ] && timeout 10 systemd-run --quiet --unit=tinderbox-watch -p Restart=always \
-p RestartSec=1 -p StartLimitIntervalSec=0 -p DefaultDependencies=no -p OOMScoreAdjust=-1000 \
-p StandardOutput=journal+console /bin/sh /run/tinderbox/watch; then :
else setsid sh watch </dev/null &
fi
: >armed; }

# The rest is Python's work: boot.py, packed.
{ set -eu
umask 077
cat >boot.json <<'END'
@PARAMETERS@
END
python3 -Ic 'import base64,sys,zlib
sys.stdout.buffer.write(zlib.decompress(base64.b85decode(sys.stdin.read().replace("\n", ""))))' >boot.py <<'.'
@PROGRAM@
.
umask 022
python3 -I boot.py "$up"
trap - EXIT
exit 0; }
