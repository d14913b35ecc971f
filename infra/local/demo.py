"""`make demo`: a shop sends a customer and orders, good and bad; then ERPNext must hold exactly what it should."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.exceptions import BotoCoreError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.ledger_history import Ended, LedgerHistory
from connectors import manifest_path
from hub import names
from hub.config import Config, Flow
from hub.manifest import ManifestError
from hub.webhook_spec import read_webhook
from infra.configuration import load_stage
from infra.local.demo_story import Delivery, Story, story
from infra.local.environment import CannotStart, tell
from infra.local.erp_view import counts, customer_view, differences, documents, exact, order_view
from infra.local.running import LOCAL_REGION, Running, local_api_url, local_credentials, noted
from infra.local.shopify import Answer, Shop
from infra.local.stand_in import client
from infra.local.up import STAGE, deaf_to_signals, opened, stopped_by_signals
from infra.mistakes import ConfigurationError

WAIT_SECONDS = 120.0
COUNTED = ("Customer", "Sales Order", "Item")
OUTCOME_STYLES = {"applied": "green", "unchanged": "cyan", "stale": "yellow", "dead": "red"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery, how it was answered, and how its event ended (None: no event, or no end in time)."""

    delivery: Delivery
    answer: Answer
    ended: Ended | None = None


def demo(aws_port: int | None, erp_port: int | None) -> int:
    """Run the demo; the exit code is 0 only if every answer, outcome and document is as it must be."""
    with stopped_by_signals():
        try:
            with hub_up(aws_port, erp_port) as (running, config):
                return _run(running, config)
        except KeyboardInterrupt:
            print("\nStopped.")
        except (CannotStart, ConfigurationError, ManifestError) as error:
            print(error)
        except (httpx.TransportError, BotoCoreError) as error:
            print(f"The hub stopped answering in the middle of the demo ({type(error).__name__}): start it again.")
    return 1


@contextmanager
def hub_up(aws_port: int | None, erp_port: int | None) -> Iterator[tuple[Running, Config]]:
    """The hub that `make run` has up, or one that lives as long as the demo."""
    if running := noted():
        print(f"Using the hub that is up at {running.aws_url}.")
        yield running, load_stage(STAGE, Path(running.config_folder))
        return
    print("Starting the hub for the demo (`make run` in another terminal would keep it up).")
    environment = opened(aws_port, erp_port)
    environment.start()
    try:
        started = noted()
        if started is None:
            raise CannotStart("The hub went down while it started; see .local/aws/ministack.log.")
        yield started, environment.config
    finally:
        with deaf_to_signals():
            tell("Stopping the hub.")
            environment.stop()


def _run(running: Running, config: Config) -> int:
    if not running.erp_url:
        raise CannotStart(
            "The demo writes made-up orders, so it runs against the ERPNext stand-in only, and config/local.yaml names "
            "another ERPNext: set integrations.erp.url to http://127.0.0.1:8410 and run it again."
        )
    aws = _aws(running.aws_url)
    integration, flow_name, flow = _shopify_flow(config)
    shop = _shop(aws, running, config, integration)
    tale = story(integration, flow.settings, datetime.now(UTC))
    with client(running.erp_url) as erp:
        before = counts(erp, COUNTED)
        queues = _Queues(aws("sqs"), config, flow_name)
        history = LedgerHistory(aws("dynamodb"), names.ledger_table(config.stage))
        sent = _wait(_send(tale, shop), history, queues, integration)
        _show(sent)
        faults = [*_answers(sent), *_documents(tale, sent, erp), *_others(tale, erp, before)]
    return _verdict(tale, sent, faults)


def _aws(url: str) -> Callable[[str], Any]:
    session = boto3.Session(region_name=LOCAL_REGION, **local_credentials())  # type: ignore[arg-type]
    return lambda service: session.client(service, endpoint_url=url)  # type: ignore[call-overload]


def _shopify_flow(config: Config) -> tuple[str, str, Flow]:
    for name, integration in config.integrations.items():
        for flow_name, flow in config.flows_from(name).items():
            if integration.connector == "shopify":
                return name, flow_name, flow
    raise CannotStart("The demo needs a flow from a shopify integration; config/local.yaml has none.")


def _shop(aws: Callable[[str], Any], running: Running, config: Config, integration: str) -> Shop:
    spec, _ = read_webhook(manifest_path("shopify"))
    stack = aws("cloudformation").describe_stacks(StackName=names.stack(config.stage))["Stacks"][0]
    api_id = next(each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "ApiId")
    secret = aws("secretsmanager").get_secret_value(SecretId=names.secret(config.stage, integration))
    return Shop(
        url=local_api_url(running.aws_url, api_id) + names.webhook_path(integration),
        domain=config.integrations[integration].account,
        client_secret=json.loads(secret["SecretString"])[spec.signature.secret],
    )


def _send(tale: Story, shop: Shop) -> list[Sent]:
    began = time.monotonic()
    with httpx.Client(trust_env=False) as http:
        sent = [
            Sent(
                each,
                shop.deliver(each.topic, each.body, webhook_id=each.webhook_id, headers=each.headers, client=http),
            )
            for each in tale.deliveries
        ]
    print(f"{len(sent)} deliveries sent to {shop.url} in {time.monotonic() - began:.1f} s.")
    return sent


class _Queues:
    """A flow's queue and dead letter queue, and how many messages waited there before the demo."""

    def __init__(self, client: Any, config: Config, flow: str) -> None:
        self._client = client
        both = (names.queue(config.stage, flow), names.dead_letter_queue(config.stage, flow))
        self._urls = [client.get_queue_url(QueueName=name)["QueueUrl"] for name in both]
        self._before = self._waiting()

    def ours(self) -> int:
        """How many messages more there are than before."""
        return max(0, self._waiting() - self._before)

    def _waiting(self) -> int:
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(
            int(count)
            for url in self._urls
            for count in self._client.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"].values()
        )


def _wait(sent: list[Sent], history: LedgerHistory, queues: _Queues, integration: str) -> list[Sent]:
    """Until the queues are empty of ours and each accepted event has ended in the ledger, or the patience is."""
    began = time.monotonic()
    entities = {f"{integration}/{one.delivery.entity}" for one in sent}
    while True:
        ends = {each.event_id: each for entity in entities for each in history.of(entity)}
        sent = [Sent(one.delivery, one.answer, ends.get(one.answer.event or one.answer.webhook_id)) for one in sent]
        unended = sum(1 for one in sent if one.answer.event and one.ended is None)
        waiting, waited = queues.ours(), time.monotonic() - began
        if not unended and not waiting:
            print(f"All events have ended after {waited:.1f} s.")
            return sent
        if waited > WAIT_SECONDS:
            print(f"{unended} events have not ended after {waited:.0f} s; {waiting} messages wait on the queues.")
            return sent
        time.sleep(0.2)


def _show(sent: list[Sent]) -> None:
    table = Table("#", "delivery", "HTTP", "event id", "outcome", "document", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    first_with: dict[str, int] = {}
    for number, one in enumerate(sent, start=1):
        event = one.answer.event
        first = first_with.setdefault(event, number) if event else number
        outcome = one.ended.outcome if one.ended else ""
        table.add_row(
            str(number),
            one.delivery.title,
            Text(str(one.answer.status), style="green" if one.answer.status < 300 else "yellow"),
            f"{event[:8]}…" if event else "none",
            Text(outcome if first == number else f"see {first}", style=OUTCOME_STYLES.get(outcome, "")),
            Text(one.ended.name if one.ended else "", no_wrap=True),
        )
    Console().print(table)


def _answers(sent: list[Sent]) -> Iterator[str]:
    """What is wrong with the answers and outcomes."""
    for number, one in enumerate(sent, start=1):
        wanted, outcome = one.delivery, one.ended.outcome if one.ended else ""
        if one.answer.status != wanted.status:
            yield f"delivery {number}: answered {one.answer.status}, wanted {wanted.status}: {one.answer.text[:200]}"
        if outcome != wanted.outcome:
            why = one.ended.failure.message if one.ended and one.ended.failure else ""
            yield f"delivery {number}: ended {outcome or 'nowhere'}, wanted {wanted.outcome or 'nowhere'} {why}".rstrip()


def _documents(tale: Story, sent: list[Sent], erp: httpx.Client) -> Iterator[str]:
    """What is wrong with the documents of this run: missing, too many, saying something else, or not the ones that the
    ledger names."""
    customers = documents(erp, "Customer", tale.external_ids)
    orders = documents(erp, "Sales Order", tale.external_ids)
    key_of = {str(each["name"]): key for key, each in {**customers, **orders}.items()}
    found = {("Customer", key): customer_view(each) for key, each in customers.items()}
    found |= {("Sales Order", key): order_view(each, key_of) for key, each in orders.items()}
    for key in sorted(set(tale.documents) - set(found)):
        yield f"{key[0]} {key[1]} is missing"
    for key in sorted(set(found) - set(tale.documents)):
        yield f"{key[0]} {key[1]} must not exist"
    for key in sorted(set(found) & set(tale.documents)):
        for line in differences(exact(tale.documents[key]), found[key]):
            yield f"{key[0]} {key[1]}: {line}"
    for number, one in enumerate(sent, start=1):
        named = key_of.get(one.ended.name, one.ended.name) if one.ended else ""
        if named != one.delivery.document:
            yield f"delivery {number}: the ledger names {named or 'no document'}, wanted {one.delivery.document or 'none'}"


def _others(tale: Story, erp: httpx.Client, before: Mapping[str, int]) -> Iterator[str]:
    """What else has come or gone in ERPNext meanwhile."""
    after = counts(erp, COUNTED)
    for doctype in COUNTED:
        ours = sum(1 for kind, _ in tale.documents if kind == doctype)
        if after[doctype] - before[doctype] != ours:
            yield f"ERPNext has {after[doctype] - before[doctype]} more of {doctype} than before the demo, wanted {ours}"


def _verdict(tale: Story, sent: list[Sent], faults: list[str]) -> int:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if faults:
        console.print("ERPNext and the ledger are NOT as they must be:", style="bold red")
        for fault in faults:
            console.print(f"  ✗ {fault}", style="red")
        return 1
    kinds = {kind: sum(1 for each, _ in tale.documents if each == kind) for kind, _ in tale.documents}
    told = " and ".join(f"{count} {kind}s" for kind, count in kinds.items())
    console.print(
        f"✓ All {len(sent)} answers and outcomes are as they must be, and so are ERPNext's {told}:\n"
        "  every amount, line, status, amendment and link compared, nothing else written.",
        style="bold green",
    )
    return 0
