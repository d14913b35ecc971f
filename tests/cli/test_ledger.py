"""What a ledger has lost comes back from a table that AWS restored; what it says stays."""

from typing import Any

import pytest

from hub import names
from tests.cli.conftest import STAGE, Stage
from tests.ledger_table import table

LEDGER, COPY = names.ledger_table(STAGE), "ledger-as-of-yesterday"


def item(entity: str, record: str, outcome: str) -> dict[str, Any]:
    return {"entity": {"S": entity}, "record": {"S": record}, "outcome": {"S": outcome}}


class Tables:
    """The ledger of a stage and a copy of what it was."""

    def __init__(self, stage: Stage) -> None:
        stage.deploy()
        self.stage, self.dynamodb = stage, stage.client("dynamodb")
        self.dynamodb.create_table(**table(COPY))

    def put(self, name: str, *items: dict[str, Any]) -> None:
        for each in items:
            self.dynamodb.put_item(TableName=name, Item=each)

    def ledger(self) -> dict[tuple[str, str], str]:
        found = self.dynamodb.scan(TableName=LEDGER)["Items"]
        return {(each["entity"]["S"], each["record"]["S"]): each["outcome"]["S"] for each in found}

    def restore(self, source: str = COPY, *options: str, stdin: str = "") -> Any:
        return self.stage.hub("ledger", "restore", "--from", source, *options, stdin=stdin)


@pytest.fixture
def tables(stage: Stage) -> Tables:
    return Tables(stage)


def test_what_is_lacking_comes_back_and_what_is_there_stays(tables: Tables) -> None:
    tables.put(COPY, *(item("shop-eu/order/1", f"flow#{number}", "applied") for number in range(300)))
    tables.put(LEDGER, item("shop-eu/order/1", "flow#7", "discarded"))
    assert "299 brought back, 1 were there, 0 left out" in tables.restore(COPY, "--yes").output
    said = tables.ledger()
    assert len(said) == 300
    assert said["shop-eu/order/1", "flow#7"] == "discarded"


def test_it_may_be_repeated(tables: Tables) -> None:
    tables.put(COPY, item("shop-eu/order/1", "flow#1", "applied"))
    tables.restore(COPY, "--yes")
    assert "0 brought back, 1 were there" in tables.restore(COPY, "--yes").output


def test_how_a_destination_was_then_is_left_out(tables: Tables) -> None:
    tables.put(COPY, item("destination/erp", "breaker", "open"))
    assert "0 brought back, 0 were there, 1 left out" in tables.restore(COPY, "--yes").output
    assert tables.ledger() == {}


def test_without_a_yes_nothing_is_copied(tables: Tables) -> None:
    tables.put(COPY, item("shop-eu/order/1", "flow#1", "applied"))
    assert tables.restore(COPY, stdin="n\n").exit_code == 1
    assert tables.ledger() == {}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (LEDGER, "is the ledger itself"),
        (
            "nowhere",
            "restore-table-to-point-in-time --source-table-name hub-staging-ledger --target-table-name nowhere",
        ),
        ("accounts", "is no copy of a ledger: its key is name"),
    ],
)
def test_a_wrong_table_is_refused(tables: Tables, source: str, told: str) -> None:
    tables.dynamodb.create_table(
        TableName="accounts",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    result = tables.restore(source, "--yes")
    assert result.exit_code == 1
    assert told in " ".join(result.output.split())


@pytest.mark.parametrize("source", [names.trail_table(STAGE), names.ledger_table("another")])
def test_no_table_that_a_hub_uses_is_taken_for_a_copy(tables: Tables, source: str) -> None:
    done = tables.restore(source, "--yes")

    assert done.exit_code == 1
    assert f"{source} is a hub's own table" in done.stderr
