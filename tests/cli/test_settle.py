"""A person who has looked at the destination ends what waits for them: it was done, or it is done once more."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from adapters.claims import DynamoClaims
from adapters.dynamodb import DynamoLedger
from adapters.parking import DynamoWaitingRoom
from hub import names
from hub.events import Event, from_json
from hub.ledger import A_PERSON, Entry, Outcome, Parking
from hub.once import ClaimKey
from tests.cli.conftest import STAGE, Stage
from tests.fakes import an_event

FLOW, ORDER = "shop-eu-to-chat", "shop-eu/order/1001"
KEY = ClaimKey(FLOW, "post_order_message", ORDER, "e1")
AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
EVENT = an_event("e1", ORDER, received_at=AT, event_type="shopify.orders/create")


class Chat:
    """A stage with a flow to a chat, in which one event waits."""

    def __init__(self, stage: Stage) -> None:
        content = yaml.safe_load(stage.config.read_text())
        content["integrations"]["chat"] = {"connector": "slack"}
        content["flows"][FLOW] = {"source": "shop-eu", "destination": "chat", "settings": {"channel": "#orders"}}
        stage.write(content)
        stage.deploy()
        self.stage, self.table = stage, names.ledger_table(STAGE)
        self.dynamodb: Any = stage.client("dynamodb")
        self.ledger = DynamoLedger(self.dynamodb, self.table, 90)
        self.claims = DynamoClaims(self.dynamodb, self.table, 90, lambda: datetime.now(UTC))
        self.sqs: Any = stage.client("sqs")
        attributes = {"FifoQueue": "true"}
        self.queue = self.sqs.create_queue(QueueName=names.queue(STAGE, FLOW), Attributes=attributes)["QueueUrl"]

    def park(self, waits_for: str = A_PERSON) -> None:
        self.claims.take(KEY)
        parking = Parking("chat", waits_for, AT, AT + timedelta(days=1))
        self.ledger.record([Entry(FLOW, EVENT, Outcome.PARKED, 1, AT, rule="is unknown", parking=parking)], [])

    def settle(self, *options: str, event: str = "e1") -> Any:
        return self.stage.hub("events", "settle", ORDER, event, "--flow", FLOW, "--reason", "I looked", *options)

    def listed(self) -> int:
        return sum(len(page) for page in DynamoWaitingRoom(self.dynamodb, self.table, "chat").pages())

    def sent(self) -> list[Event]:
        got = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [from_json(message["Body"]) for message in got.get("Messages", [])]


@pytest.fixture
def chat(stage: Stage) -> Chat:
    return Chat(stage)


def test_what_was_done_ends_as_applied_by_whom_and_why(chat: Chat) -> None:
    chat.park()

    result = chat.settle("--done")

    assert (result.exit_code, result.stdout) == (0, "e1 is recorded as applied.\n")
    (shown,) = json.loads(chat.stage.hub("events", "show", ORDER, "--json").stdout)
    assert (shown["outcome"], shown["waits_for"]) == ("applied", "")
    assert shown["rule"].startswith("settled by ")
    assert shown["rule"].endswith(": I looked")
    written = chat.claims.take(KEY).written
    assert written  # a replay by hand finds it done
    assert written.rule == shown["rule"]
    assert not chat.listed()
    assert not chat.sent()


def test_what_was_not_done_is_claimed_no_longer_and_sent_again(chat: Chat) -> None:
    chat.park()

    result = chat.settle("--again")

    (sent,) = chat.sent()
    assert result.exit_code == 0
    assert (sent.id, sent.subject, sent.data, sent.replay_of) == ("e1", ORDER, EVENT.data, None)
    assert chat.claims.take(KEY).is_new
    assert chat.listed() == 1  # until it has ended


def test_what_waits_for_a_parent_is_not_settled(chat: Chat) -> None:
    chat.park("shop-eu/order/7")

    result = chat.settle("--again")

    assert result.exit_code == 1
    assert "e1 waits for shop-eu/order/7, not for a person" in result.stderr
    assert not chat.sent()


def test_what_has_ended_is_not_settled(chat: Chat) -> None:
    chat.ledger.record([Entry(FLOW, EVENT, Outcome.APPLIED, 1, AT)], [])

    result = chat.settle("--done")

    assert (result.exit_code, result.stderr) == (1, "e1 is applied and waits for nobody: there is nothing to settle.\n")


def test_an_event_that_is_not_there_is_one_sentence(chat: Chat) -> None:
    result = chat.settle("--done", event="e9")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"The ledger knows no event e9 of {ORDER} in this flow")


def test_whether_it_was_done_must_be_said(chat: Chat) -> None:
    chat.park()

    result = chat.settle()

    assert result.exit_code == 1
    assert result.stderr.startswith("Say whether it was done: --done")
    assert chat.listed() == 1


@pytest.mark.parametrize(
    ("waits_for", "shown"),
    [(A_PERSON, "waits for a person: is unknown"), (ORDER, f"waits for {ORDER} until 2026-01-02 12:00: is unknown")],
)
def test_an_events_history_says_what_it_waits_for(chat: Chat, waits_for: str, shown: str) -> None:
    chat.park(waits_for)

    assert f"1  event e1\n     {shown}\n" in chat.stage.hub("events", "show", ORDER).stdout
