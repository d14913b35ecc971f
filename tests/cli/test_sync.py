"""`hub sync`: the commands against the real sync function, whose source and queue are imitated."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import yaml

from adapters.cursors import RECONCILIATION, DynamoCursors
from cli.sync import Streaming, show
from hub import names
from hub.backfill import Filling
from hub.events import timestamp_version
from hub.streams import Ask
from tests.cli.conftest import Stage
from tests.fakes import NOW
from tests.handlers.s3_bucket import Bucket
from tests.handlers.stream_world import StreamWorld

CONTACTS = {
    "every": "15 minutes",
    "settings": {"path": "/contacts", "version": {"field": "updated_at"}, "page": {"style": "none"}},
}
NUMBERS = {"cursor": "integer", "settings": CONTACTS["settings"]}

CUSTOMER = {"doctype": "Customer", "fields": {"customer_name": "name"}}


def at(hours: float) -> str:
    return timestamp_version((NOW - timedelta(hours=48) + timedelta(hours=hours)).isoformat())


@dataclass
class Synced:
    """A stage that reads contacts, its source, and the functions that commands start: they run at once."""

    stage: Stage
    world: StreamWorld
    started: list[Any] = field(default_factory=list)

    def invoke(self, _client: Any, function: str, request: dict[str, Any]) -> None:
        assert function == names.sync_function(self.stage.name, "crm")
        self.started.append(json.loads(json.dumps(request)))
        self.world.run(request)
        self.world.run_all()

    def hub(self, *arguments: str, stdin: str = "") -> Any:
        return self.stage.hub("sync", *arguments, stdin=stdin)

    def status(self) -> dict[str, Any]:
        told: list[dict[str, Any]] = json.loads(self.hub("status", "--json").stdout)
        return next(each for each in told if each["stream"] == "contacts")


@pytest.fixture
def synced(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Synced:
    content = yaml.safe_load(stage.config.read_text())
    compared = CONTACTS | {"compare": "1 day", "orphans": {"max_per_run": 2, "max_share": 0.5}}
    content["integrations"]["crm"] = {
        "connector": "generic_rest",
        "url": "https://crm.example.com",
        "streams": {"contacts": compared, "numbers": NUMBERS},
    }
    content["flows"]["crm-to-erp"] = {
        "source": "crm",
        "destination": "erp",
        "settings": {"time_zone": "UTC", "documents": {"contacts": CUSTOMER, "numbers": CUSTOMER}},
    }
    stage.write(content)
    stage.deploy()
    made = Synced(stage, StreamWorld(stage.client("dynamodb"), names.ledger_table(stage.name), Bucket()))
    for number in range(12):
        made.world.write(str(number), at(number))
    monkeypatch.setattr("cli.sync.invoke_later", made.invoke)
    monkeypatch.setattr("cli.sync.time.sleep", lambda _: None)
    return made


def test_a_stream_is_run_watched_and_told(synced: Synced) -> None:
    assert synced.status()["state"] == "never"

    result = synced.hub("run", "crm", "contacts", "--wait")

    assert result.exit_code == 0, result.output
    assert result.stdout == "crm/contacts is read: 12 rows listed, 12 queued.\n"
    told = synced.status()
    assert (told["state"], told["watermark"], told["rows"], told["queued"]) == ("idle", at(11), 12, 12)
    assert told["schedule"] == "rate(15 minutes)"


def test_a_run_that_fails_is_told_with_its_reason(synced: Synced) -> None:
    from hub.errors import Refused

    def refuses(_ask: Ask) -> None:
        raise Refused("crm/contacts: HTTP 404")

    synced.world.before = refuses

    result = synced.hub("run", "crm", "contacts", "--wait")

    assert result.exit_code == 1
    assert "The run of crm/contacts failed: Refused: crm/contacts: HTTP 404" in result.stderr
    assert (synced.status()["state"], synced.status()["why"]) == ("failed", "Refused: crm/contacts: HTTP 404")


def test_a_paused_stream_is_not_run_until_it_is_resumed(synced: Synced) -> None:
    assert synced.hub("pause", "crm", "contacts", "--reason", "the crm migrates").exit_code == 0

    refused = synced.hub("run", "crm", "contacts")
    filled = synced.hub("backfill", "crm", "contacts", "--from", at(0))

    assert refused.exit_code == filled.exit_code == 1
    assert "the crm migrates; `hub sync resume crm contacts` first" in refused.stderr
    assert (synced.status()["state"], synced.started) == ("paused", [])
    synced.hub("resume", "crm", "contacts")
    assert synced.hub("run", "crm", "contacts", "--wait").exit_code == 0
    assert len(synced.world.queued) == 12


def test_only_a_reset_moves_a_cursor_back_and_it_is_recorded(synced: Synced) -> None:
    synced.hub("run", "crm", "contacts", "--wait")

    kept = synced.hub("reset", "crm", "contacts", "--to", at(3), "--reason", "lost a day", stdin="n\n")
    assert kept.exit_code == 1
    assert synced.status()["watermark"] == at(11)
    done = synced.hub("reset", "crm", "contacts", "--to", at(3), "--reason", "lost a day", "--yes")

    assert done.exit_code == 0, done.output
    assert synced.status()["watermark"] == at(3)
    assert synced.status()["reset"].startswith("was set from 2025-12-30 23:00:00 to 2025-12-30 15:00:00 by ")
    assert synced.status()["reset"].endswith(": lost a day")
    before = len(synced.world.queued)
    synced.hub("run", "crm", "contacts", "--wait")
    assert len(synced.world.queued) - before == 9  # from 3 on: the same events once more, which end once
    synced.hub("reset", "crm", "contacts", "--from-start", "--reason", "all", "--yes")
    assert synced.status()["watermark"] == ""


def test_a_stream_that_is_being_read_cannot_be_reset(synced: Synced) -> None:
    from adapters.cursors import DynamoCursors
    from adapters.late import utc_now

    DynamoCursors(synced.stage.client("dynamodb"), names.ledger_table("staging")).take(
        "crm/contacts", "a run", utc_now()
    )

    result = synced.hub("reset", "crm", "contacts", "--from-start", "--reason", "all", "--yes")

    assert result.exit_code == 1
    assert "is being read: `hub sync pause crm contacts`" in result.stderr
    assert synced.status()["state"] == "reading"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "crm", "nothing"), "crm has no stream 'nothing' in stage staging; it has: contacts, numbers."),
        (("run", "shop", "orders"), "Stage staging has no integration 'shop'"),
        (("pause", "crm", "contacts", "--reason", " "), "--reason is empty"),
        (("reset", "crm", "contacts", "--reason", "x"), "either --to or --from-start"),
        (("reset", "crm", "contacts", "--reason", "x", "--to", "soon"), "--to 'soon' is no time"),
        (("reset", "crm", "numbers", "--reason", "x", "--to", "soon"), "--to 'soon' is no whole number"),
        (("run", "crm", "numbers", "--compare"), "its configuration must state `compare`"),
        (("approve", "crm", "contacts", "--reason", "x"), "No orphans of crm/contacts wait"),
        (("backfill", "crm", "contacts"), "Say where to begin: --from"),
        (("backfill", "crm", "contacts", "--from", "2d", "--window", "wide"), "--window 'wide' is no width"),
        (("backfill", "crm", "contacts", "--from", "2d", "--to", "3d"), "the end is not after the beginning"),
        (("backfill", "crm", "contacts", "--from", "30d", "--window", "1s"), "choose wider ones"),
        (("backfill", "crm", "numbers", "--from", "1"), "Say where to end: --to"),
        (("backfill", "crm", "contacts", "--resume", "b7"), "has no backfill 'b7'; it has: none"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(synced: Synced, arguments: list[str], sentence: str) -> None:
    result = synced.hub(*arguments)

    assert result.exit_code == 1
    assert sentence in result.stderr
    assert synced.started == []


def test_a_backfill_reads_its_windows_and_leaves_the_cursor_alone(synced: Synced) -> None:
    synced.hub("run", "crm", "contacts", "--wait")
    before = len(synced.world.queued)

    result = synced.hub("backfill", "crm", "contacts", "--from", at(2), "--to", at(8), "--window", "2h")

    assert result.exit_code == 0, result.output
    assert "3 of 3 windows done, 6 rows queued" in result.stdout
    assert len(synced.world.queued) - before == 6
    assert {event.id for event in synced.world.queued[before:]} <= {event.id for event in synced.world.queued[:before]}
    assert synced.status()["watermark"] == at(11)
    [filling] = synced.status()["backfills"]
    assert (filling["done"], filling["failed"], filling["open"]) == (3, 0, 0)


def test_a_backfill_that_was_killed_goes_on_with_resume(synced: Synced, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("cli.sync.invoke_later", lambda *_: None)  # no function begins
        started = synced.hub(
            "backfill", "crm", "contacts", "--from", at(0), "--to", at(12), "--window", "3h", "--no-wait"
        )
    assert started.exit_code == 0
    [filling] = synced.status()["backfills"]
    assert (filling["done"], filling["open"]) == (0, 4)

    result = synced.hub("backfill", "crm", "contacts", "--resume", filling["id"])

    assert result.exit_code == 0, result.output
    assert len(synced.world.queued) == 12
    assert synced.status()["backfills"][0]["done"] == 4


def test_a_backfill_of_which_windows_fail_says_how_to_try_them_again(synced: Synced) -> None:
    from hub.errors import Refused

    def refuses(ask: Ask) -> None:
        if ask.since == at(2):
            raise Refused("HTTP 400")

    synced.world.before = refuses

    result = synced.hub("backfill", "crm", "contacts", "--from", at(0), "--to", at(4), "--window", "1h")

    assert result.exit_code == 1
    assert "3 of 4 windows done" in result.stdout
    assert "1 failed (Refused: HTTP 400)" in result.stdout
    assert "hub sync backfill crm contacts --resume " in result.stderr


def test_a_comparison_tells_what_differed_and_what_vanished(synced: Synced) -> None:
    synced.hub("run", "crm", "contacts", "--wait")
    synced.hub("run", "crm", "contacts", "--wait", "--compare")
    del synced.world.rows["3"]
    synced.world.write("4", at(4), "changed without a newer version")

    result = synced.hub("run", "crm", "contacts", "--wait", "--compare")

    assert result.stdout == (
        "crm/contacts is compared: 11 rows listed, 1 queued.\n1 of 12 rows are listed no more; told as deleted\n"
    )
    assert "1 rows differed; 1 of 12 rows are listed no more; told as deleted" in synced.status()["compared"]


def test_orphans_above_the_cap_are_shown_and_told_as_deleted_when_a_person_approves(synced: Synced) -> None:
    synced.hub("run", "crm", "contacts", "--wait")
    synced.hub("run", "crm", "contacts", "--wait", "--compare")
    for key in "0123":
        del synced.world.rows[key]
    synced.hub("run", "crm", "contacts", "--wait", "--compare")
    before = len(synced.world.queued)
    assert "more than the 2 of orphans.max_per_run; nothing was deleted" in synced.status()["compared"]
    assert synced.status()["orphans_waiting"] == 4
    assert "contacts: 4 rows that vanished wait: hub sync approve crm contacts" in synced.hub("status").stdout

    looked = synced.hub("approve", "crm", "contacts")
    refused = synced.hub("approve", "crm", "contacts", "--reason", "test data", stdin="n\n")

    assert looked.exit_code == refused.exit_code == 1
    assert [line.strip() for line in looked.stdout.splitlines()[1:]] == ["0", "1", "2", "3"]
    assert len(synced.world.queued) == before
    assert json.loads(synced.hub("approve", "crm", "contacts", "--json").stdout)["count"] == 4
    done = synced.hub("approve", "crm", "contacts", "--reason", "test data", "--yes")
    assert done.exit_code == 0, done.output
    assert {event.type for event in synced.world.queued[before:]} == {"generic_rest.contacts/deleted"}
    assert len(synced.world.queued) - before == 4
    assert synced.status()["orphans_waiting"] == 0
    assert "approved by" in synced.status()["compared"]


def test_a_streams_row_fits_80_columns_and_its_reason_stands_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    longest = "a-stream-with-a-long-name"
    filling = Filling("20260101-120000", 4, 12, 4, 0, 14, 3, 99_999)
    rows = [
        Streaming(
            "crm", longest, "reading", "rate(15 minutes)", at(0), "", 0, 0, "", "9 rows listed", "", backfills=[filling]
        ),
        Streaming("crm", "contacts", "failed", "by hand", at(0), NOW.isoformat(), 9_999_999, 999, "HTTP 503", "", ""),
        Streaming("crm", "delta", "idle", "by hand", "x" * 300, NOW.isoformat(), 1, 1, "", "", ""),
    ]

    show("crm", rows, NOW + timedelta(hours=30))

    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "from crm"
    assert ["contacts", "failed", "2025-12-30", "12:00", "30", "h", "ago", "9,999,999", "999"] in [
        line.split() for line in shown
    ]
    assert "contacts failed: HTTP 503" in shown
    assert f"{longest}: backfill 20260101-120000: 12 of 30 windows done, 99,999 rows queued, 4 being read" in shown
    assert max(map(len, [line for line in shown if "backfill" not in line])) <= 80


def test_a_reconciliation_is_told_with_what_it_found(synced: Synced) -> None:
    cursors = DynamoCursors(synced.world.dynamodb, synced.world.table)
    record = f"{RECONCILIATION}crm-to-erp"
    for last, told in (
        ({"state": "ended", "differences": 0}, ": 0 differences"),
        ({"state": "ended", "differences": 1}, ": 1 difference"),
        ({"state": "failed", "differences": 1, "reason": "Unavailable: HTTP 503"}, ", and Unavailable: HTTP 503"),
    ):
        held = cursors.take("crm/contacts", "a-function", NOW, record)
        assert held
        held.leave(last | {"at": NOW.isoformat()})

        [said] = synced.status()["reconciled"]

        assert said.endswith(told)
        assert "reconciled by crm-to-erp" in said
    assert "crm-to-erp" in synced.hub("status").stdout
