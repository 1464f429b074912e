#!/bin/sh
# Never long in one process: whoever is in a list has ended when the list is read, and its child lives.
echo up
exec 0<&-
hop() { sleep 0.005; hop & }
hop &
exec sleep "$1"
