#!/bin/bash
# The network around one machine: cloud.sh FOLDER. Runs in namespaces of its own (net, mount, pid), so that nothing of
# the host is touched and everything ends with it. Addresses here lead to Unix sockets in FOLDER, behind which the test
# has its servers.
set -eu
folder=$1
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
ip link add cloud0 address 02:00:00:00:00:01 type veth peer name eth0
ip addr add 10.9.0.1/24 dev cloud0
ip addr add 169.254.169.254/32 dev cloud0
ip link set cloud0 up
ip -6 addr add fd00:ec2::1/64 dev cloud0 nodad
ip -6 addr add fd00:ec2::254/64 dev cloud0 nodad
python3 "$(dirname "$0")/relay.py" "$folder" &
until [ -e "$folder/relaying" ]; do sleep 0.02; done
. "$folder/settings"
begin="exec unshare --net --mount --pid --uts --ipc --cgroup --fork --kill-child=KILL bash $(dirname "$0")/root.sh $folder"
# systemd wants a terminal as its console, and a control group to be the root of.
if [ "$systemd" = 1 ]; then
  echo 0 >"$cgroup/cgroup.procs"
  script --quiet --return --flush --command "echo \$\$ >$folder/machine; $begin" /dev/null </dev/null &
else
  bash -c "echo \$\$ >$folder/machine; $begin" &
fi
child=$!
until [ -e "$folder/waiting" ]; do
  kill -0 "$child"
  sleep 0.02
done
ip link set eth0 netns "$(cat "$folder/machine")"
code=0
wait "$child" || code=$?
echo "$code" >"$folder/ended"
