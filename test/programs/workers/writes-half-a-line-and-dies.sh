read -r line
printf 'half of it'
echo "the disk is full" >&2
exit 3
