"""The hub's webhook and delivery functions, each in a process of its own, between an imitated AWS and ERPNext's stand-in."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config as ClientConfig

from benchmarks.lambda_process import Process
from benchmarks.orders import BUYERS, Sent, new_orders
from benchmarks.wire import LAMBDA_SERVICE, CountingAws
from hub import names
from hub.config import Config
from hub.pace import Pacing
from hub.settings import DeliverySettings, RetrySettings, WebhookSettings
from infra.configuration import load_stage
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.secrets import signing_secret, store_local_secrets
from infra.local.shopify import Shop
from infra.local.stand_in import TOKEN, set_up, stock
from infra.ownership import divided
from tests.api_gateway import api_gateway_request
from tests.ledger_table import table

STAGE, SOURCE, DESTINATION, FLOW = "local", "shop-eu", "erp", "shop-eu-to-erp"
BATCH = 10
REGION = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class HubAtTheWire:
    """`aws` counts; `erp.requests` lists what ERPNext was asked; `webhooks.log` and `delivery.log` hold what was logged.

    With `erp_url`, ERPNext is another process; with `functions` and `workers`, so many delivery functions with so many
    workers each run at the same time.
    """

    def __init__(self, erp_url: str = "", functions: int = 1, workers: int = 2) -> None:
        self._stack = ExitStack()
        self._erp_url = erp_url
        self._functions = functions
        self._workers = workers

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        config = load_stage(STAGE)
        self.aws = enter(CountingAws())
        if not self._erp_url:
            self.erp = enter(ErpNextStandIn(token=TOKEN))
            self._erp_url = self.erp.url
        set_up(self._erp_url)
        stock(self._erp_url)
        self._sqs: Any = self._client("sqs")
        self._dynamodb = self._client("dynamodb")
        self._dynamodb.create_table(**table(names.ledger_table(STAGE)))
        secrets = self._client("secretsmanager")
        for name in (SOURCE, DESTINATION):
            secrets.create_secret(Name=names.secret(STAGE, name), SecretString="{}")
        store_local_secrets(secrets, config, {DESTINATION})
        self.queue = self._queue(names.queue(STAGE, FLOW))
        variables = {"AWS_ENDPOINT_URL": self.aws.url, "POWERTOOLS_LOG_LEVEL": config.log_level, **REGION, **KEYS}
        self.webhooks = enter(Process("webhooks.main", self._webhook(config).to_env() | variables))
        delivery = self._delivery(config).to_env() | variables
        self.deliveries = [enter(Process("delivery.main", delivery)) for _ in range(self._functions)]
        self.delivery = self.deliveries[0]
        self._shop = Shop("", config.integrations[SOURCE].account, signing_secret(SOURCE))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def send(self, deliveries: Sequence[Sent]) -> None:
        """Have the webhook function take deliveries; fails unless each is acknowledged."""
        for each in deliveries:
            headers = self._shop.headers(each.topic, each.body, each.event)
            answer = self.webhooks.invoke(api_gateway_request(each.body, headers))
            assert answer["statusCode"] == 200, answer

    def deliver(self) -> int:
        """Have the delivery functions take what waits, in batches as the Lambda service would, until nothing does; how
        many invocations that was."""
        with ThreadPoolExecutor(self._functions) as pool:
            return sum(pool.map(self._poll, self.deliveries))

    def warm_up(self) -> None:
        """Let every function meet every customer, as it has in a steady state."""
        for number, function in enumerate(self.deliveries):
            self.send(new_orders(BUYERS, seed=1_000 + number))
            self._poll(function)

    def _poll(self, function: Process) -> int:
        """As the service does, receive the next batch while the function is at one."""
        with ThreadPoolExecutor(1) as poller:
            return self._work(function, poller)

    def _work(self, function: Process, poller: ThreadPoolExecutor) -> int:
        invocations, ahead = 0, poller.submit(self._received)
        while messages := ahead.result() or self._receive():
            ahead = poller.submit(self._received)
            answer = function.invoke({"Records": [_record(each) for each in messages]})
            stay = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            done = [each for each in messages if each["MessageId"] not in stay]
            entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(done)]
            if entries:
                self._sqs.delete_message_batch(QueueUrl=self.queue, Entries=entries)
            invocations += 1
        return invocations

    def _received(self) -> list[dict[str, Any]]:
        asked = {"QueueUrl": self.queue, "MaxNumberOfMessages": BATCH, "AttributeNames": ["All"]}
        return list(self._sqs.receive_message(**asked).get("Messages", []))

    def _receive(self) -> list[dict[str, Any]]:
        """The next messages; none once none is left, be it hidden until its next try."""
        while True:
            if found := self._received():
                return found
            hidden = self._sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])["Attributes"]
            if not int(hidden["ApproximateNumberOfMessagesNotVisible"]):
                return []
            time.sleep(0.05)

    def forget(self) -> None:
        """Count from nothing."""
        self.aws.forget()
        self.erp.clear_requests()

    def outcomes(self) -> list[str]:
        """How the events in the ledger ended."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=names.ledger_table(STAGE))
        return [item["outcome"]["S"] for page in pages for item in page["Items"] if "outcome" in item]

    def _client(self, service: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.aws.url,
            region_name=REGION["AWS_REGION"],
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - an imitation takes any
            config=ClientConfig(user_agent_extra=LAMBDA_SERVICE),
        )

    def _queue(self, name: str) -> str:
        attributes = {"FifoQueue": "true", "VisibilityTimeout": "720"}
        url: str = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def _webhook(self, config: Config) -> WebhookSettings:
        return WebhookSettings(
            stage=STAGE,
            integration=SOURCE,
            connector=config.integrations[SOURCE].connector,
            secret_id=names.secret(STAGE, SOURCE),
            queue_urls=[self.queue],
            bodies_bucket="bodies",
            ledger_table=names.ledger_table(STAGE),
            account=config.integrations[SOURCE].account,
        )

    def _delivery(self, config: Config) -> DeliverySettings:
        flow, destination = config.flows[FLOW], config.integrations[DESTINATION]
        division = divided(config, flow)
        return DeliverySettings(
            stage=STAGE,
            flow=FLOW,
            source_connector=config.integrations[SOURCE].connector,
            destination=DESTINATION,
            destination_connector=destination.connector,
            destination_url=self._erp_url,
            destination_secret_id=names.secret(STAGE, DESTINATION),
            queue_url=self.queue,
            dead_letter_queue_url=self._queue(names.dead_letter_queue(STAGE, FLOW)),
            ledger_table=names.ledger_table(STAGE),
            bodies_bucket="bodies",
            actions=division.actions,
            flow_settings=division.settings(flow),
            left=division.left,
            max_concurrency=self._functions,
            workers=self._workers,
            retry=RetrySettings(base_seconds=0.5, cap_seconds=4.0),  # nobody would wait for the usual minutes
            pacing=Pacing.of(self._functions * self._workers, None, destination.pacing.slow_call_seconds),
        )


def _record(message: dict[str, Any]) -> dict[str, Any]:
    """A message as the event source mapping hands it over."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "awsRegion": REGION["AWS_REGION"],
    }
