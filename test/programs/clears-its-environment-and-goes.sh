#!/bin/sh
# A daemon of the old school: a session, a parent and an environment that have nothing to do with ours.
(setsid env -i "$(command -v sleep)" "$1" </dev/null >/dev/null 2>&1 &)
echo up
exec sleep "$1"
