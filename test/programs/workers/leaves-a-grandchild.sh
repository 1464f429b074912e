# A descendant in a session of its own keeps the output open.
setsid sleep 1000 &
echo "$!"
