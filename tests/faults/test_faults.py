"""The short form of `make faults`: everything goes wrong at once, and every event ends once, in order."""

from collections import Counter
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from hub.events import Event
from tests.faults.judge import Judgement, Seen, judge
from tests.faults.mishaps import ANSWERS, SHARES
from tests.faults.report import report
from tests.faults.run import BEFORE, DOWN, END, run
from tests.faults.story import (
    BEGIN,
    CLAIM_CHECK,
    EARLY,
    REPEATED,
    SHUFFLED,
    TEN_TIMES,
    UNWRITABLE,
    Delivery,
    Story,
)
from tests.faults.world import SETTINGS, TABLE, World

pytestmark = pytest.mark.slow

TOLD = {SHUFFLED, EARLY, TEN_TIMES, REPEATED, CLAIM_CHECK, UNWRITABLE}
CALAMITIES = {
    "API key revoked for half an hour",
    "secret of the webhook changed",
    "401 while the shop's secret was new",
    "503 to the shop",
    "dead letters redriven",
    "dead letters replayed",
    "ledger lost",
}


@pytest.fixture(autouse=True)
def made_up_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def make_aws_forget() -> None:
    """As between two runs."""
    boto3.client("dynamodb", region_name="us-east-1").delete_table(TableName=TABLE)


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_is_lost_doubled_misordered_or_unaccounted(seed: int) -> None:
    world, story, judgements = run(seed, events=200, entities=25)

    assert all(found.good for found in judgements.values()), report(story, world.struck, judgements)


def test_every_kind_of_fault_strikes_and_nothing_is_lost() -> None:
    world, story, judgements = run(3, events=800, entities=80, share=3.0)

    told = {kind for kind, count in (world.struck + story.told).items() if count}
    wanted = TOLD | CALAMITIES | set(SHARES) | {f"ERPNext: {kind}" for kind in ANSWERS}
    assert all(found.good for found in judgements.values()), report(story, world.struck, judgements)
    assert wanted - told == set()
    assert [kind for kind in DOWN if f"ERPNext down for 12 hours: {kind}" in told]


def test_the_same_seed_tells_the_same_story() -> None:
    one, _, found = run(5, events=60, entities=10)
    make_aws_forget()
    other, _, again = run(5, events=60, entities=10)

    assert (one.struck, one.clock.moment, found) == (other.struck, other.clock.moment, again)


def test_both_judgements_tell_how_the_events_ended() -> None:
    _, story, judgements = run(4, events=60, entities=10, calamities=False)

    assert judgements[BEFORE].outcomes["applied"] > 0
    assert {found.outcomes.total() for found in judgements.values()} == {len(story.events)}


# The judge sees what is wrong


def judged(seed: int = 11) -> Judgement:
    _, _, judgements = run(seed, events=60, entities=10, calamities=False)
    return judgements[END]


def test_a_world_that_forgets_what_it_queued_is_not_called_good(monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = World.deliver

    def forgetful(self: World) -> bool:
        self.queue.messages = {key: m for key, m in self.queue.messages.items() if "1003" not in m.group}
        return deliver(self)

    monkeypatch.setattr(World, "deliver", forgetful)
    found = judged()

    assert found.lost == ["order 1003"]
    assert found.unaccounted


def test_a_world_that_believes_every_version_is_not_called_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.receive.Event", lambda **said: Event(**{**said, "entity_version": ""}))

    assert judged().misordered


@pytest.mark.parametrize(
    ("left_out", "kinds"),
    [
        ({"on_payment": ("sales_invoice",)}, {"money paid", "repayments"}),
        ({"on_fulfilment": (), "on_refund": ("credit_note",)}, {"shipments", "returns"}),
        ({"on_refund": ()}, {"credit notes", "repayments", "returns"}),
    ],
)
def test_a_world_that_writes_no_such_document_is_not_called_good(
    left_out: dict[str, tuple[str, ...]], kinds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.world.SETTINGS", SETTINGS.model_copy(update=left_out))

    assert {case.partition(" of order ")[0] for case in judged().lost} == kinds


def test_an_event_that_stays_parked_is_not_called_accounted_for() -> None:
    delivery = Delivery(BEGIN, "refunds/create", b"{}", "refund-1-0", "refund/1")
    ends, accepted = {"refund/1": {"refund-1-0": "parked"}}, {"refund-1-0": "refund/1"}
    found = judge(Story([], {}, [delivery], Counter()), Seen(lambda _: [], ends, accepted))

    assert found.unaccounted == ["refund-1-0"]


def test_a_world_whose_documents_bear_no_unique_id_is_not_called_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.erpnext.doctypes.DocType.unique_fields", ())
    monkeypatch.setattr("connectors.erpnext.documents.Documents.find_name", lambda *_: "")

    assert judged().doubled
