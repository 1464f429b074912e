#!/usr/bin/python3 -IS
"""poweroff, halt, reboot, shutdown and systemctl of a machine without systemd: they ask pid 1, or with -f the kernel."""
import ctypes
import os
import signal
import sys
import time

# As systemd's init understands them.
SIGNALS = {"halt": signal.SIGRTMIN + 3, "poweroff": signal.SIGRTMIN + 4, "reboot": signal.SIGRTMIN + 5}
# reboot(2), which inside a pid namespace ends only that namespace.
COMMANDS = {"halt": 0xCDEF0123, "poweroff": 0x4321FEDC, "reboot": 0x01234567}
SCHEDULED = "/run/shutdown.pid"


def refuse(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def force(action):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.reboot(ctypes.c_int(COMMANDS[action] - (1 << 32) if COMMANDS[action] >> 31 else COMMANDS[action])) != 0:
        refuse(f"Failed to {action}: {os.strerror(ctypes.get_errno())}")


def ask(action):
    try:
        os.kill(1, SIGNALS[action])
    except PermissionError:
        refuse(f"Failed to {action}: Interactive authentication required.")


def cancel():
    try:
        with open(SCHEDULED) as file:
            os.kill(int(file.read()), signal.SIGKILL)
        os.unlink(SCHEDULED)
    except (OSError, ValueError):
        pass


def schedule(action, seconds):
    """Waits in the background, as the real one does."""
    if os.geteuid() != 0:
        refuse(f"Failed to {action}: Interactive authentication required.")
    cancel()
    if os.fork() != 0:
        return
    os.setsid()
    with open(SCHEDULED, "w") as file:
        file.write(str(os.getpid()))
    nothing = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    time.sleep(seconds)
    ask(action)


def shutdown(arguments):
    action, when = "poweroff", None
    for argument in arguments:
        if argument in ("-c",):
            return cancel()
        if argument in ("-h", "-P", "--poweroff", "-H", "--halt"):
            action = "halt" if argument in ("-H", "--halt") else "poweroff"
        elif argument in ("-r", "--reboot"):
            action = "reboot"
        elif not argument.startswith("-") and when is None:
            when = argument
    when = when or "+1"
    if when in ("now", "+0", "0"):
        return ask(action)
    if when.startswith("+") and when[1:].isdigit():
        return schedule(action, 60 * int(when[1:]))
    refuse(f"Cannot shut down at {when}: this machine knows only now and +minutes")


def main():
    name = os.path.basename(sys.argv[0])
    arguments = sys.argv[1:]
    if name == "systemctl":
        name = next((one for one in arguments if not one.startswith("-")), "")
        if name not in SIGNALS:
            refuse("System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down")
    if name == "shutdown":
        return shutdown(arguments)
    if any(one in ("-f", "-ff", "--force") for one in arguments):
        return force(name)
    ask(name)


main()
