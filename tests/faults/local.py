"""The same kind of story before the same oracle, on the local AWS: real HTTP, queues, processes and rights."""

import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import yaml

from adapters.ledger_history import LedgerHistory
from hub import names
from hub.events import Event, queue_key, to_json
from infra.configuration import CONFIG
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.secrets import KEY, signing_secret
from infra.local.shopify import Shop
from infra.local.stand_in import TOKEN, stock
from tests.faults.goods import DOCUMENTS, fill_the_shelves
from tests.faults.judge import ENDS, Judgement, Seen, judge
from tests.faults.ledger import ends_in
from tests.faults.mishaps import DeskUser, change_api_secret
from tests.faults.report import Progress
from tests.faults.story import AT_ONCE, GOODS, Delivery, Story, tell
from tests.local_aws.deployment import deployed
from tests.local_aws.hub import FLOW, INTEGRATION, STAGE, LocalHub

BEFORE, END = "before the ledger was emptied", "in the end, all events repeated"
# the waits of a real stage are minutes and hours
RETRY = {"base_seconds": 0.5, "cap_seconds": 2, "give_up_after_hours": 0.1}
PROBES = {"first_probe_seconds": 1, "longest_probe_seconds": 1}
VISIBILITY_SECONDS = 8
PATIENCE_SECONDS = 2
SHOP_WAITS_SECONDS = 0.5
SENDERS = 4
# of one part of the story, to come to rest: a few invocations that a kill leaves hanging until their timeout included
PATIENCE_IN_ALL_SECONDS = 600
ONE_IN = 3  # deliveries: so often ERPNext goes wrong at some call soon after
KILL_EVERY_SECONDS = 2.0
RELEASE_EVERY_SECONDS = 2.0
KILL_IN_THE_END_SECONDS = 15.0  # else a function that starts slowly is killed before it gets anywhere, for ever
CATCH_UP_SECONDS = 10.0
NEW_API_SECRET, NEW_SHOP_SECRET = "the-second-secret", "the app's second client secret"
LEDGER = names.ledger_table(STAGE)
PARKED = "parked"
FAULTS = (
    Fault("deadlock"),
    Fault("lock_timeout"),
    Fault("drop_before_commit"),
    Fault("drop_after_commit"),
    Fault("truncated"),
    Fault("html_error"),
    Fault("maintenance"),
    Fault("read_only"),
    Fault("rate_limit_exceeded"),
    Fault("rate_limit", seconds=1),
    Fault("bin_race", method="POST", doctype="Sales Order"),
    Fault("slow", seconds=PATIENCE_SECONDS + 1),  # the client gives up, ERPNext commits later
    Fault("stall_after_commit", seconds=PATIENCE_SECONDS + 1),
)


def run(seed: int, events: int, entities: int, progress: Progress) -> tuple[Story, Counter[str], dict[str, Judgement]]:
    """One story; everything dead twice more; then the ledger emptied and every event repeated. Cleans up behind itself."""
    dice = random.Random(seed)  # noqa: S311 - a story to be had again, no secret
    story = tell(dice, events, entities)
    with _stands(progress) as (hub, desk):
        world = LocalWorld(hub, desk, story, dice, progress)
        world.play()
        for name, again in (("redriven", lambda event: event), ("replayed", lambda event: event.replayed(_now()))):
            world.struck[f"dead letters {name}"] += world.send_again("dead", again)
            world.settle()
        before = world.judgement()
        progress.say("emptying the ledger")
        world.lose_the_ledger()
        world.settle()
        return story, world.struck, {BEFORE: before, END: world.judgement()}


@contextmanager
def _stands(progress: Progress) -> Iterator[tuple[LocalHub, DeskUser]]:
    """The hub on a local AWS of its own, made impatient, and somebody at ERPNext's desk."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that an end from outside cleans up too
    with tempfile.TemporaryDirectory(prefix="hub-faults-") as folder, ErpNextStandIn(token=TOKEN) as erp:
        config = Path(folder) / "config"
        config.mkdir()
        content: dict[str, Any] = yaml.safe_load((CONFIG / f"{STAGE}.yaml").read_text())
        flow = content["flows"][FLOW]
        content["flows"] = {FLOW: flow | {"retry": RETRY, "settings": flow["settings"] | DOCUMENTS}}
        content["integrations"]["erp"] |= {"breaker": PROBES}
        (config / f"{STAGE}.yaml").write_text(yaml.safe_dump(content))
        progress.say("building and deploying the hub on a local AWS")
        with deployed(Path(folder), config, erp) as hub:
            stock(erp.url, GOODS)
            fill_the_shelves(erp.url, GOODS)
            _make_impatient(hub)
            progress.say("deployed")
            yield hub, DeskUser(erp, random.Random(0), _now)  # noqa: S311 - nothing secret


def _make_impatient(hub: LocalHub) -> None:
    """Have the deliveries' function give ERPNext up, and the queues hand out again, after seconds."""
    lambdas, sqs = hub.aws.client("lambda"), hub.aws.client("sqs")
    function = names.delivery_function(STAGE, FLOW)
    variables = lambdas.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    settings = json.loads(variables["HUB_SETTINGS"]) | {"http_timeout_seconds": PATIENCE_SECONDS}
    variables |= {"HUB_SETTINGS": json.dumps(settings)}
    lambdas.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
    for name in (names.queue(STAGE, FLOW), names.dead_letter_queue(STAGE, FLOW)):
        sqs.set_queue_attributes(
            QueueUrl=hub.queue_url(name), Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        )


@dataclass
class LocalWorld:
    """The deployed hub and all that happens to it."""

    hub: LocalHub
    desk: DeskUser
    story: Story
    dice: random.Random
    progress: Progress
    struck: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    shop_secret: str = signing_secret(INTEGRATION)
    _misfortunes: list[Fault] = field(default_factory=list)
    _killed_at: float = field(default_factory=time.monotonic)
    _released_at: float = 0.0

    def play(self) -> None:
        """The shop sends everything, and meanwhile all goes wrong; then the world comes to rest."""
        calamities = [self._outage, self._revoke, self._change_shop_secret]
        waiting = iter(self.story.deliveries)
        count = 0
        each_part = max(1, len(self.story.deliveries) // (len(calamities) + 1))
        with ThreadPoolExecutor(AT_ONCE + SENDERS) as pool:
            at_work: set[Future[None]] = set()
            while delivered := list(islice(waiting, SENDERS)):
                for delivery in delivered:
                    at_work |= {pool.submit(self._send, delivery) for _ in range(delivery.copies)}
                    count += 1
                    self._misfortune(count)
                    if count % each_part == 0 and calamities:
                        self._catch_up()
                        self._during(calamities.pop(0))
                while len(at_work) > SENDERS:
                    at_work = self._sent(at_work, seconds=0.5)
                    self._meanwhile(f"{count} of {len(self.story.deliveries)} deliveries sent")
            while at_work:
                at_work = self._sent(at_work, seconds=0.5)
                self._meanwhile("the last deliveries are sent")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing waits and everything flows; faults go on meanwhile, until they are used up."""
        began = time.monotonic()
        while self.hub.waiting() or self.hub.breaker().flows or self._ends_lack():
            passed = time.monotonic() - began
            assert passed < PATIENCE_IN_ALL_SECONDS, f"not at rest after {PATIENCE_IN_ALL_SECONDS} s: {self._unrest()}"
            self._meanwhile(f"{self.hub.waiting()} events wait", kill=passed < KILL_IN_THE_END_SECONDS)
            time.sleep(0.2)
        time.sleep(PATIENCE_SECONDS + 1.5)  # what ERPNext still comes to late
        self.struck.update(f"ERPNext: {fault.kind}" for fault in self._misfortunes if fault.times == 0)
        self._misfortunes.clear()
        self.hub.erp.behave()

    def judgement(self) -> Judgement:
        """What the oracle says."""
        ends = self._ends()
        entities = {event: entity for entity, events in ends.items() for event in events if event in self.acknowledged}
        return judge(
            self.story,
            Seen(
                documents=self.hub.erp.documents,
                ends=ends,
                accepted=entities,
                notes={key: (DeskUser.NOTE, note) for key, note in self.desk.notes.items()},
            ),
        )

    def send_again(self, outcome: str, changed: Callable[[Event], Event]) -> int:
        """Put the events that ended so on the flow's queue once more, as the ledger keeps them; how many there were."""
        events = [event for event, ended in self._kept() if ended == outcome]
        self._queue([changed(event) for event in events])
        return len(events)

    def lose_the_ledger(self) -> None:
        """Every item is gone; every event comes once more from the queue."""
        events = [event for event, _ in self._kept()]
        dynamodb = self.hub.aws.client("dynamodb")
        for page in dynamodb.get_paginator("scan").paginate(TableName=LEDGER, ProjectionExpression="entity, #r",
                                                            ExpressionAttributeNames={"#r": "record"}):  # fmt: skip
            for key in page["Items"]:
                dynamodb.delete_item(TableName=LEDGER, Key=key)
        assert not self._ends()
        self.struck["ledger emptied"] += 1
        self._queue([replace(event, received_at=_now()) for event in events])

    # What the shop does

    @staticmethod
    def _sent(at_work: set[Future[None]], seconds: float) -> set[Future[None]]:
        """Those that are still at work a moment later; raises what went wrong with the others."""
        done, left = wait(at_work, timeout=seconds, return_when=FIRST_COMPLETED)
        for each in done:
            each.result()
        return left

    def _send(self, delivery: Delivery) -> None:
        """Send until it is taken, as the shop does."""
        while True:
            shop = Shop(self.hub.shop().url, f"{INTEGRATION}.myshopify.com", self.shop_secret)
            try:
                answer = shop.deliver(delivery.topic, delivery.body, webhook_id=delivery.event, client=self.hub.http)
            except httpx.TransportError:
                self.struck["shop told nothing"] += 1
                continue
            if answer.status == 200:
                self.acknowledged.add(delivery.event)
                return
            assert answer.status in (401, 500, 502, 503, 504), f"{answer.status} {answer.text}"
            self.struck[f"shop told {answer.status}"] += 1
            time.sleep(SHOP_WAITS_SECONDS)

    # What goes wrong

    def _meanwhile(self, where: str, *, kill: bool = True) -> None:
        self.progress.tell(lambda: f"{where}, {len(self.hub.erp.documents('Sales Order'))} Sales Orders")
        self.hub.tend()
        self._release()
        if self.dice.random() < 0.5 and self.desk.edit():
            self.struck["desk user edits"] += 1
        if kill and time.monotonic() - self._killed_at > KILL_EVERY_SECONDS:
            self._killed_at = time.monotonic()
            self._kill()

    def _release(self) -> None:
        """Have what is parked looked at every few seconds; the schedule does it every minute."""
        if time.monotonic() - self._released_at < RELEASE_EVERY_SECONDS:
            return
        self._released_at = time.monotonic()
        if any(outcome == PARKED for events in self._ends().values() for outcome in events.values()):
            self.hub.aws.client("lambda").invoke(FunctionName=names.breaker_function(STAGE, "erp"), Payload=b"{}")

    def _misfortune(self, count: int) -> None:
        if count % ONE_IN == 0:
            chosen = self.dice.choice(FAULTS)
            fault = Fault(**{**chosen.to_json(), "skip": self.dice.randrange(10)})
            self._misfortunes.append(fault)
            self.hub.erp.misbehave(fault)

    def _kill(self) -> None:
        functions = {
            "delivery": names.delivery_function(STAGE, FLOW),
            "webhook": names.webhook_function(STAGE, INTEGRATION),
            "dlq": names.dlq_function(STAGE),
            "breaker": names.breaker_function(STAGE, "erp"),
        }
        what = self.dice.choice(("delivery", "delivery", "delivery", "webhook", "dlq", "breaker"))
        if processes := self.hub.processes(functions[what]):
            os.kill(self.dice.choice(processes), signal.SIGKILL)
            self.struck[f"SIGKILL: {what} function"] += 1

    def _catch_up(self) -> None:
        """Let the hub come nearly to the end of what it has, so that the next calamity meets it at work."""
        until = time.monotonic() + CATCH_UP_SECONDS
        while self.hub.waiting() > SENDERS and time.monotonic() < until:
            self._meanwhile(f"{self.hub.waiting()} events wait")
            time.sleep(0.2)

    def _during(self, calamity: Callable[[], Iterator[None]]) -> None:
        """Let time pass between the beginning of a calamity and its end; the shop's deliveries in hand go on."""
        for _ in calamity():
            until = time.monotonic() + 4
            while time.monotonic() < until:
                self._meanwhile(calamity.__name__.strip("_").replace("_", " "))
                time.sleep(0.2)

    def _outage(self) -> Iterator[None]:
        self.struck["ERPNext down for a while"] += 1
        down = Fault("maintenance", times=None)
        self.hub.erp.misbehave(down)
        yield
        self.hub.erp.faults.waiting.remove(down)

    def _revoke(self) -> Iterator[None]:
        self.struck["API key revoked for a while"] += 1
        change_api_secret(self.hub.erp, NEW_API_SECRET)
        yield
        self._store("erp", {"api_key": KEY, "api_secret": NEW_API_SECRET})

    def _change_shop_secret(self) -> Iterator[None]:
        self.struck["secret of the webhook changed"] += 1
        self.shop_secret = NEW_SHOP_SECRET
        yield
        self._store(INTEGRATION, {"webhook": NEW_SHOP_SECRET})

    def _store(self, integration: str, values: dict[str, str]) -> None:
        secret = names.secret(STAGE, integration)
        self.hub.aws.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(values))

    # What the ledger and the queue hold

    def _ends(self) -> dict[str, dict[str, str]]:
        return ends_in(self.hub.aws.client("dynamodb"), LEDGER)

    def _ends_lack(self) -> bool:
        """Whether an acknowledged event has no end yet: a message may just be between queue and dead letter queue."""
        ended = {event for events in self._ends().values() for event, outcome in events.items() if outcome in ENDS}
        return not self.acknowledged <= ended

    def _unrest(self) -> str:
        """What still waits, for who has to find out why."""
        ends = {event: outcome for events in self._ends().values() for event, outcome in events.items()}
        without = {event: ends.get(event, "no entry") for event in self.acknowledged if ends.get(event) not in ENDS}
        mapping = self.hub.reading(FLOW)
        return f"{self.hub.waiting()} messages, queue {mapping}, {self.hub.breaker()}, {self.hub.pace()}, ends {without}"

    def _kept(self) -> list[tuple[Event, str]]:
        history = LedgerHistory(self.hub.aws.client("dynamodb"), LEDGER)
        return [
            (history.event(f"{INTEGRATION}/{entity}", FLOW, event), outcome)
            for entity, events in self._ends().items()
            for event, outcome in events.items()
        ]

    def _queue(self, events: list[Event]) -> None:
        sqs, url = self.hub.aws.client("sqs"), self.hub.queue_url(names.queue(STAGE, FLOW))
        self.dice.shuffle(events)
        for event in events:
            sqs.send_message(
                QueueUrl=url,
                MessageBody=to_json(event),
                MessageGroupId=queue_key(event.subject),
                MessageDeduplicationId=f"again-{time.time_ns()}",
            )


def _now() -> datetime:
    return datetime.now(UTC)
