read -r line
exec 1>&-
exec sleep 1000
