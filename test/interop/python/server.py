"""A server of Python streamback, which tells what it handles."""

import ctypes
import sys
import time

from streamback import Callback, Streamback

from lines import tell

name, streams = sys.argv[1:3]
topics = sys.argv[3].split(",") if len(sys.argv) > 3 else None


class EndWithParent(Callback):
    """Workers outlive a parent that is killed: not those of a test."""

    def on_fork(self):
        ctypes.CDLL(None).prctl(1, 9)


streamback = Streamback(name, streams=streams, topics=topics, log_level="ERROR", pool_concurrency=[[0, 1]])
streamback.add_callback(EndWithParent())


def seen(message, **more):
    value = message.value
    tell(type="seen", topic=message.topic, key=message.key.decode() if message.key else None,
         id=value.get("id") if isinstance(value, dict) else None, partition=message.kafka_message.partition(), **more)


@streamback.listen("echo")
def echo(context, message):
    message.respond(message.value)


@streamback.listen("count")
def count(context, message):
    for n in range(message.value["count"]):
        message.respond({"id": n})


@streamback.listen("fail")
def fail(context, message):
    for n in range(message.value["after"]):
        message.respond(n)
    raise ValueError("boom ü")


@streamback.listen("silent")
def silent(context, message):
    pass


@streamback.listen("slow")
def slow(context, message):
    time.sleep(message.value["seconds"])
    message.respond("late")


@streamback.listen("numbers")
def numbers(context, message):
    message.respond({"nan": float("nan"), "up": float("inf"), "down": float("-inf"), "text": "NaN Infinity"})
    message.respond({"safe": 2 ** 53 - 1, "unsafe": 2 ** 53 + 1, "huge": -(10 ** 30), "float": 1e300, "half": 0.5})


@streamback.listen("several")
def first_of_several(context, message):
    message.respond("first")


@streamback.listen("several")
def second_of_several(context, message):
    message.respond("second")


@streamback.listen("several")
def third_of_several(context, message):
    raise KeyError("third failed")


@streamback.listen("event")
def event(context, message):
    seen(message)


@streamback.listen("keyed")
def keyed(context, message):
    seen(message)
    message.respond({"id": message.value["id"], "partition": message.kafka_message.partition(), "by": "python"})


@streamback.listen("whole")
def whole(context, message):
    message.respond(message.payload)


streamback.start()
