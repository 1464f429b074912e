#!/usr/bin/python3 -IS
"""Pid 1 of a machine: what the kernel, a small init and cloud-init do. Parameters: <instance id> <address> <delay in ms, or "never">."""
import base64
import binascii
import ctypes
import gzip
import http.client
import os
import signal
import socket
import sys
import threading
import time

SERVICE = "169.254.169.254"
FIND_SECONDS = 120
# What systemd allows 90 seconds for.
STOP_SECONDS = 2
GZIP = b"\x1f\x8b"
HALT, POWER_OFF, RESTART = 0xCDEF0123, 0x4321FEDC, 0x01234567
STOPS = {signal.SIGRTMIN + 3: HALT, signal.SIGRTMIN + 4: POWER_OFF, signal.SIGRTMIN + 5: RESTART}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
libc = ctypes.CDLL(None, use_errno=True)


def uptime():
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])


def say(text):
    """One write to the console, so that lines of different processes stay whole."""
    os.write(1, f"{text}\n".encode())


def cloud_init(text):
    say(f"[{uptime():12.6f}] cloud-init[{os.getpid()}]: {text}")


def reboot(command):
    libc.reboot(ctypes.c_int(command - (1 << 32) if command >> 31 else command))


def request(method, path, headers):
    connection = http.client.HTTPConnection(SERVICE, 80, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def fetch(path):
    """By IMDSv2, as long as cloud-init would try. None where there is nothing."""
    until = time.monotonic() + FIND_SECONDS
    while True:
        try:
            status, token = request("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21600"})
            if status != 200:
                raise ValueError(f"no token: {status}")
            status, body = request("GET", f"/latest/{path}", {"X-aws-ec2-metadata-token": token.decode()})
            if status in (200, 404):
                return body if status == 200 else None
            raise ValueError(f"{path}: {status}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            if time.monotonic() > until:
                raise TimeoutError(f"no metadata service within {FIND_SECONDS} s: {error}") from error
            time.sleep(0.2)


def decoded(data):
    """Undoes a second base64, where that gives something that can be run, and gzip; so does cloud-init."""
    try:
        inner = b"" if data.startswith((b"#", GZIP)) else base64.b64decode(data)
        data = inner if inner.startswith((b"#", GZIP)) else data
    except binascii.Error:
        pass
    return gzip.decompress(data) if data.startswith(GZIP) else data


def install(instance, data):
    """Puts a script where cloud-init does. Returns its path, or None for anything else."""
    folder = f"/var/lib/cloud/instances/{instance}"
    os.makedirs(f"{folder}/scripts", exist_ok=True)
    os.symlink(folder, "/var/lib/cloud/instance")
    for name in ("user-data.txt", "user-data.txt.i"):
        with open(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
    if data.startswith(b"#!"):
        path = "/var/lib/cloud/instance/scripts/part-001"
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o700), "wb") as file:
            file.write(data.replace(b"\r\n", b"\n"))
        return path
    first = data.split(b"\n", 1)[0][:80].decode("utf-8", "replace")
    if data.startswith((b"#cloud-config", b"#include", b"#cloud-boothook", b"#part-handler", b"Content-Type", b"MIME-")):
        cloud_init(f"REFUSED: user data of the kind {first!r}; this machine runs only scripts, from #! on")
    else:
        cloud_init(f"WARNING: Unhandled non-multipart (text/x-not-multipart) userdata: {first!r}...")
    return None


def start(path):
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        os.setsid()
        os.chdir("/")
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        for number in (signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # No HOME: cloud-init has none either, and scripts trip over that.
        os.execve(path, [path], {"PATH": PATH, "LANG": "C.UTF-8", "SHELL": "/bin/sh"})
    except OSError as error:
        cloud_init(f"Failed to run {path}: {error}")
        os._exit(127)


def others():
    return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def stop(command):
    """Asks all to end, then ends the namespace, and all with it."""
    say(f"[{uptime():12.6f}] Stopping")
    try:
        os.kill(-1, signal.SIGTERM)
        os.kill(-1, signal.SIGCONT)
    except ProcessLookupError:
        pass
    until = time.monotonic() + STOP_SECONDS
    while others() and time.monotonic() < until:
        reap({})
        time.sleep(0.005)
    say(f"[{uptime():12.6f}] reboot: {'Restarting system' if command == RESTART else 'Power down'}")
    reboot(command)


def reap(names):
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        path = names.pop(pid, None)
        if path is None:
            continue
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            cloud_init(f"WARNING: Failed to run {path}: {f'exit code {code}' if code > 0 else f'signal {-code}'}")
        os.makedirs("/run/cloud-init", exist_ok=True)
        with open("/var/lib/cloud/instance/boot-finished", "w") as file:
            file.write(f"{uptime():.2f}\n")
        cloud_init(f"Cloud-init finished. Datasource DataSourceEc2Local. Up {uptime():.2f} seconds")


def sysrq():
    """The real file would act on the whole host; here o and b end this machine."""
    while os.path.exists("/proc/sysrq-trigger"):
        with open("/proc/sysrq-trigger", "rb", buffering=0) as file:
            for letter in file.read(1):
                if letter in b"ob":
                    say(f"sysrq: {'Power Off' if letter == ord('o') else 'Resetting'}")
                    reboot(POWER_OFF if letter == ord("o") else RESTART)


def boot(instance, running):
    try:
        data = fetch("user-data")
    except TimeoutError as error:
        return cloud_init(f"WARNING: {error}; used fallback datasource")
    if data is None:
        return cloud_init("no user data")
    try:
        path = install(instance, decoded(data))
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        return cloud_init(f"WARNING: cannot read the user data: {error}")
    if path is not None:
        cloud_init(f"running {path}, {len(data)} bytes")
        running[start(path)] = path


def main():
    instance, address, delay = sys.argv[1:4]
    if delay == "never":
        while True:
            signal.pause()
    time.sleep(int(delay) / 1000)
    name = f"ip-{address.replace('.', '-')}"
    socket.sethostname(name)
    with open("/etc/hostname", "w") as file:
        file.write(f"{name}\n")
    with open("/etc/hosts", "w") as file:
        file.write(f"127.0.0.1 localhost\n{address} {name}\n")
    say(f"[{uptime():12.6f}] Linux {os.uname().release}, {instance}, {name}")
    awaited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, *STOPS}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    threading.Thread(target=sysrq, daemon=True).start()
    running = {}
    threading.Thread(target=boot, args=(instance, running), daemon=True).start()
    while True:
        number = signal.sigwait(awaited)
        if number in STOPS:
            stop(STOPS[number])
        elif number == signal.SIGCHLD:
            reap(running)


main()
