"""A client of Python streamback: does what it is told, each in a thread of its own, and tells what came of it."""

import json
import sys
import threading

from streamback import Streamback

from lines import hear, tell

name, streams = sys.argv[1:3]
streamback = Streamback(name, streams=streams, log_level="ERROR")
streamback.initialize_streams()


def value_of(command):
    # What JSON cannot carry to here is written as Python.
    return eval(command["expression"]) if "expression" in command else command.get("value")


def send(command):
    return streamback.send(command["topic"], value_of(command), key=command.get("key"), flush=command.get("flush", False))


def lane_of(command):
    return streamback.continue_stream(command["feedback_topic"]) if "feedback_topic" in command else send(command)


def do(command):
    what = command["do"]
    if what == "send":
        return send(command).feedback_topic
    lane = lane_of(command)
    group, timeout = command.get("from_group"), command.get("timeout", 20)
    if what == "read":
        return lane.read(group, timeout=timeout)
    if what == "stream":
        return list(lane.stream(group, timeout=timeout))
    if what == "payloads":
        return [message.payload for message in lane.stream_messages(group, timeout=timeout)]
    raise ValueError(what)


def answer(command):
    try:
        # As text: a NaN among it would be no JSON to the reader.
        tell(type="answer", number=command["number"], json=json.dumps(do(command)))
    except Exception as error:
        tell(type="answer", number=command["number"], error=type(error).__name__, text=str(getattr(error, "error", error)))


tell(type="ready")
for each in hear():
    if each["do"] == "flush":
        streamback.flush()
        tell(type="answer", number=each["number"], json="null")
    else:
        threading.Thread(target=answer, args=(each,), daemon=True).start()
