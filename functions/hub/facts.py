"""What a verified delivery states: one fact per entity, each with an id that is the same on every redelivery.

Where the provider says what stands in its manifest as expressions:

    "header:X-Topic"   "query:name"   "form:MessageSid"   "body:data.object.id"   "item:id"   "text:order"

`body` is the JSON of the whole delivery, `item` that of one fact where the manifest names a list. Alternatives are
separated by "|"; the first that is there counts. An id has several expressions, which are joined.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined] # C's, if it is there
from typing import TYPE_CHECKING, Any

from hub.errors import MalformedBody, MalformedHeader
from hub.events import integer_version, parse_instant, timestamp_version
from hub.webhook_spec import Topic, VersionKind, WebhookSpec

if TYPE_CHECKING:  # listings use this file too, and meet no delivery
    from hub.deliveries import Delivery

PRINTABLE = re.compile(r"[!-+\--~]{1,200}")  # no comma: API Gateway joins a header that came twice with one
MAX_NAME_CHARS = 200  # of 4 bytes at most: the entity is a key of the ledger, and DynamoDB takes 2,048 bytes
SOURCES = ("header", "query", "form", "body", "item", "text")  # what an expression can name before its colon
UNREADABLE = "unreadable"  # the entity type of a verified body that names no entity
NO_TOPIC = "unnamed"  # the topic of a fact that names none
PLACE = re.compile(r"^[0-9]+$")
JSON = "application/json"
# what was parsed from JSON holds no circles; to look for them takes twice as long as all the rest
CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False)
# what CANONICAL makes for each text anew, made once: a third less time
_PARTS: Any = c_make_encoder and c_make_encoder(
    None, CANONICAL.default, encode_basestring, None, ":", ",", True, False, True
)
NO_VERSION = "unreadable"  # what `version_of` makes of a value that is none, and `fact_of` of it a fact without version


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a delivery states about one entity."""

    topic: str
    event_id: str
    entity: str
    entity_id: str
    version: str
    time: datetime | None
    data: bytes
    content_type: str
    version_unreadable: bool = False  # it was stated, but not as the manifest says: `version` is "" then


@dataclass(frozen=True, slots=True)
class Stated:
    """A delivery as expressions see it: with its JSON, and the item that is being read."""

    delivery: Delivery
    body: Any
    item: Any

    def text(self, expression: str) -> str:
        """What the first alternative of an expression that is there says, as text; "" where none is."""
        value = self.value(expression)
        if isinstance(value, bool) or not isinstance(
            value, str | int
        ):  # no provider's id is a fraction, NaN or infinite
            return ""
        return str(value).strip()

    def value(self, expression: str) -> Any:
        """The same, as JSON has it; None where it is not there."""
        for alternative in expression.split("|"):
            kind, _, name = alternative.partition(":")
            value = self._one(kind, name)
            if value not in (None, ""):
                return value
        return None

    def _one(self, kind: str, name: str) -> Any:
        if kind == "header":
            return self.delivery.header(name) if self.delivery.has_header(name) else None
        if kind == "query":
            return self.delivery.query_value(name)
        if kind == "form":
            return dict(self.delivery.form()).get(name)  # the last of several, as web frameworks read it
        if kind == "text":
            return name
        return at(self.item if kind == "item" else self.body, name)


def facts_of(delivery: Delivery, spec: WebhookSpec, topics: Mapping[str, Topic]) -> list[Fact]:
    """The facts that a verified delivery states, as its manifest says where to look; never none.

    Raises MalformedHeader where a header that names the topic or the id cannot be the provider's. A body that cannot
    be read is one fact about itself: it was signed, so a person must see it.
    """
    body = json_of(delivery, spec.facts.form_json)
    if not spec.facts.items:
        return [_fact(Stated(delivery, body, body), spec, topics, delivery.body)]
    found = items_of(body, spec.facts.items)
    if not found:
        return [_fact(Stated(delivery, body, None), spec, topics, delivery.body)]
    return [_fact(Stated(delivery, body, item), spec, topics, canonical(item)) for item in found]


def json_of(delivery: Delivery, form_json: str = "") -> Any:
    """The JSON of a body, or of the form field `form_json` where the body is a form; None where it is none."""
    text: bytes | str = delivery.body
    if form_json and "form" in delivery.optional_header("content-type"):
        text = next((value for key, value in delivery.form() if key == form_json), "")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def items_of(body: Any, path: str) -> list[Any]:
    """All that a path with lists leads to: "value[]", "notificationItems[].NotificationRequestItem"."""
    found = [body]
    for part in path.split("."):
        name, is_list = part.removesuffix("[]"), part.endswith("[]")
        found = [at(each, name) if name else each for each in found]
        if is_list:
            found = [item for each in found if isinstance(each, list) for item in each]
    return [each for each in found if each is not None]


def at(content: Any, path: str) -> Any:
    """What stands at a dotted path; a number names a place in a list. None where nothing is."""
    if isinstance(content, dict) and "." not in path:
        return content.get(path)
    for part in path.split("."):
        if isinstance(content, dict):
            content = content.get(part)
        elif isinstance(content, list) and PLACE.match(part) and int(part) < len(content):
            content = content[int(part)]
        else:
            return None
    return content


def canonical(item: Any) -> bytes:
    """One item of a delivery as JSON of its own, the same however the provider's text was spaced; raises MalformedBody
    for one that is nested too deep to be written, as no provider's is."""
    try:
        text = "".join(_PARTS(item, 0)) if _PARTS else CANONICAL.encode(item)
    except RecursionError as error:
        raise MalformedBody("nested too deep") from error
    return text.encode("utf-8", "surrogatepass")


def hashed_id(*parts: bytes) -> str:
    """A stable id for a fact that has none of its own: the same bytes under the same topic are the same fact."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return "sha256-" + digest.hexdigest()


def fact_of(
    topic: str,
    ids: Sequence[str],
    entity: str,
    entity_id: str,
    data: bytes,
    *,
    version: str = "",
    time: datetime | None = None,
    content_type: str = JSON,
) -> Fact:
    """A fact that a connector's own code has read, with names that the hub can work with: a topic that is none becomes
    `unnamed`, an id that has no parts the hash of the fact, and an entity without an id is the unreadable `data` itself.
    """
    name = topic if PRINTABLE.fullmatch(topic) else NO_TOPIC
    kind, key = _entity_id(entity) or "other", _entity_id(entity_id)
    if not key:
        kind, key = UNREADABLE, hashlib.sha256(data).hexdigest()[:32]
    event_id = _joined(ids, data) or hashed_id(name.encode(), data)
    readable = content_type if content_type.isascii() and content_type.isprintable() else ""
    unreadable = version == NO_VERSION
    return Fact(name, event_id, kind, key, "" if unreadable else version, time, data, readable, unreadable)


def whole(delivery: Delivery, topic: str = "") -> Fact:
    """The one fact that a verified delivery states which cannot be read: a person must see it."""
    return fact_of(topic, (), "", "", delivery.body, content_type=delivery.optional_header("content-type"))


def version_of(value: Any, kind: VersionKind) -> str:
    """A version as text whose order is time order; "" where none is stated, NO_VERSION for one that cannot be read."""
    if value is None or value == "":
        return ""
    try:
        if kind == "timestamp" and isinstance(value, str):
            return timestamp_version(value)
        if kind == "integer" and _is_whole(value):
            return integer_version(int(value))
        if kind == "unix_seconds" and _is_whole(value):
            return timestamp_version(datetime.fromtimestamp(int(value), UTC).isoformat())
        if kind == "unix_milliseconds" and _is_whole(value):
            return timestamp_version(datetime.fromtimestamp(int(value) / 1000, UTC).isoformat())
    except (ValueError, OverflowError, OSError):
        pass
    return NO_VERSION


def time_of(value: Any) -> datetime | None:
    """A provider's clock: RFC 3339, or Unix seconds or milliseconds; None for one that cannot be read."""
    try:
        if _is_whole(value):
            number = int(value)
            return datetime.fromtimestamp(number / 1000 if number > 100_000_000_000 else number, UTC)
        return parse_instant(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit())


def _fact(stated: Stated, spec: WebhookSpec, topics: Mapping[str, Topic], data: bytes) -> Fact:
    where = spec.facts
    name = _name(stated, where.topic) or NO_TOPIC
    topic = topics.get(name) or Topic(name)
    return fact_of(
        name,
        _ids(stated, where.event_id),
        stated.text(_as_text(topic.entity) or where.entity),
        stated.text(topic.entity_id or where.entity_id),
        data,
        version=_version(
            stated, topic.entity_version or where.entity_version, topic.version_kind or where.version_kind
        ),
        time=time_of(stated.value(where.time)) if where.time else None,
        content_type=stated.delivery.optional_header("content-type") if data is stated.delivery.body else JSON,
    )


def _as_text(entity: str) -> str:
    """A topic's entity is a word or an expression."""
    return entity if not entity or ":" in entity else f"text:{entity}"


def _version(stated: Stated, expression: str, kind: VersionKind) -> str:
    return version_of(stated.value(expression), kind) if expression else ""


def _name(stated: Stated, expression: str) -> str:
    if _is_header(expression):
        return _printable_header(stated, expression)
    name = stated.text(expression) if expression else ""
    return name if PRINTABLE.fullmatch(name) else ""


def _ids(stated: Stated, expressions: Sequence[str]) -> list[str]:
    if len(expressions) == 1 and _is_header(expressions[0]):
        return [_printable_header(stated, expressions[0])]
    return [stated.text(expression) for expression in expressions]


def _joined(parts: Sequence[str], data: bytes) -> str:
    """An id of several parts, told apart by colons; "" where there is none of them.

    Where a part is missing the others may be those of another fact, too, so that the fact's own bytes count as well.
    """
    if not any(parts):
        return ""
    *others, last = parts
    joined = ":".join([*(each.replace("%", "%25").replace(":", "%3A") for each in others), last])
    if all(parts) and PRINTABLE.fullmatch(joined):
        return joined
    told = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashed_id(*told) if all(parts) else hashed_id(*told, data)


def _is_header(expression: str) -> bool:
    """Whether an expression is a header that the provider always sends: it has no alternative."""
    return expression.startswith("header:") and "|" not in expression


def _printable_header(stated: Stated, expression: str) -> str:
    header = expression.removeprefix("header:")
    value = stated.delivery.header(header)
    if not PRINTABLE.fullmatch(value):
        raise MalformedHeader(f"header {header} is not 1 to 200 printable ASCII characters without a comma")
    return value


def _entity_id(text: str) -> str:
    return text if text and len(text) <= MAX_NAME_CHARS and text.isprintable() else ""
