# Up when the file that it is given exists; says so on the output that it is told, 1 or 2, after a few words.
echo "loading" >&"$2"
while [ ! -e "$1" ]; do sleep 0.01; done
echo "model v7 is ready" >&"$2"
while read -r line; do printf '%s\n' "$line"; done
