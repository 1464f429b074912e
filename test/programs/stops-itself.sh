#!/bin/sh
echo up
kill -STOP $$
sleep "$1"
