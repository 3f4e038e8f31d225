"""A service of Python streamback: answers with the words of a text, one by one."""

import sys

from streamback import Streamback

service = Streamback("python-words", streams=sys.argv[1], log_level="ERROR")


@service.listen("sample.python.words")
def words(context, message):
    for word in message.value["text"].split():
        message.respond(word)


service.start()
