"""Asks each 25 ms, over a new connection, until there is a file: `probe.py PORT FILE`.

A line for each: the answer's status or why there was none, the time, and the milliseconds it took.
"""

import http.client
import sys
import time
from pathlib import Path

EVERY_S = 0.025
PATIENCE_S = 5

port, enough = int(sys.argv[1]), Path(sys.argv[2])
due = time.monotonic()
while not enough.exists():
    asked = time.monotonic()
    door = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        door.request("GET", "/healthz")
        answer = str(door.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        answer = type(error).__name__
    door.close()
    now = time.monotonic()
    sys.stdout.write(f"{answer} {time.strftime('%T')} {(now - asked) * 1000:.0f}\n")
    sys.stdout.flush()
    due = max(due + EVERY_S, now)
    time.sleep(due - now)
