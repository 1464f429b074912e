#!/bin/sh
echo up
exec yes "$1"
