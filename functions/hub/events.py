"""The envelope: one verified fact about one entity, as it travels on a queue (CloudEvents 1.0 attributes)."""

import base64
import hashlib
import json
import re
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

SQS_MESSAGE_BYTES = 1_048_576  # as measured: 1 MiB + 1 byte is refused
MAX_MESSAGE_BYTES = SQS_MESSAGE_BYTES - 16_384  # the rest is for what a dead letter or a replay adds to the message
COMPRESS_ABOVE_BYTES = 4_096  # below this the base64 of the compressed body is hardly ever the shorter one
REFUSED_BY_SQS = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}  # in a message; as JSON escapes they pass
TO_THE_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")
MESSAGE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)  # of texts alone
MAX_QUEUE_KEY_CHARS = 128  # SQS: MessageGroupId and MessageDeduplicationId


@dataclass(slots=True, unsafe_hash=True)  # made for each row that is read: frozen would take four times as long
class Event:
    """A CloudEvents 1.0 event, not to be changed. `data` are the bytes that the provider signed, untouched."""

    id: str
    source: str  # "/integrations/shop-eu"
    type: str  # "shopify.orders/create"
    subject: str  # "shop-eu/order/820982911946154508"
    time: datetime | None  # the provider's clock
    received_at: datetime
    entity_version: str  # monotonic per entity, comparable as text; "" if the provider states none
    content_type: str
    data: bytes
    traceparent: str | None = None
    replay_of: str | None = None
    waited_seconds: float = 0.0  # parked until now; known to who applies it, and not sent along
    data_ref: str = ""  # where `data` is kept, if it was too large for the queue (claim check); `data` is then empty

    @property
    def integration(self) -> str:
        """The name of the integration that the event came from."""
        return self.source.rsplit("/", 1)[-1]

    def replayed(self, at: datetime) -> "Event":
        """The same fact, sent again: its identity stays. It is younger than it was, also by a clock that is behind."""
        return replace(self, received_at=max(at, self.received_at + timedelta(microseconds=1)), replay_of=self.id)


def to_json(event: Event, body_at: str = "") -> str:
    """Write `event` as one queue message: the body as text, or deflated and in base64 where that is shorter; or, where
    it is kept elsewhere, the reference `body_at` alone."""
    reference = body_at or event.data_ref
    encoding, data = (None, None) if reference else _encoded(event.data)
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": _instant(event.time) if event.time else None,
        "datacontenttype": event.content_type or None,
        "receivedat": _instant(event.received_at),
        "entityversion": event.entity_version or None,
        "traceparent": event.traceparent,
        "replayof": event.replay_of,
        "dataref": reference or None,
        "dataencoding": encoding,
        "data": data,
    }
    present = {name: value for name, value in attributes.items() if value is not None}
    message = MESSAGE.encode(present)
    if message.isascii() or not any(chr(each) in message for each in REFUSED_BY_SQS):
        return message  # to translate takes longer than all the rest
    return message.translate(REFUSED_BY_SQS)


def from_json(message: str) -> Event:
    """Read a queue message back; raises ValueError for a message that `to_json` did not write."""
    try:
        return _event(json.loads(message))
    except (KeyError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise ValueError(f"not an event of the hub: {type(error).__name__}") from error


def _event(attributes: dict[str, Any]) -> Event:
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes["subject"],
        time=parse_instant(attributes["time"]) if "time" in attributes else None,
        received_at=parse_instant(attributes["receivedat"]),
        entity_version=attributes.get("entityversion", ""),
        content_type=attributes.get("datacontenttype", ""),
        data=b"" if "dataref" in attributes else _decoded(attributes["dataencoding"], attributes["data"]),
        traceparent=attributes.get("traceparent"),
        replay_of=attributes.get("replayof"),
        data_ref=attributes.get("dataref", ""),
    )


def queue_key(text: str) -> str:
    """`text` if SQS takes it as a group or deduplication id, else its SHA-256: short, stable, collision-free."""
    fits = 0 < len(text) <= MAX_QUEUE_KEY_CHARS and all("!" <= character <= "~" for character in text)
    return text if fits else "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 time with its offset, as UTC; raises ValueError for a time without zone.

    Shopify writes nanoseconds (`2026-01-01T00:04:58.123456789Z`); what is finer than a microsecond is cut off.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError("a time without zone cannot be ordered")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time outside the years 1 to 9999") from error


def timestamp_version(text: str) -> str:
    """A provider's time as an entity version: UTC to the microsecond, so that text order is time order."""
    if TO_THE_SECOND.fullmatch(text):  # most are written so, and of a source's rows all: four times as fast
        datetime.fromisoformat(text)
        return f"{text[:19]}.000000Z"
    return _instant(parse_instant(text))


def integer_version(number: int) -> str:
    """A provider's sequence number as an entity version: padded, so that text order is number order."""
    if not 0 <= number < 10**20:
        raise ValueError("a sequence number below zero or of more than 20 digits")
    return f"{number:020d}"


def _instant(moment: datetime) -> str:
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _encoded(body: bytes) -> tuple[str, str]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is not None and len(body) <= COMPRESS_ABOVE_BYTES:
        return "text", text
    deflated = base64.b64encode(zlib.compress(body, 1)).decode("ascii")
    if text is not None and len(body) <= len(deflated):
        return "text", text
    plain = base64.b64encode(body).decode("ascii")
    return ("base64", plain) if len(plain) <= len(deflated) else ("deflate", deflated)


def _decoded(encoding: str, data: str) -> bytes:
    if encoding == "text":
        return data.encode("utf-8")
    raw = base64.b64decode(data, validate=True)
    if encoding == "base64":
        return raw
    if encoding == "deflate":
        return zlib.decompress(raw)
    raise ValueError(f"unknown dataencoding {encoding!r}")
