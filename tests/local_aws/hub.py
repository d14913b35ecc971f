"""The whole hub on a local AWS with IAM enforced, as the end-to-end tests use it: a shop in front, ERPNext behind."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx

from adapters.breakers import DynamoBreakers
from adapters.dead_letters import DynamoLetters
from adapters.ledger_history import Ended, LedgerHistory
from adapters.standings import DynamoStandings
from hub import names
from hub.breaker import Breaker
from hub.dead_letter import Status, cause_id
from hub.pace import Pace
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.ministack import MiniStack
from infra.local.secrets import signing_secret
from infra.local.shopify import Answer, Body, Line, Shop, customer, order
from infra.local.stand_in import GOODS

STAGE = "local"
INTEGRATION = "shop-eu"
FLOW = "shop-eu-to-erp"
OTHER_INTEGRATION = "shop-us"
OTHER_FLOW = "shop-us-to-erp"
WITHOUT_SECRET = "shop-new"
FORGE = "forge"  # GitHub, whose connector is a manifest alone; only this machine and GitHub may send
WITH_TOKEN = "shop-token"  # asks for a one-time token in the header X-Token
LISTS = "lists"  # files with tables of customers
LISTS_FLOW = "lists-to-erp"
PATIENCE_SECONDS = 60.0  # on a busy machine; only a failure takes so long
MUG, SHIRT, POSTER = GOODS[1:4]

T = TypeVar("T")
STARTED = datetime.now(UTC).replace(microsecond=0)
_numbers = count(int(datetime.now(UTC).timestamp()) * 1000)


@dataclass
class LocalHub:
    """The deployed hub and what surrounds it."""

    aws: MiniStack
    erp: ErpNextStandIn
    api_url: str
    notices_queue: str  # subscribed to the alarms topic
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))
    _letters_schedule: str = ""  # what the dlq function's schedule asks for

    # The shop's side

    def shop(self, integration: str = INTEGRATION, secret: str | None = None) -> Shop:
        """A shop that sends to an integration."""
        url = self.api_url + names.webhook_path(integration)
        domain = f"{integration}.myshopify.com"
        return Shop(url, domain, signing_secret(integration) if secret is None else secret)

    def deliver(self, topic: str, body: bytes | Body, **more: Any) -> Answer:
        """Send one genuine delivery of the shop."""
        return self.shop().deliver(topic, body, client=self.http, **more)

    # What became of it

    def ends(self, entity: str) -> list[Ended]:
        """The recorded ends of an entity ("order/1001") in the order of recording."""
        history = LedgerHistory(self.aws.client("dynamodb"), names.ledger_table(STAGE))
        subject = entity if entity.count("/") == 2 else f"{INTEGRATION}/{entity}"
        return sorted(history.of(subject), key=lambda each: each.recorded_at)

    def end_of(self, entity: str, answer: Answer) -> Ended:
        """How the event of a delivery ended, once it has; fails after PATIENCE_SECONDS."""
        assert answer.status == 200, f"not accepted: {answer.status} {answer.text}"

        def look() -> Ended | None:
            self.tend()
            return next((each for each in self.ends(entity) if each.event_id == answer.event), None)

        return wait_for(look, f"{entity}: event {answer.event} has not ended")

    def orders(self, number: int) -> list[dict[str, Any]]:
        """All Sales Orders in ERPNext that an order of the shop has become, oldest first."""
        return [
            each
            for each in self.erp.documents("Sales Order")
            if str(each.get("hub_external_id") or "").split("~")[0] == f"{INTEGRATION}:order:{number}"
        ]

    def customers(self, number: int) -> list[dict[str, Any]]:
        """All Customers in ERPNext that a customer of the shop has become."""
        key = f"{INTEGRATION}:customer:{number}"
        return [each for each in self.erp.documents("Customer") if each.get("hub_external_id") == key]

    def ledger_items(self) -> int:
        """How many items the ledger holds, of whatever kind."""
        pages = self.aws.client("dynamodb").get_paginator("scan").paginate(TableName=names.ledger_table(STAGE))
        return sum(len(page["Items"]) for page in pages)

    def notice_about(self, text: str) -> str:
        """The notice to operators that contains `text`, once there is one."""
        sqs = self.aws.client("sqs")

        def look() -> str | None:
            answer = sqs.receive_message(QueueUrl=self.notices_queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                sqs.delete_message(QueueUrl=self.notices_queue, ReceiptHandle=message["ReceiptHandle"])
                notice = json.loads(message["Body"])
                if text in notice["Message"]:
                    return f"{notice['Subject']}\n{notice['Message']}"
            return None

        return wait_for(look, f"nobody was told about {text}")

    def told_of(self, entity: str) -> str:
        """Flow and error of which people were told, once they were, of what an entity's event died of. There is one notice
        per cause, and another test may have had it."""
        book = DynamoLetters(self.aws.client("dynamodb"), names.ledger_table(STAGE), 90)
        subject = entity if entity.count("/") == 2 else f"{INTEGRATION}/{entity}"

        def look() -> str | None:
            self.tend_letters()
            escalated = [each for each in book.of(FLOW) if (each.subject, each.status) == (subject, Status.ESCALATED)]
            causes = {each.id: each for each in book.causes(FLOW, datetime.now(UTC) + timedelta(days=1))}
            told = [causes[cause_id(each.failure)] for each in escalated if cause_id(each.failure) in causes]
            return next((f"{each.flow}: {each.text}" for each in told if each.told_at), None)

        return wait_for(look, f"nobody was told of {entity}")

    def tend_letters(self) -> None:
        """What the schedule of the dlq function does every minute: a test cannot wait for it."""
        scheduler = self.aws.client("scheduler")
        if not self._letters_schedule:
            for each in scheduler.list_schedules()["Schedules"]:
                target = scheduler.get_schedule(Name=each["Name"])["Target"]
                if target["Arn"].endswith(f":{names.dlq_function(STAGE)}"):
                    self._letters_schedule = target["Input"]
        answer = self.aws.client("lambda").invoke(
            FunctionName=names.dlq_function(STAGE), Payload=self._letters_schedule
        )
        assert "FunctionError" not in answer, answer["Payload"].read()

    def times_hidden(self, function: str, number: int) -> int:
        """How often a function has said of an order that it comes again later."""
        group = f"/aws/lambda/{function}"
        lines = [each["message"] for each in self.aws.client("logs").filter_log_events(logGroupName=group)["events"]]
        return sum(1 for line in lines if '"again later"' in line and f"/{number}" in line)

    # The queues

    def queue_url(self, name: str) -> str:
        """The URL of a queue."""
        return str(self.aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def waiting(self, flow: str = FLOW) -> int:
        """How many messages a flow's queue and dead letter queue hold, those at work included."""
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        both = (names.queue(STAGE, flow), names.dead_letter_queue(STAGE, flow))
        sqs = self.aws.client("sqs")
        return sum(
            int(count)
            for name in both
            for count in sqs.get_queue_attributes(QueueUrl=self.queue_url(name), AttributeNames=wanted)[
                "Attributes"
            ].values()
        )

    def settle(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until no message of any flow is left and everything flows."""

        def look() -> bool | None:
            self.tend()
            empty = not (self.waiting(FLOW) or self.waiting(OTHER_FLOW))
            return (empty and not self.breaker().flows) or None

        wait_for(look, "the queues are not empty, or not read", seconds)

    def breaker(self) -> Breaker:
        """The breaker of ERPNext."""
        return DynamoBreakers(self.aws.client("dynamodb"), names.ledger_table(STAGE)).read("erp")

    def pace(self) -> Pace:
        """The pace of calls to ERPNext."""
        return DynamoStandings(self.aws.client("dynamodb"), names.ledger_table(STAGE)).standing("erp").pace

    def reading(self, flow: str) -> str:
        """Whether a flow's queue is read: Enabled, Disabled."""
        function = names.delivery_function(STAGE, flow)
        found = self.aws.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        return str(found[0]["State"])

    def tend(self) -> None:
        """What the schedule does every minute: a test cannot wait for it."""
        if not self.breaker().pristine:
            self.aws.client("lambda").invoke(FunctionName=names.breaker_function(STAGE, "erp"), Payload=b"{}")

    def processes(self, function: str = "") -> list[int]:
        """The processes in which a function of this local AWS runs, or all its functions."""
        running, here = (
            f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(),
            f"AWS_ENDPOINT_URL={self.aws.endpoint}".encode(),
        )
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended, or is another user's
            if here in environment and any(each.startswith(running) for each in environment):
                found.append(int(process.name))
        return found

    def kill(self, function: str) -> int:
        """Kill the processes in which a function runs; return how many there were."""
        processes = self.processes(function)
        for process in processes:
            os.kill(process, signal.SIGKILL)
        return len(processes)

    @contextmanager
    def paused(self, function: str) -> Iterator[None]:
        """Within: a function is fed by no queue."""
        lambdas = self.aws.client("lambda")
        mappings = lambdas.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        for each in mappings:
            lambdas.update_event_source_mapping(UUID=each["UUID"], Enabled=False)
        time.sleep(0.5)  # a poll that had begun still hands out what it got
        try:
            yield
        finally:
            for each in mappings:
                lambdas.update_event_source_mapping(UUID=each["UUID"], Enabled=True)


def wait_for(look: Callable[[], T | None], complaint: str, seconds: float = PATIENCE_SECONDS) -> T:
    """What `look` gives once it gives something; fails with the complaint where it does not in time."""
    until = time.monotonic() + seconds
    while (seen := look()) is None:
        assert time.monotonic() < until, f"{complaint} after {seconds:g} s"
        time.sleep(0.05)
    return seen


def fresh_number() -> int:
    """An id that no other order or customer of this session has."""
    return next(_numbers)


def a_customer(first_name: str = "Ada", last_name: str = "Lovelace") -> Body:
    """A customer of the shop whom nobody knows yet."""
    number = fresh_number()
    return customer(number, first_name, last_name, f"c{number}@example.com", minutes_ago(60))


def an_order(*lines: Line, number: int | None = None, buyer: Body | None = None, **more: Any) -> Body:
    """An order; without `number` a new one, without `buyer` of a new customer. `at` is its age's complement in minutes:
    a higher one is a later version."""
    at = more.pop("at", 0)
    placed = minutes_ago(60)
    return order(
        number or fresh_number(),
        buyer or a_customer(),
        lines or (a_line(),),
        created_at=placed,
        updated_at=placed + timedelta(minutes=at),
        **more,
    )


def a_line(sku: str | None = MUG, quantity: int = 1, price: str = "12.50", discount: str = "0") -> Line:
    """One line of an order."""
    return Line(sku, quantity, Decimal(price), Decimal(discount))


def minutes_ago(minutes: int) -> datetime:
    """A moment of this session; the same all along, so that versions compare as stated."""
    return STARTED - timedelta(minutes=minutes)
