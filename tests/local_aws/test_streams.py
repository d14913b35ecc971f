"""A source that is read by the deployed hub: whatever goes wrong on the way, ERPNext says in the end what it says."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.accepted_lines import QUEUED, AcceptedLines
from adapters.ledger_history import LedgerHistory
from hub import names
from infra.configuration import load_stage
from infra.streams import reconciliations_of, streams_of
from tests.local_aws.crm import CRM, CRM_FLOW, STREAM, CrmServer
from tests.local_aws.hub import STAGE, LocalHub, wait_for
from tests.scripted_source import Fault, status, truncated


@pytest.fixture
def request_of_the_stream(config_folder: Path) -> bytes:
    """What a schedule would send."""
    return json.dumps(streams_of(load_stage(STAGE, config_folder), CRM)[STREAM].to_request()).encode()


def read_once(hub: LocalHub, request: bytes) -> dict[str, Any]:
    """Run the stream's function."""
    answer = hub.aws.client("lambda").invoke(FunctionName=names.sync_function(STAGE, CRM), Payload=request)
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told


def settle(hub: LocalHub) -> None:
    wait_for(lambda: True if hub.waiting(CRM_FLOW) == 0 else None, "the queue is not empty")


def queued(hub: LocalHub, since: datetime) -> set[tuple[str, str]]:
    """Entity and id of each event that the log of the stream's function says was queued."""
    lines = AcceptedLines(hub.aws.client("logs"), names.sync_function(STAGE, CRM), QUEUED)
    return {each.key for each in lines.between(since, datetime.now(UTC) + timedelta(minutes=1))}


def contacts(hub: LocalHub) -> dict[str, tuple[str, int]]:
    """Key → name and whether it is disabled, of every Customer that a contact has become."""
    found: dict[str, tuple[str, int]] = {}
    for each in hub.erp.documents("Customer"):
        mark = str(each.get("hub_external_id") or "")
        if mark.startswith(f"{CRM}:contact:"):
            key = mark.removeprefix(f"{CRM}:contact:")
            assert key not in found, f"{key} has two documents"
            found[key] = (each["customer_name"], each["disabled"])
    return found


def test_what_is_read_in_spite_of_faults_is_what_the_source_says(
    hub: LocalHub, crm: CrmServer, request_of_the_stream: bytes
) -> None:
    source, began = crm.source, datetime.now(UTC) - timedelta(minutes=30)
    for number in range(30):
        source.write(f"{number:03}", f"Contact {number}", began + timedelta(seconds=40 * number))
    down: Fault = status(503)
    source.script = {2: truncated} | dict.fromkeys(range(3, 6), down)

    first = read_once(hub, request_of_the_stream)
    source.write("007", "Contact 7, renamed")
    source.write("003", "Contact 3")
    source.rows["003"]["gone"] = True
    source.write("030", "")  # which its document requires
    source.script = {source.requests + 2: truncated}
    second = read_once(hub, request_of_the_stream)
    settle(hub)
    third = read_once(hub, request_of_the_stream)

    assert (first["state"], "503" in first["reason"]) == ("failed", True)
    assert (second["state"], third["state"], third["queued"]) == ("ended", "ended", 0)
    assert contacts(hub) == {
        key: (row["content"], int(row.get("gone", False))) for key, row in source.rows.items() if key != "030"
    }
    [end] = hub.ends(f"{CRM}/contact/030")
    assert end.failure
    assert (end.outcome, end.failure.code) == ("dead", "RowDoesNotFit")
    assert end.failure.message.startswith("contacts: customer_name (from content) is empty, and required.")


def test_what_changed_in_silence_is_found_by_the_next_reconciliation_and_told(
    hub: LocalHub, crm: CrmServer, request_of_the_stream: bytes, config_folder: Path
) -> None:
    [asked] = reconciliations_of(load_stage(STAGE, config_folder), CRM)[STREAM]
    request = json.dumps(json.loads(request_of_the_stream) | {"reconcile": asked.to_request()}).encode()
    at, began = datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC)
    crm.source.write("silent", "Grace", at)
    read_once(hub, request_of_the_stream)
    settle(hub)
    read = wait_for(lambda: queued(hub, began), "the log does not name what was read")
    before = read_once(hub, request)
    crm.source.write("silent", "Hopper", at)

    after = read_once(hub, request)

    ended = LedgerHistory(hub.aws.client("dynamodb"), names.ledger_table(STAGE)).outcomes(CRM_FLOW, list(read))
    assert f"{CRM}/contact/silent" in [entity for entity, _ in read]
    assert set(ended) == read
    assert (before["state"], after["state"]) == ("ended", "ended"), (before, after)
    assert after["differences"] == before["differences"] + 1
    assert f"differs  {CRM}/contact/silent" in hub.notice_about(f"differs  {CRM}/contact/silent")
