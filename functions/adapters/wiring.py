"""Puts the parts of each Lambda behind the edge together, once, in its init phase; each loads what it needs itself."""

from __future__ import annotations

import os
import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO

from adapters.aws_calls import Patience
from adapters.late import LateBodies, utc_now
from adapters.s3 import S3Bodies
from adapters.secrets import IntegrationSecrets
from adapters.session import Session
from adapters.sqs import SqsDeadLetters, SqsEventQueue
from adapters.telemetry import Telemetry
from connectors import connector_module, has_code, manifest_path
from hub.deliver import Route
from hub.errors import NotConfigured, SecretUnavailable
from hub.events import Event
from hub.guard import Guard
from hub.names import breaker_function, queue, secret, sync_function, webhook_function
from hub.settings import (
    BreakerSettings,
    DeliverySettings,
    DlqSettings,
    FilesSettings,
    HealthSettings,
    SyncSettings,
    unpacked,
)

if TYPE_CHECKING:  # which the webhook Lambda need not load
    from mypy_boto3_dynamodb import DynamoDBClient

    from adapters.backfills import DynamoBackfills
    from adapters.cursors import DynamoCursors
    from adapters.dead_letters import DynamoLetters
    from adapters.inventory import S3Inventories
    from hub.breaker import Breakers, Limits
    from hub.check_health import Looks
    from hub.connector import Destination, Read
    from hub.dead_letter import Notices
    from hub.deliver_batch import DeadLetters
    from hub.drain import Messages
    from hub.files import Intake, Table
    from hub.health import Records
    from hub.ledger import Ledger
    from hub.mend_subscriptions import Mending
    from hub.pace import Pacer
    from hub.reconcile import Judge, Reconciliation
    from hub.records import Record
    from hub.release_parked import FlowQueues, Heads, WaitingRoom
    from hub.streams import Declared, Listing, Stream
    from hub.subscriptions import Wanted
    from hub.tend_breaker import Valves

DELETION = "deletion"  # the kind of record that a row is which the source says is gone
SENDERS = 8  # calls to SQS at the same time while a file is taken in
PROBE_SECONDS = 10.0  # a destination that takes longer for its cheapest call does not serve
PATIENT = Patience(connect_seconds=2.0, read_seconds=10.0, attempts=4)


@dataclass(frozen=True, slots=True)
class DeliveryHub:
    """What the delivery handler needs."""

    route: Route
    ledger: Ledger
    queue: SqsEventQueue
    dead_letters: DeadLetters
    telemetry: Telemetry
    workers: int
    seconds_per_event: float  # an event is not begun with less than this left
    now: Callable[[], datetime]
    draw: Callable[[], float]
    guard: Guard
    tally: Callable[[], Mapping[str, float]] = dict  # what a batch has cost, as metrics; since the last asking
    told_by_webhook: Callable[[Event], bool] = bool


def delivery_hub(environment: Mapping[str, str] = os.environ) -> DeliveryHub:
    """The delivery Lambda of one flow, from its environment."""
    from adapters.dynamodb import DynamoLedger
    from adapters.standings import DynamoStandings
    from adapters.valves import wake
    from hub.source_facts import read_source
    from hub.together import Together

    settings = DeliverySettings.from_env(environment)
    session = Session()
    sqs = session.create_client("sqs", config=PATIENT)
    secrets = IntegrationSecrets(
        session.create_client("secretsmanager", config=PATIENT),
        settings.destination_secret_id,
        time.monotonic,
        utc_now,
    )
    timeout = settings.http_timeout_seconds
    source = read_source(manifest_path(settings.source_connector))
    topics = {source.event_type(topic.name) for topic in source.topic}
    dynamodb = session.create_client("dynamodb", config=PATIENT)
    destination, pacer, tally = _paced_destination(settings, secrets, dynamodb)
    tender = breaker_function(settings.stage, settings.destination)
    bodies = S3Bodies(session.create_client("s3", config=PATIENT), settings.bodies_bucket)
    route = Route(
        flow=settings.flow,
        read=_reader(settings.source_connector),
        destination=destination,
        actions=settings.actions,
        records={source.event_type(topic.name): topic.record for topic in source.topic}
        | {source.event_type(stream.name): stream.record for stream in source.stream}
        | {f"{source.event_type(stream.name)}/deleted": DELETION for stream in source.stream}
        | settings.records,
        retry=settings.retry,
        body_of=lambda event: bodies.fetch(event.data_ref),
        by_hand={source.event_type(topic.name): topic.by_hand for topic in source.topic if topic.by_hand},
        left=settings.left,
        destination_name=settings.destination,
        wait_for_parent_seconds=settings.wait_for_parent_seconds,
        pulled_too=source.pulled_too,
        once=settings.once,
        together=destination if isinstance(destination, Together) else None,
    )
    return DeliveryHub(
        route,
        DynamoLedger(dynamodb, settings.ledger_table, settings.ledger_days),
        SqsEventQueue(sqs, settings.queue_url),
        SqsDeadLetters(sqs, settings.dead_letter_queue_url),
        Telemetry("delivery", {"stage": settings.stage, "flow": settings.flow}, utc_now),
        settings.workers,
        timeout,
        utc_now,
        random.random,
        Guard(
            settings.flow,
            settings.max_concurrency,
            settings.destination,
            DynamoStandings(dynamodb, settings.ledger_table),
            settings.breaker,
            lambda: wake(session.create_client("lambda", config=PATIENT), tender),  # rarely, so not made before
            pacer,
        ),
        tally,
        lambda event: event.type in topics,
    )


def _paced_destination(
    settings: DeliverySettings, secrets: IntegrationSecrets, dynamodb: DynamoDBClient
) -> tuple[Destination, Pacer, Callable[[], Mapping[str, float]]]:
    """The destination, what keeps its calls to the pace (a database needs none beside its connections' number), and what
    counts its calls."""
    from adapters.counted import CountedHttp, tally
    from adapters.databases import is_web
    from adapters.paced import PacedBatching, PacedDestination, PacedHttp, Unpaced
    from adapters.reaching import client_of
    from hub.connector import Batching
    from hub.together import Together

    connector = connector_module(settings.destination_connector)
    url, seconds, workers = settings.destination_url, settings.http_timeout_seconds, settings.workers
    client = client_of(connector, url, secrets, seconds, workers, settings.flow_settings)
    if not is_web(url):
        return _destination(connector.destination(client, settings.flow_settings), settings, dynamodb), Unpaced(), dict
    budget_of = getattr(connector, "budget", None)
    rounding = random.random()  # noqa: S311 - it decides who rounds up, no secret
    counted = CountedHttp(client)
    paced = PacedHttp(counted, settings.pacing, workers, rounding, budget_of, utc_now, time.monotonic)
    bare = connector.destination(paced, settings.flow_settings)
    destination = _destination(bare, settings, dynamodb)
    remembered = getattr(bare, "remembered", ())
    calls = partial(tally, counted, remembered)
    if isinstance(destination, Batching):
        return Together(PacedBatching(destination, paced, utc_now)), paced, calls
    return PacedDestination(destination, paced, utc_now), paced, calls


def _reader(connector: str) -> Read:
    """How a source's bodies are read. A connector without such code reads none; its events are recorded as ignored."""
    module = connector_module(connector) if has_code(connector) else None
    if hasattr(module, "read"):
        read: Read = module.read  # type: ignore[union-attr]  # hasattr has ruled None out
        return read

    def read_nothing(event: Event, kind: str) -> Record:  # noqa: ARG001 - the name that Read gives it
        raise NotConfigured(f"the connector {connector} reads no records: take the action off {event.type}")

    return read_nothing


def _destination(destination: Destination, settings: DeliverySettings, dynamodb: DynamoDBClient) -> Destination:
    """A flow's destination; its `once` actions are claimed first."""
    if not settings.once:
        return destination
    from adapters.claims import DynamoClaims
    from hub.once import OnceDestination

    claims = DynamoClaims(dynamodb, settings.ledger_table, settings.ledger_days, utc_now)
    return OnceDestination(destination, settings.flow, settings.once, claims)


@dataclass(frozen=True, slots=True)
class DlqHub:
    """What the dlq handler needs."""

    flows_by_queue: Mapping[str, str]
    letters: DynamoLetters
    breakers: Breakers
    queues: FlowQueues
    notices: Notices
    telemetry: Telemetry
    telemetry_of: Callable[[Mapping[str, str]], Telemetry]  # by further dimensions
    now: Callable[[], datetime]


def dlq_hub(environment: Mapping[str, str] = os.environ) -> DlqHub:
    """The dlq Lambda of the hub, from its environment."""
    from adapters.breakers import DynamoBreakers
    from adapters.dead_letters import DynamoLetters
    from adapters.parking import SqsFlowQueues
    from adapters.sns import SnsNotices

    settings = DlqSettings.from_env(environment)
    session = Session()
    dynamodb = session.create_client("dynamodb", config=PATIENT)
    dimensions = {"stage": settings.stage}
    return DlqHub(
        settings.flows_by_queue,
        DynamoLetters(dynamodb, settings.ledger_table, settings.ledger_days),
        DynamoBreakers(dynamodb, settings.ledger_table),
        SqsFlowQueues(session.create_client("sqs", config=PATIENT), settings.stage),
        SnsNotices(session.create_client("sns", config=PATIENT), settings.topic_arn),
        Telemetry("dlq", dimensions, utc_now),
        lambda further: Telemetry("dlq", {**dimensions, **further}, utc_now),
        utc_now,
    )


@dataclass(frozen=True, slots=True)
class BreakerHub:
    """What the breaker handler needs."""

    destination: str
    breakers: Breakers
    limits: Limits
    valves: Valves
    notices: Notices
    probe: Callable[[], None]
    waiting_room: WaitingRoom
    ledger: Heads
    flow_queues: FlowQueues
    telemetry: Telemetry
    now: Callable[[], datetime]


def breaker_hub(environment: Mapping[str, str] = os.environ) -> BreakerHub:
    """The breaker Lambda of one destination, from its environment."""
    from adapters.breakers import DynamoBreakers
    from adapters.dynamodb import DynamoLedger
    from adapters.parking import DynamoWaitingRoom, SqsFlowQueues
    from adapters.reaching import client_of
    from adapters.sns import SnsNotices
    from adapters.valves import LambdaValves

    settings = BreakerSettings.from_env(environment)
    session = Session()
    dynamodb = session.create_client("dynamodb", config=PATIENT)
    secrets = IntegrationSecrets(
        session.create_client("secretsmanager", config=PATIENT), settings.secret_id, time.monotonic, utc_now
    )
    connector = connector_module(settings.connector)
    client = client_of(connector, settings.url, secrets, PROBE_SECONDS, 1)
    return BreakerHub(
        settings.destination,
        DynamoBreakers(dynamodb, settings.ledger_table),
        settings.breaker,
        LambdaValves(session.create_client("lambda", config=PATIENT), dynamodb, settings.ledger_table, settings.stage),
        SnsNotices(session.create_client("sns", config=PATIENT), settings.topic_arn),
        partial(connector.probe, client),
        DynamoWaitingRoom(dynamodb, settings.ledger_table, settings.destination),
        DynamoLedger(dynamodb, settings.ledger_table, days=0),  # only reads
        SqsFlowQueues(session.create_client("sqs", config=PATIENT), settings.stage),
        Telemetry("breaker", {"stage": settings.stage, "destination": settings.destination}, utc_now),
        utc_now,
    )


@dataclass(frozen=True, slots=True)
class SyncHub:
    """What the sync handler needs."""

    cursors: DynamoCursors
    backfills: DynamoBackfills
    inventories: Callable[[str], S3Inventories]  # by the id of the function's request
    open: Callable[[Declared], tuple[Stream, Listing | Messages]]
    queue: Callable[[Sequence[Event]], None]
    go_on: Callable[[Mapping[str, Any]], None]
    telemetry: Telemetry
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    judge: Callable[[Reconciliation], Judge]
    tell: Callable[[str, str], None]  # as Notices.tell


def sync_hub(environment: Mapping[str, str] = os.environ) -> SyncHub:
    """The sync Lambda of one integration, from its environment."""
    from adapters.accepted_lines import tell_queued
    from adapters.backfills import DynamoBackfills
    from adapters.cursors import DynamoCursors
    from adapters.inventory import S3Inventories
    from adapters.lambdas import invoke_later
    from adapters.reaching import judge_of, open_stream
    from adapters.sns import SnsNotices
    from hub.receive import message_of

    settings = SyncSettings.from_env(environment)
    session = Session()
    secrets = IntegrationSecrets(
        session.create_client("secretsmanager", config=PATIENT), settings.secret_id, time.monotonic, utc_now
    )
    sqs = session.create_client("sqs", config=PATIENT)
    queues = [SqsEventQueue(sqs, url) for url in settings.queue_urls]
    s3 = cache(lambda: session.create_client("s3", config=PATIENT))  # most runs need none
    bodies = LateBodies(lambda: S3Bodies(s3(), settings.bodies_bucket))
    telemetry = Telemetry("sync", {"stage": settings.stage, "integration": settings.integration}, utc_now)

    def queue(events: Sequence[Event]) -> None:
        messages = [(event, message_of(event, bodies)) for event in events]
        for each in queues:
            each.put(messages)
        tell_queued(telemetry, events)  # behind the queue, as the edge does: what is told is kept

    client = session.create_client("lambda", config=PATIENT)
    dynamodb = session.create_client("dynamodb", config=PATIENT)

    def judge(asked: Reconciliation) -> Judge:
        from adapters.dynamodb import DynamoLedger

        secret_id = secret(settings.stage, asked.destination)
        of_destination = IntegrationSecrets(
            session.create_client("secretsmanager", config=PATIENT), secret_id, time.monotonic, utc_now
        )
        ledger = DynamoLedger(dynamodb, settings.ledger_table, days=0)  # only reads
        return judge_of(asked, settings.connector, of_destination, ledger, settings.http_timeout_seconds)

    def tell(subject: str, text: str) -> None:
        SnsNotices(session.create_client("sns", config=PATIENT), settings.topic_arn).tell(subject, text)

    return SyncHub(
        DynamoCursors(dynamodb, settings.ledger_table),
        DynamoBackfills(dynamodb, settings.ledger_table),
        lambda token: S3Inventories(s3(), settings.bodies_bucket, utc_now, token),
        lambda declared: open_stream(declared, settings.url, secrets, settings.http_timeout_seconds, utc_now),
        queue,
        lambda request: invoke_later(client, sync_function(settings.stage, settings.integration), request),
        telemetry,
        utc_now,
        time.sleep,
        judge,
        tell,
    )


@dataclass(frozen=True, slots=True)
class HealthHub:
    """What the health handler needs."""

    integration: str
    looks: Looks
    records: Records
    mending: Mending | None
    telemetry: Telemetry
    monotonic: Callable[[], float]
    now: Callable[[], datetime]


def health_hub(environment: Mapping[str, str] = os.environ) -> HealthHub:
    """The health Lambda of one integration, from its environment."""
    from adapters.cursors import DynamoCursors
    from adapters.health import DynamoHealth, depth, last_accepted, pull_gap
    from adapters.lambdas import invoke_later
    from adapters.reaching import Called
    from adapters.sns import SnsNotices
    from hub.check_health import Looks
    from hub.expiry import expiries
    from hub.manifest import read_manifest
    from hub.mend_subscriptions import Mending

    settings = HealthSettings.from_env(environment)
    stage, integration = settings.stage, settings.integration
    session = Session()
    client = cache(lambda service: session.create_client(service, config=PATIENT))  # few checks need all of them

    def secrets_at(secret_id: str) -> IntegrationSecrets:
        return IntegrationSecrets(client("secretsmanager"), secret_id, time.monotonic, utc_now)

    manifest, own = read_manifest(manifest_path(settings.connector)), secrets_at(settings.secret_id)
    signing = manifest.webhook.signature.secret if manifest.webhook and settings.public_url else ""
    streams: dict[str, list[dict[str, Any]]] = unpacked(settings.streams) if settings.streams else {}
    called = None
    if settings.called:
        there = settings.called
        theirs = own if there.secret_id == settings.secret_id else secrets_at(there.secret_id)
        called = Called(there.connector, there.url, theirs, PROBE_SECONDS, utc_now)
    subscriptions = called.subscriptions(settings.connector) if called and settings.public_url else None

    def wanted(topics: Sequence[str], url: str) -> Sequence[Wanted]:
        if not (secret := own.live(signing)):
            raise SecretUnavailable(f"{integration} lacks {signing}: store it with `hub secrets set {integration}`")
        found: Sequence[Wanted] = connector_module(settings.connector).wanted(topics, url, secret[0])
        return found

    looks = Looks(
        call=called.call([each for requests in streams.values() for each in requests]) if called else None,
        slow_milliseconds=settings.slow_milliseconds,
        missing_secrets=lambda: [signing] if signing and not own.live(signing) else [],
        expiries=lambda: list(expiries({name: "".join(own.live(name)[:1]) for name in manifest.secrets})),
        flows=settings.flows,
        depth=lambda flow: depth(client("sqs"), queue(stage, flow)),
        accepted=partial(last_accepted, client("logs"), webhook_function(stage, integration))
        if settings.public_url
        else None,
        silent_after=timedelta(seconds=settings.silent_after_seconds) if settings.silent_after_seconds else None,
        subscriptions=subscriptions.listed if subscriptions else None,
        listens_at=settings.public_url,
        supported_until=called.supported_until if called else None,
    )
    mending = None
    if settings.mend and subscriptions:
        cursors = DynamoCursors(client("dynamodb"), settings.ledger_table)
        mending = Mending(
            wanted,
            subscriptions.register,
            lambda: pull_gap(cursors.read, partial(invoke_later, client("lambda")), streams),
            SnsNotices(client("sns"), settings.topic_arn),
        )
    return HealthHub(
        integration,
        looks,
        DynamoHealth(client("dynamodb"), settings.ledger_table),
        mending,
        Telemetry("health", {"stage": stage, "integration": integration}, utc_now),
        time.monotonic,
        utc_now,
    )


@dataclass(frozen=True, slots=True)
class FilesHub:
    """What the files handler needs."""

    intake: Intake
    go_on: Callable[[str], None]
    hide: Callable[[str, float], None]
    telemetry: Telemetry


def files_hub(environment: Mapping[str, str] = os.environ) -> FilesHub:
    """The files Lambda of one integration, from its environment."""
    from concurrent.futures import ThreadPoolExecutor

    from adapters.accepted_lines import tell_queued
    from adapters.files import DynamoFiles, S3Files
    from adapters.inbox import SqsInbox
    from adapters.sns import SnsNotices
    from hub.files import Intake, stream_of
    from hub.receive import message_of
    from hub.streams import Declared

    settings = FilesSettings.from_env(environment)
    streams = {name: Declared.from_request(each) for name, each in unpacked(settings.streams).items()}
    session = Session()
    sqs, s3 = (session.create_client(each, config=PATIENT) for each in ("sqs", "s3"))
    queues = [SqsEventQueue(sqs, url) for url in settings.queue_urls]
    bodies = LateBodies(lambda: S3Bodies(s3, settings.bodies_bucket))
    senders = ThreadPoolExecutor(SENDERS)
    telemetry = Telemetry("files", {"stage": settings.stage, "integration": settings.integration}, utc_now)

    def open_table(stream: Stream, file: BinaryIO) -> Table:
        table: Table = connector_module(settings.connector).table(file, streams[stream.name].settings)
        return table

    def send(events: Sequence[Event]) -> None:
        messages = [(event, message_of(event, bodies)) for event in events]
        for queue in queues:
            queue.put(messages)

    def queue(events: Sequence[Event]) -> None:
        """At once, but those of an entity one after the other."""
        apart: dict[int, list[Event]] = {}
        for event in events:
            apart.setdefault(zlib.crc32(event.subject.encode()) % SENDERS, []).append(event)
        for sent in [senders.submit(send, share) for share in apart.values()]:
            sent.result()
        tell_queued(telemetry, events)

    inbox = SqsInbox(sqs, settings.inbox_url)
    sns = session.create_client("sns", config=PATIENT)
    return FilesHub(
        Intake(
            settings.integration,
            S3Files(s3, settings.files_bucket),
            DynamoFiles(session.create_client("dynamodb", config=PATIENT), settings.ledger_table),
            lambda key: stream_of(key, {name: declared.stream for name, declared in streams.items()}),
            open_table,
            queue,
            SnsNotices(sns, settings.topic_arn),
            utc_now,
        ),
        inbox.go_on,
        inbox.hide,
        telemetry,
    )
