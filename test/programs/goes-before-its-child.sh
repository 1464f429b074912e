#!/bin/sh
# $2: a file that ends the child. The program itself ends at once when it is told to, the child when it has done its work.
(
  trap 'echo "got TERM"' TERM
  echo up
  while [ ! -e "$2" ]; do sleep 0.02; done
) &
trap 'exit 0' TERM
wait
