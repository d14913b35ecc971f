"""Breakers in DynamoDB, and the mappings that they open and close."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from adapters.breakers import DynamoBreakers
from adapters.valves import LambdaValves, pause_key, wake
from hub.breaker import Breaker, Limits, State, met_by, probed, struck
from hub.errors import LedgerUnavailable, Temporary
from tests.fakes import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FLOW, FUNCTION = "shop-eu-to-erp", "hub-x-delivery-shop-eu-to-erp"


def test_a_breaker_that_was_never_written_is_closed(dynamodb: "DynamoDBClient", table: str) -> None:
    assert DynamoBreakers(dynamodb, table).read("erp") == Breaker()


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_a_breaker_is_read_as_it_was_written(dynamodb: "DynamoDBClient", table: str, rounds: int) -> None:
    breakers, limits = DynamoBreakers(dynamodb, table), Limits()
    breaker = met_by(struck(Breaker(), 5, "503 – Wartung", NOW, limits), FLOW, 8)
    for minute in range(rounds):
        breaker = probed(breaker, "still", NOW + timedelta(minutes=minute), limits)

    assert breakers.write("erp", replace(breaker, told=State.OPEN))
    read = breakers.read("erp")

    assert (read.state, read.strikes, read.reason, read.probes) == (
        State.OPEN,
        breaker.strikes,
        breaker.reason,
        breaker.probes,
    )
    assert (read.changed_at, read.probe_at, read.version) == (breaker.changed_at, breaker.probe_at, breaker.version + 1)
    assert (read.flows, read.told) == ({FLOW: 8}, State.OPEN)
    assert breakers.read("other") == Breaker()


def test_of_two_writers_who_read_the_same_only_one_writes(dynamodb: "DynamoDBClient", table: str) -> None:
    breakers, limits = DynamoBreakers(dynamodb, table), Limits()
    for _ in range(3):
        read = breakers.read("erp")

        written = [breakers.write("erp", struck(read, 1, reason, NOW, limits)) for reason in ("one", "two")]

        assert written == [True, False]
        assert breakers.read("erp").reason == "one"


class Unreachable:
    """AWS without a network."""

    def __getattr__(self, name: str) -> Any:
        def refuse(**_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://aws")

        return refuse


def test_a_breaker_that_cannot_be_reached_is_told_so() -> None:
    client: Any = Unreachable()
    breakers = DynamoBreakers(client, "table")

    with pytest.raises(LedgerUnavailable):
        breakers.read("erp")
    with pytest.raises(LedgerUnavailable):
        breakers.write("erp", Breaker())


@dataclass
class FakeLambda:
    """One mapping of one function, as Lambda shows and changes it."""

    state: str = "Enabled"
    concurrency: int = 8
    updates: list[dict[str, Any]] = field(default_factory=list)
    exists: bool = True
    invoked: list[str] = field(default_factory=list)

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - AWS's own name
        assert FunctionName == FUNCTION
        scaling = {"MaximumConcurrency": self.concurrency}
        found = [{"UUID": "u-1", "State": self.state, "ScalingConfig": scaling}]
        return {"EventSourceMappings": found if self.exists else []}

    def update_event_source_mapping(self, **change: Any) -> None:
        self.updates.append(change)

    def invoke(self, **how: Any) -> None:
        self.invoked.append(how["FunctionName"])


def valves(client: Any, dynamodb: "DynamoDBClient", table: str) -> LambdaValves:
    return LambdaValves(client, dynamodb, table, "x")


@pytest.mark.parametrize(
    ("state", "concurrency", "wanted", "changes"),
    [
        ("Enabled", 8, (False, 2), True),
        ("Enabled", 8, (True, 8), False),
        ("Enabled", 8, (True, 2), True),
        ("Disabled", 2, (True, 2), True),
        ("Disabled", 8, (False, 2), False),
        ("Disabling", 8, (False, 2), False),
        ("Enabling", 2, (True, 2), False),
    ],
)
def test_a_flow_is_changed_only_where_it_differs(
    dynamodb: "DynamoDBClient", table: str, state: str, concurrency: int, wanted: tuple[bool, int], changes: bool
) -> None:
    client = FakeLambda(state, concurrency)

    changed = valves(client, dynamodb, table).set(FLOW, enabled=wanted[0], max_concurrency=wanted[1])

    assert changed == changes
    change = {"UUID": "u-1", "Enabled": wanted[0], "ScalingConfig": {"MaximumConcurrency": wanted[1]}}
    assert client.updates == ([change] if changes else [])


def test_a_flow_that_a_person_paused_stays_paused(dynamodb: "DynamoDBClient", table: str) -> None:
    dynamodb.put_item(TableName=table, Item={**pause_key(FLOW), "by": {"S": "ann"}, "reason": {"S": "x"}})
    client = FakeLambda("Disabled", 2)

    changed = valves(client, dynamodb, table).set(FLOW, enabled=True, max_concurrency=8)

    assert (changed, client.updates) == (False, [])


def test_a_flow_that_nothing_reads_is_told_so(dynamodb: "DynamoDBClient", table: str) -> None:
    with pytest.raises(Temporary, match="nothing reads the queue of shop-eu-to-erp: deploy the stage again"):
        valves(FakeLambda(exists=False), dynamodb, table).set(FLOW, enabled=True, max_concurrency=8)


def test_what_aws_refuses_is_tried_again_later(dynamodb: "DynamoDBClient", table: str) -> None:
    class Refusing(FakeLambda):
        def update_event_source_mapping(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "ResourceInUseException"}}, "UpdateEventSourceMapping")

    with pytest.raises(Temporary, match="ResourceInUseException"):
        valves(Refusing(), dynamodb, table).set(FLOW, enabled=False, max_concurrency=2)


def test_waking_is_a_wish_and_no_condition() -> None:
    client: Any = FakeLambda()
    wake(client, "hub-x-breaker-erp")
    unreachable: Any = Unreachable()
    wake(unreachable, "hub-x-breaker-erp")

    assert client.invoked == ["hub-x-breaker-erp"]
