"""A person tries a file, puts it into the inbox and sees what became of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import STAGE, Stage

BUCKET = "files-of-the-stage"
COLUMNS = {"sku": "text", "price": "money"}


@pytest.fixture
def prices(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with an integration of files, deployed."""
    content: dict[str, Any] = yaml.safe_load(stage.config.read_text())
    streams = {name: {"settings": {"key": "sku", "columns": COLUMNS}} for name in ("prices", "stock")}
    content["integrations"]["lists"] = {"connector": "csv", "streams": streams}
    one = {"prices": streams["prices"]}
    content["integrations"]["list"] = {"connector": "csv", "streams": one}
    stage.write(content)
    stage.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    monkeypatch.setattr("cli.stage.Stage.outputs", lambda _: {"FilesBucket": BUCKET})
    return stage


def a_file(folder: Path, text: str) -> str:
    path = folder / "prices.csv"
    path.write_text(text)
    return str(path)


def test_a_file_is_tried_before_it_is_put(prices: Stage, tmp_path: Path) -> None:
    result = prices.hub("files", "check", a_file(tmp_path, "sku;price\nA;1\nB;x\n"), "--integration", "list")

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "prices.csv (encoding utf-8, delimiter ;): 1 rows good, 1 bad",
        "  row 3: price: is no number with decimal sign '.'",
    ]
    assert prices.hub("files", "check", a_file(tmp_path, "sku,price\nA,1\n"), "--integration", "list").exit_code == 0


def test_a_file_that_would_be_refused_is_told(prices: Stage, tmp_path: Path) -> None:
    result = prices.hub("files", "check", a_file(tmp_path, "sku\nA\n"), "--integration", "list")

    assert result.exit_code == 1
    assert "would be refused: the header lacks the column 'price'" in result.output


def test_a_file_goes_into_its_streams_inbox(prices: Stage, tmp_path: Path) -> None:
    prices.deploy()
    file = a_file(tmp_path, "sku,price\nA,1\n")
    prices.hub("files", "put", file, "--integration", "list")
    prices.hub("files", "put", file, "--integration", "lists", "--stream", "stock", "--again")

    s3 = prices.client("s3")
    first = s3.get_object(Bucket=BUCKET, Key="inbox/list/prices/prices.csv")
    second = s3.get_object(Bucket=BUCKET, Key="inbox/lists/stock/prices.csv")
    assert first["Body"].read() == b"sku,price\nA,1\n"
    assert first["Metadata"] == {}
    assert second["Metadata"]["hub-again"]


def test_what_became_of_files_is_listed_latest_first(prices: Stage) -> None:
    s3 = prices.client("s3")
    s3.put_object(Bucket=BUCKET, Key="inbox/list/waits.csv", Body=b"x")
    for number, state in enumerate(("processed", "refused")):
        folder = "rejected" if state == "refused" else "processed"
        summary = {"state": state, "uploaded_as": f"inbox/list/{state}.csv", "good": 1,
                   "arrived_at": f"2026-01-0{number + 1}T00:00:00+00:00", "reason": f"because {state}"}  # fmt: skip
        key = f"{folder}/list/2026010{number + 1}T000000Z-x/{state}.csv.summary.json"
        s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(summary).encode())

    listed = json.loads(prices.hub("files", "list", "--json").stdout)

    assert [each["state"] for each in listed] == ["waits", "refused", "processed"]
    assert "because refused" in prices.hub("files", "list", "--integration", "list").output
    assert len(json.loads(prices.hub("files", "list", "--limit", "1", "--json").stdout)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--integration", "nobody"], "has no integration 'nobody'"),
        (["--integration", "shop-eu"], "shop-eu takes no files"),
        (["--integration", "lists"], "several streams: add --stream with one of prices, stock"),
        (["--integration", "lists", "--stream", "x"], "no stream 'x'"),
    ],
)
def test_what_cannot_be_is_told_with_a_remedy(prices: Stage, tmp_path: Path, arguments: list[str], says: str) -> None:
    for command in ("put", "check"):
        result = prices.hub("files", command, a_file(tmp_path, "sku,price\nA,1\n"), *arguments)

        assert result.exit_code == 1
        assert says in " ".join(result.output.split())


def test_a_stage_without_files_says_so(stage: Stage) -> None:
    result = stage.hub("files", "list")

    assert f"Stage {STAGE} has no integration that takes files" in " ".join(result.output.split())
