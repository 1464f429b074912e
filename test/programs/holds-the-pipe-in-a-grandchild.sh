#!/bin/sh
(setsid sleep "$1" &)
echo up
exit 0
