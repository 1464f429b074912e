# "die" is the one that it cannot stand.
echo "$$ is up" >&2
while read -r line; do
  if [ "$line" = die ]; then
    echo "about to crash" >&2
    kill -SEGV $$
  fi
  printf '%s %s\n' "$$" "$line"
done
