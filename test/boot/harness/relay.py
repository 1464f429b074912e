"""Leads connections to addresses of the machine's network to Unix sockets in the folder argv[1]."""

import os, socket, sys, threading

folder = sys.argv[1]


def pump(source, target):
    try:
        while True:
            data = source.recv(1 << 16)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for side in (source, target):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def lead(connection, path):
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(path)
    except OSError:
        connection.close()
        return
    other = threading.Thread(target=pump, args=(server, connection), daemon=True)
    other.start()
    pump(connection, server)
    other.join()
    connection.close()
    server.close()


def listen(family, address, port, name):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(64)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=lead, args=(connection, os.path.join(folder, name)), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


listen(socket.AF_INET, "169.254.169.254", 80, "metadata")
listen(socket.AF_INET6, "fd00:ec2::254", 80, "metadata")
listen(socket.AF_INET, "10.9.0.1", 9000, "bucket")
listen(socket.AF_INET, "10.9.0.1", 443, "aws")
open(os.path.join(folder, "relaying"), "w").close()
threading.Event().wait()
