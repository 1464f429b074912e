# Up, and deaf: what is written to it fills the pipe and stays there.
echo up >&2
exec sleep 1000
