#!/usr/bin/env python3
"""A client of the stack: asker.py URL PER_SECOND. Plain Python, for any container.

It asks anew at each tick, whatever became of the last question, and looks the name up
each time. A line of standard output for each answer: when it was asked and answered,
and which version that was; empty for none. It ends with its standard input.
"""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

WITHIN = 10  # s


def main(url: str, per_second: float) -> None:
    at, over = urlsplit(url), threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    said = threading.Lock()

    def ask() -> None:
        began, version = time.time(), ""
        asking = http.client.HTTPConnection(at.hostname or "", at.port, timeout=WITHIN)
        try:
            asking.request("GET", at.path)
            answer = asking.getresponse()
            body = answer.read()
            version = json.loads(body)["version"] if answer.status == 200 else ""
        except (OSError, http.client.HTTPException, ValueError):
            pass
        finally:
            asking.close()
        with said:
            print(json.dumps([began, time.time(), version]), flush=True)

    asked: list[threading.Thread] = []
    due = time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        due += 1 / per_second
        asked = [one for one in asked if one.is_alive()]
        asked.append(threading.Thread(target=ask, daemon=True))
        asked[-1].start()
    for one in asked:
        one.join(WITHIN + 1)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
