"""Takes messages off a Redis list: one at least, none lost, in the list's order."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.redis.settings import StreamSettings
from hub.connector import Commands, Reach
from hub.drain import Message
from hub.errors import Refused, Unreadable
from hub.events import Event, integer_version
from hub.facts import UNREADABLE, at
from hub.records import Record, TableRow
from hub.streams import MAX_KEY_CHARS, Row, Stream

# Moves up to ARGV[1] messages and gives each a number. One step for the server: it happens whole or not at all. The first
# number is the time in microseconds, so that one is never given again, even where the counter was lost.
TAKE = """
local pop = ARGV[2] == 'right' and 'RPOP' or 'LPOP'
for _ = 1, tonumber(ARGV[1]) do
  local message = redis.call(pop, KEYS[1])
  if not message then break end
  local number = redis.call('INCR', KEYS[3])
  if number == 1 then
    local time = redis.call('TIME')
    number = tonumber(time[1]) * 1000000 + tonumber(time[2])
    redis.call('SET', KEYS[3], string.format('%.0f', number))
  end
  redis.call('RPUSH', KEYS[2], string.format('%.0f', number) .. ':' .. message)
end
return redis.call('LRANGE', KEYS[2], 0, tonumber(ARGV[1]) - 1)
"""
# Removes exactly these messages.
LET_GO = """
for _, each in ipairs(ARGV) do
  redis.call('LREM', KEYS[1], 1, each)
end
"""
PLAIN_ID_CHARS = 100


def messages(stream: Stream, settings: Mapping[str, Any], reach: Reach) -> "RedisList":
    """A list as the stream's settings state it."""
    return RedisList(stream, StreamSettings(**settings), reach.client())


def read(event: Event, kind: str) -> Record:  # noqa: ARG001 - the name that Read gives it
    """A message; raises Unreadable where it is no JSON object with the key that the settings name."""
    if event.subject.split("/", 2)[1] == UNREADABLE:
        raise Unreadable("the message is no JSON object, or has nothing where the stream's setting `key` says")
    fields = json.loads(event.data, parse_float=Decimal)
    return TableRow(stream=event.type.partition(".")[2], key=event.subject.split("/", 2)[2], fields=fields)


def probe(commands: Commands) -> None:
    """Whether it serves; raises what a call raises."""
    commands.call("PING")


class RedisList:
    """A list as Messages."""

    def __init__(self, stream: Stream, settings: StreamSettings, commands: Commands) -> None:
        self._stream, self._settings, self._commands = stream, settings, commands
        # the same hash tag puts them into the slot of the list on a cluster
        tag = settings.list if "{" in settings.list else f"{{{settings.list}}}"
        self._processing = f"{tag}:hub:{stream.integration}:processing"
        self._counter = f"{tag}:hub:{stream.integration}:number"

    def take(self) -> Sequence[Message]:
        """What a dead run has left, else the next messages."""
        left = self._commands.call("LRANGE", self._processing, 0, self._settings.size - 1)
        if not left:
            keys = (self._settings.list, self._processing, self._counter)
            left = self._commands.call("EVAL", TAKE, 3, *keys, self._settings.size, self._settings.take)
        if not isinstance(left, list):
            raise Refused(f"{self._stream.path}: the server's answer is no list")
        return [self._message(entry) for entry in left]

    def let_go(self, taken: Sequence[Message]) -> None:
        """Remove exactly these, whatever another run does."""
        if taken:
            self._commands.call("EVAL", LET_GO, 1, self._processing, *(message.token for message in taken))

    def _message(self, entry: bytes) -> Message:
        number, _, body = entry.partition(b":")
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        settings, version = self._settings, integer_version(int(number))
        if not isinstance(content, dict):
            key = ""
        elif settings.key:
            key = _text(at(content, settings.key))
        else:
            key = version  # each message is an entity of its own
        own = _text(at(content, settings.message_id)) if settings.message_id and isinstance(content, dict) else ""
        return Message(Row(key, version, body), _event_id(own), entry)


def _text(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= MAX_KEY_CHARS and text.isprintable() else ""


def _event_id(own: str) -> str:
    plain = own.isascii() and len(own) <= PLAIN_ID_CHARS
    return own if plain else hashlib.blake2b(own.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
