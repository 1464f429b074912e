#!/bin/sh
echo up
printf "\377\376\200 %s\n" "$1"
exec sleep "$1"
