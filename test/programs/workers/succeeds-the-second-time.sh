# The file that it is given remembers the first time.
if [ ! -e "$1" ]; then
  : >"$1"
  echo "not yet" >&2
  exit 1
fi
echo up
while read -r line; do printf '%s\n' "$line"; done
