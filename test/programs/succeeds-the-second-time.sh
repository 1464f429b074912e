#!/bin/sh
if [ -e "$2" ]; then
  echo up
  exec sleep "$1"
fi
: >"$2"
exit 1
