"""`python -m tests.load.reader URL`: ask again and again until the input ends, then print what came, as JSON lines.

It is a process of its own, so that what a client of hundreds of connections does with its one thread is not counted.
"""

import http.client
import select
import sys
import time
from json import dumps
from urllib.parse import urlsplit

from tests.load.client import NO_ANSWER, PATIENCE_SECONDS
from tests.load.pace import slowness

PAUSE_SECONDS = 0.02
ASKED_BETWEEN = 20
"""Requests between two measurements of how slow the machine is."""


def main(url: str) -> None:
    reads, paces = [read(url)], [slowness()]
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        reads.append(read(url))
        if len(reads) % ASKED_BETWEEN == 0:
            paces.append(slowness())
    for status, began, ended in reads[1:]:
        print(dumps({"status": status, "began": began, "ended": ended}))
    print(dumps({"slowness": sum(paces) / len(paces)}))


def read(url: str) -> tuple[int, float, float]:
    """Status, and the machine's monotonic clock before and after, in seconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)
    began = time.monotonic()
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException):
        status = NO_ANSWER
    finally:
        connection.close()
    return status, began, time.monotonic()


if __name__ == "__main__":
    main(sys.argv[1])
