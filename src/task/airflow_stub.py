# A try's own process where the warm Airflow (airflow_warm.py) does the work: it hands over its output and its
# environment, and waits for the exit code. Without a warm one it becomes a cold one.
#
#   stub SOCKET JOB PARTS: SOCKET's folder also has the lock of the warm one that is about to come.
import os
import signal
import sys
import time

import _socket

socket_path, job, helper = sys.argv[1:]
WAIT_SECONDS = 60  # for a warm one that says it is coming


def coming():
    import fcntl
    try:
        lock = os.open(socket_path + ".lock", os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    os.close(lock)
    return False


def connected():
    until, patience = time.monotonic() + WAIT_SECONDS, time.monotonic() + 1
    folder = os.open(os.path.dirname(socket_path), os.O_PATH)  # names of sockets are short
    while time.monotonic() < until:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(socket_path)}")
            return sock
        except OSError:
            sock.close()
        if time.monotonic() > patience and not coming():
            return None
        time.sleep(0.02)
    return None


warm = connected()
if warm is None:
    os.execv(sys.executable, [sys.executable, "-u", "-c", helper, "run", job])
signal.signal(signal.SIGTERM, lambda *_: warm.send(b"T"))
fields = [os.fsencode(job), b"%d" % os.getpid(), *(name + b"=" + value for name, value in os.environb.items())]
request = b"\0".join(fields)
message = len(request).to_bytes(4, "big") + request
sent = warm.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, (1).to_bytes(4, sys.byteorder))])
while sent < len(message):
    sent += warm.send(message[sent:])
code = warm.recv(1)
if not code:
    print("the process of the task was killed", flush=True)
os._exit(code[0] if code else 1)
