read -r line
printf '%s\nand another thing\n' "$line"
while read -r line; do printf '%s\n' "$line"; done
