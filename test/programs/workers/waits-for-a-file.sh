# A request is the name of a file: answered once there is one of that name; "pid" is answered at once.
while read -r line; do
  if [ "$line" != pid ]; then
    echo "waiting" >&2
    while [ ! -e "$line" ]; do sleep 0.01; done
  fi
  printf '%s\n' "$$"
done
