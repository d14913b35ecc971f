"""`hub ledger`: bring back what the ledger has lost, from a table that AWS restored to an earlier moment."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.console import Console

from cli.failure import Failed
from cli.flow import told
from cli.stage import ConfigOption, StageOption, open_stage
from cli.trail import WhyOption, noted
from hub import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AT_ONCE = 8  # writes in flight
PORTION = 200  # items between two lines of progress
OF_THE_MOMENT = "destination/"  # how the keys begin of breakers and paces: they say how a destination was then
OF_A_HUB = re.compile(r"hub-[a-z0-9]+-(ledger|trail)")  # another stage's, or a trail, whose keys are alike

app = typer.Typer(help="The ledger's table.", no_args_is_help=True)


@dataclass
class Brought:
    """What a restoration has done so far."""

    back: int = 0
    kept: int = 0
    left: int = 0

    def __str__(self) -> str:
        return f"{self.back} brought back, {self.kept} were there, {self.left} left out"


@app.command("restore")
def restore(
    source: Annotated[str, typer.Option("--from", help="The table that AWS restored, beside the ledger.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: WhyOption = "",
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Copy into the ledger what it lacks and another table has. What the ledger says stays as it is, so this can be
    interrupted and repeated at any time, also while the hub works. Breakers and paces are left out."""
    opened = open_stage(stage, config)
    ledger = names.ledger_table(opened.name)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with told(opened):
        if source == ledger:
            raise Failed(f"{source} is the ledger itself: name the table that AWS restored beside it.")
        if OF_A_HUB.fullmatch(source):
            raise Failed(
                f"{source} is a hub's own table, no copy of {ledger}: name the one that AWS restored beside it."
            )
        dynamodb = opened.dynamodb()
        _check(dynamodb, ledger, source)
        if not yes:
            typer.confirm(f"Copy into {ledger} what it lacks and {source} has?", abort=True)
        noted(opened, "ledger restore", ledger, reason, source=source)
        brought = Brought()
        items = _items(dynamodb, source)
        with ThreadPoolExecutor(AT_ONCE) as writers:
            while portion := list(islice(items, PORTION)):
                wanted = [item for item in portion if not item["entity"]["S"].startswith(OF_THE_MOMENT)]
                brought.left += len(portion) - len(wanted)
                for is_new in writers.map(partial(_put, dynamodb, ledger), wanted):
                    brought.back += is_new
                    brought.kept += not is_new
                console.print(f"{brought} …")
    typer.echo(f"{ledger}: {brought}.")


def _check(dynamodb: "DynamoDBClient", ledger: str, source: str) -> None:
    try:
        table = dynamodb.describe_table(TableName=source)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise Failed(
                f"There is no table {source}. Have AWS restore one: aws dynamodb restore-table-to-point-in-time "
                f"--source-table-name {ledger} --target-table-name {source} …"
            ) from error
        raise
    key = [(part["AttributeName"], part["KeyType"]) for part in table["KeySchema"]]
    if key != [("entity", "HASH"), ("record", "RANGE")]:
        raise Failed(f"{source} is no copy of a ledger: its key is {', '.join(name for name, _ in key)}.")
    if table["TableStatus"] != "ACTIVE":
        raise Failed(f"{source} is {table['TableStatus']}: wait until AWS has restored it, then run this again.")


def _items(dynamodb: "DynamoDBClient", source: str) -> Iterator[dict[str, Any]]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=source):
        yield from page["Items"]


def _put(dynamodb: "DynamoDBClient", ledger: str, item: dict[str, Any]) -> bool:
    """Whether the ledger lacked it."""
    try:
        dynamodb.put_item(TableName=ledger, Item=item, ConditionExpression="attribute_not_exists(entity)")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True
