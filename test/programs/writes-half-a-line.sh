#!/bin/sh
echo up
printf "half of a line %s" "$1"
exec sleep "$1"
