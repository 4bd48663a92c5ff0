"""Waits until an HTTP server answers, or its process has ended."""
import http.client
import sys
import time

host, port, process = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
give_up = time.monotonic() + 60
while time.monotonic() < give_up:
    try:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        connection.request("PROPFIND", "/")
        # Without a password it answers 401; another server would not.
        sys.exit(0 if connection.getresponse().status == 401 else 1)
    except OSError:
        time.sleep(0.1)
    # Who has ended stays listed until the shell looks: as a zombie.
    try:
        with open(f"/proc/{process}/stat") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                sys.exit(1)
    except FileNotFoundError:
        sys.exit(1)
sys.exit(1)
