#!/bin/bash
# The only process of a VPC outside its pid namespace. Starts the warden in namespaces of its own, and ends it, and so all
# machines, when stdin ends, which it does however the host process ends. Then removes what the kernel does not: cgroups.
# usage: keeper.sh <command of the warden...>, with CGROUPS: the folders to remove
set -u
setpriv --pdeathsig KILL unshare --net --mount --uts --ipc --pid --mount-proc --fork --kill-child=KILL "$@" </dev/null &
warden=$!
echo "$warden"
# Who would read it may be gone, and then a word about a killed child would be the end of this one as well.
exec >/dev/null 2>&1
{
  # Nothing is ever written to it.
  while read -r _; do :; done
  kill -KILL "$warden"
} <&0 >/dev/null 2>&1 3>&- &
watch=$!
exec 3>&-
wait "$warden"
code=$?
kill -KILL "$watch" 2>/dev/null
for _ in {1..500}; do
  left=""
  for folder in $CGROUPS; do
    [ -d "$folder" ] && find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$folder" ] && left=$folder
  done
  [ -z "$left" ] && break
  sleep 0.02
done
exit "$code"
