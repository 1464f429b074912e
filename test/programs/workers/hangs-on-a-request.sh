# "hang" is never answered.
while read -r line; do
  if [ "$line" = hang ]; then
    echo "hanging" >&2
    exec sleep 1000
  fi
  printf '%s %s\n' "$$" "$line"
done
