#!/bin/sh
(setsid sleep "$1" &)
echo up
exec sleep "$1"
