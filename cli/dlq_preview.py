"""What sending dead letters again would change: each is read as its flow reads it, and held against its destination now."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from adapters.dynamodb import DynamoLedger
from adapters.reaching import client_of
from adapters.s3 import S3Bodies
from adapters.secrets import IntegrationSecrets
from cli.dlq import book_of
from cli.stage import Stage
from connectors import connector_module, has_code
from hub import names
from hub.connector import Comparable, Difference, NotWanted, Standing
from hub.dead_letter import Letter
from hub.dead_letter_redrive import again
from hub.errors import BodyUnavailable, NotConfigured, Permanent
from hub.events import Event
from infra.actions import declared_records, url_of
from infra.ownership import divided

if TYPE_CHECKING:
    from hub.records import Record

TIMEOUT_SECONDS = 30.0
DELETION = "deletion"
COLOURS = {"creates": "green", "changes": "yellow", "nothing": "dim", "dies": "red", "unknown": "cyan"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What sending one letter again would do. `effect`: it creates a document, changes one, does nothing (it ends as stale,
    ignored or unchanged), dies again, or nobody can tell; `why` says so in words."""

    letter: Letter
    effect: str
    why: str = ""
    document: str = ""
    differences: Sequence[Difference] = ()

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "flow": self.letter.flow,
            "entity": self.letter.subject,
            "event_id": self.letter.event_id,
            "effect": self.effect,
            "why": self.why,
            "document": self.document,
            "differences": [
                {"field": each.field, "now": each.destination, "then": each.source} for each in self.differences
            ],
        }


def previews(opened: Stage, letters: Sequence[Letter]) -> Iterator[Preview]:
    """What would become of each letter, flow by flow; only reads. Raises Temporary where a destination does not answer."""
    by_flow: dict[str, list[Letter]] = defaultdict(list)
    for each in letters:
        by_flow[each.flow].append(each)
    for flow, of_flow in by_flow.items():
        yield from _Flow(opened, flow).previews(of_flow)


def show(preview: Preview, destination: str) -> None:
    """One preview, field by field."""
    console = Console(highlight=False, soft_wrap=True)
    style = COLOURS[preview.effect]
    head = f"{preview.letter.subject} in flow {preview.letter.flow}: "
    what = {
        "creates": f"makes a document in {destination}",
        "changes": f"changes {preview.document} in {destination}",
        "nothing": "changes nothing",
        "dies": "dies again",
        "unknown": "cannot be told",
    }[preview.effect]
    console.print(Text(head) + Text(what, style=style) + Text(f" ({preview.why})" if preview.why else ""))
    for each in preview.differences:
        now, then = each.destination or "nothing", each.source or "nothing"
        console.print(Text(f"     {each.field}: {now} → {then}", style=style))


class _Flow:
    """A flow as its delivery function has it, with the operator's own rights."""

    def __init__(self, opened: Stage, name: str) -> None:
        self._opened, self._name = opened, name
        self._flow = opened.config.flows[name]
        config = opened.config
        self._division = divided(config, self._flow)
        source = opened.manifest(self._flow.source)
        self._records = (
            {source.event_type(topic.name): topic.record for topic in source.topic}
            | {source.event_type(stream.name): stream.record for stream in source.stream}
            | {f"{source.event_type(stream.name)}/deleted": DELETION for stream in source.stream}
            | declared_records(config.integrations[self._flow.source])
        )
        self._ledger = DynamoLedger(opened.dynamodb(), names.ledger_table(opened.name), days=0)  # only reads
        self._destination = self._opened_destination()

    def previews(self, letters: Sequence[Letter]) -> Iterator[Preview]:
        heads = {
            letter.subject: head
            for letter, head in zip(
                letters, self._ledger.heads_of([(self._name, each.subject) for each in letters]), strict=True
            )
        }
        for letter in letters:
            event = again(letter, book_of(self._opened))
            if event is None:
                yield Preview(letter, "dies", "the ledger no longer has its event, or it is none: nothing can be sent")
                continue
            newest = heads[letter.subject].version
            if event.entity_version and event.entity_version < newest:
                yield Preview(letter, "nothing", f"stale: version {newest} is already known")
                continue
            yield self._preview(letter, event)

    def _preview(self, letter: Letter, event: Event) -> Preview:
        action = self._division.actions.get(event.type, "ignore")
        if action == "ignore":
            return Preview(letter, "nothing", f"ignored: {event.type} has no action in flow {self._name}")
        try:
            record = self._read(event)
            if isinstance(record, NotWanted):
                return Preview(letter, "nothing", f"ignored: {record.rule}")
            if not isinstance(self._destination, Comparable):
                return Preview(letter, "unknown", f"{self._flow.destination} does not tell its documents")
            (standing,) = self._destination.standings(action, [(record, event)])
        except NotConfigured as error:
            return Preview(letter, "unknown", f"{self._flow.destination} cannot compare what {action} does: {error}")
        except Permanent as error:
            return Preview(letter, "dies", str(error))
        return _of(letter, standing, record)

    def _read(self, event: Event) -> "Record | NotWanted":
        connector = self._opened.integration(self._flow.source).connector
        if not has_code(connector) or not hasattr(connector_module(connector), "read"):
            raise Permanent(f"the connector {connector} reads no records")
        whole = replace(event, data=_body(self._opened, event)) if event.data_ref else event
        read = connector_module(connector).read
        try:
            found: Record | NotWanted = read(whole, self._records[event.type])
        except NotConfigured as error:  # of the source: the event dies of it
            raise Permanent(str(error)) from error
        return found

    def _opened_destination(self) -> Any:
        end = self._opened.integration(self._flow.destination)
        module = connector_module(end.connector)
        secret_id = self._opened.secret_id(self._flow.destination)
        secrets = IntegrationSecrets(self._opened.secrets(), secret_id, time.monotonic, lambda: datetime.now(UTC))
        client = client_of(module, url_of(end), secrets, TIMEOUT_SECONDS, 1)
        return module.destination(client, self._division.settings(self._flow))


def _of(letter: Letter, standing: Standing, record: "Record") -> Preview:
    document = f"{standing.doctype} {standing.name}".strip()
    if standing.name and standing.differences:
        return Preview(letter, "changes", "", document, standing.differences)
    if standing.differences:
        return Preview(letter, "creates", record.label, document, standing.differences)
    why = f"unchanged: {document} says so already" if standing.name else "it asks for no document"
    return Preview(letter, "nothing", why, document)


def _body(opened: Stage, event: Event) -> bytes:
    bucket = names.bodies_bucket(opened.name, opened.account_id(), opened.session.region_name or "")
    try:
        return S3Bodies(opened.s3(), bucket).fetch(event.data_ref)
    except BodyUnavailable as error:
        raise Permanent(f"its body cannot be read: {error}") from error
