while read -r line; do printf '%s\n%s\n' "$line" "$line"; done
