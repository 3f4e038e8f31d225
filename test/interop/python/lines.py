"""Talks to the test that started this program: one JSON object a line, on file descriptor 3 there and on standard input here."""

import json
import os
import sys


def tell(**message):
    # One write of a short line: the processes that Python streamback forks share the descriptor.
    os.write(3, (json.dumps(message) + "\n").encode("utf-8"))


def hear():
    for line in sys.stdin:
        yield json.loads(line)
