"""A client of Python streamback: asks the Nest service, and prints each answer."""

import sys

from streamback import Streamback

client = Streamback("python-caller", streams=sys.argv[1], log_level="ERROR")
client.initialize_streams()
for answer in client.send("sample.nest.shout", {"words": ["from", "python"]}).stream("nest-shouting", timeout=20):
    print("python got", answer, flush=True)
