# Counts its starts in the file that it is given.
if [ -n "$1" ]; then echo started >>"$1"; fi
echo "cannot open the model" >&2
exit 7
