#!/bin/sh
echo up
exec >&-
exec sleep "$1"
