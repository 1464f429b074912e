#!/bin/sh
echo up
exec sleep "$1" >&- 2>&-
