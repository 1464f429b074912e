#!/bin/sh
echo up
# What has no line end is kept until one comes.
exec tail /dev/zero
