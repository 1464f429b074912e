# Right, but for requests that hold "garbage".
while read -r line; do
  case "$line" in
    *garbage*) echo '{ "not": json' ;;
    *) printf '%s\n' "$line" ;;
  esac
done
