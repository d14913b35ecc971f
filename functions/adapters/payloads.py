"""How the ledger keeps an event: what its item does not say already, deflated against what such events have in common.

DynamoDB bills a write for each KB begun and storage for each GB and month, and most of it is what came: an order of 10 KB is
kept in 0.8 KB so, instead of 2.5. A dictionary is a text at whose places deflate points instead of repeating them; a zlib
stream names it by its checksum. Each stands in a file of that name, which never changes: what was deflated with it can be
read as long as the file is there. The body of another event of the entity can stand behind it (`like`): where a provider tells
one change by several topics, all but the first are kept in 0.2 KB.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from adapters.moments import moment_of
from hub.events import Event, from_json, timestamp_version, to_json

DICTIONARIES = Path(__file__).with_name("dictionaries")
CURRENT = "6af1e53b"  # what new events are deflated with; `python -m benchmarks.dictionary` made it
LEVEL, STRATEGY = 9, zlib.Z_FILTERED  # 0.3 ms for an order of 10 KB, and 5 % less to keep than with zlib's defaults
WINDOW_BYTES = 32_768  # deflate looks back no further
HAS_DICTIONARY = 0x20  # in a zlib stream's second byte; the checksum follows then (RFC 1950)
BASE, DICTIONARY = "payload_like", "payload_with"  # see kept_like
PARTS = "payload_parts"  # the attribute of an item whose payload goes on in others: how many hold it


def pack(event: Event, like: bytes = b"") -> bytes:
    """An event: a line with what its item in the ledger does not say of it, then its body as it came. Where its body is
    much like another one, that one is part of the dictionary."""
    known = _told(event.subject, event.id, event.type, event.received_at.isoformat())
    says = json.loads(to_json(replace(event, data=b"")))
    line = json.dumps({name: value for name, value in says.items() if known.get(name) != value}, separators=(",", ":"))
    stream = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS, strategy=STRATEGY, zdict=_beside(CURRENT, like))
    return stream.compress(f"{line}\n".encode() + event.data) + stream.flush()


def unpack(packed: bytes, item: Mapping[str, Any], like: bytes = b"") -> Event:
    """The event of an item of the ledger, whose payload may have been in parts; `like` is the body that was part of its
    dictionary. Without a dictionary, it is a whole message of the queue, as it was kept formerly. Raises ValueError or
    zlib.error for what is incomplete."""
    if not packed[1] & HAS_DICTIONARY:
        return from_json(zlib.decompress(packed).decode())
    named = item[DICTIONARY]["S"] if DICTIONARY in item else packed[2:6].hex()
    stream = zlib.decompressobj(zdict=_beside(named, like))
    line, _, body = stream.decompress(packed).partition(b"\n")
    if not stream.eof:
        raise ValueError("a payload breaks off: one of its parts is missing")
    event_id = item["record"]["S"].partition("#")[2]
    known = _told(item["entity"]["S"], event_id, item["type"]["S"], moment_of(item["received_at"]).isoformat())
    message = known | json.loads(line)
    return replace(from_json(json.dumps(message)), data=body)


def kept_like(base: Event) -> Mapping[str, Any]:
    """The attributes of an item whose payload was packed `like` the body of another event of its entity and flow."""
    return {BASE: {"S": base.id}, DICTIONARY: {"S": CURRENT}}


def base_of(item: Mapping[str, Any]) -> str:
    """The id of the event whose body this item's payload was packed `like`; "" for none."""
    return str(item[BASE]["S"]) if BASE in item else ""


def parts_of(item: Mapping[str, Any]) -> int:
    """How many items hold the payload of this one."""
    return int(item[PARTS]["N"]) if PARTS in item else 1


def _told(subject: str, event_id: str, kind: str, received_at: str) -> dict[str, str]:
    """What an item says of a message. A message of which this is not true says so itself, which counts."""
    source = f"/integrations/{subject.partition('/')[0]}"
    told = {"specversion": "1.0", "id": event_id, "source": source, "type": kind, "subject": subject}
    return told | {"receivedat": timestamp_version(received_at)}


def _beside(checksum: str, like: bytes) -> bytes:
    """A dictionary, and behind it, where deflate finds it nearest, a body."""
    return (_dictionary(checksum) + like)[-WINDOW_BYTES:]


@cache
def _dictionary(checksum: str) -> bytes:
    return (DICTIONARIES / f"{checksum}.txt").read_bytes()
