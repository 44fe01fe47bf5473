"""Health of an agent or a mailer: it tells its beat to NOTIFY_SOCKET, as it would tell systemd; this listens for one."""

import os
import socket
import sys

path = os.environ["NOTIFY_SOCKET"]
if os.path.exists(path):
    os.unlink(path)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
    line.bind(path)
    line.settimeout(float(sys.argv[1]))
    try:
        while b"WATCHDOG=1" not in line.recv(4096):
            pass
    except TimeoutError:
        sys.exit(f"no beat within {sys.argv[1]} s")
    finally:
        os.unlink(path)
