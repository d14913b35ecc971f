"""An action that must be done once: done, or left to a lookup or a person where nobody knows; never done again blindly."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from hub.connector import Effect, Written
from hub.errors import LedgerUnavailable, NoAnswer, Parked, Refused, Temporary, Unavailable
from hub.events import Event
from hub.ledger import A_PERSON
from hub.once import LONGEST_RUN_SECONDS, Claim, ClaimKey, OnceDestination
from hub.records import Customer, Record
from tests.fakes import an_event

POSTED = Written(Effect.APPLIED, "message", "C1/1.0")
KEY = ClaimKey("orders-to-chat", "post", "shop-eu/order/1001", "event-1")
RECORD = Customer(id="1", name="x")


@dataclass
class FakeClaims:
    """Claims in memory, each as old as `age_seconds` when it is found."""

    kept: dict[ClaimKey, Written | None] = field(default_factory=dict)
    age_seconds: float = LONGEST_RUN_SECONDS
    unavailable: set[str] = field(default_factory=set)

    def take(self, key: ClaimKey) -> Claim:
        self._call("take")
        if key in self.kept:
            return Claim(False, self.age_seconds, self.kept[key])
        self.kept[key] = None
        return Claim(True)

    def keep(self, key: ClaimKey, written: Written) -> None:
        self._call("keep")
        self.kept[key] = written

    def drop(self, key: ClaimKey) -> None:
        self._call("drop")
        self.kept.pop(key, None)

    def _call(self, name: str) -> None:
        if name in self.unavailable:
            raise LedgerUnavailable(name)


@dataclass
class Chat:
    """A destination on which each `apply` is a message of its own, or `failure`; it cannot tell what it did."""

    failure: Exception | None = None
    done: int = 0
    asked: int = 0

    def apply(self, action: str, record: Record, event: Event, known_name: str) -> Written:
        if self.failure:
            raise self.failure
        self.done += 1
        return POSTED


@dataclass
class Bank(Chat):
    """One that can tell: `found` is what it finds."""

    found: Written | None = None

    def find(self, action: str, record: Record, event: Event) -> Written | None:
        self.asked += 1
        return self.found


def apply(
    destination: Chat, claims: FakeClaims, lookups: Mapping[str, bool] | None = None, action: str = "post"
) -> Written:
    once = OnceDestination(destination, "orders-to-chat", lookups or {"post": isinstance(destination, Bank)}, claims)
    return once.apply(action, RECORD, an_event(), "")


def test_it_is_done_and_its_result_kept() -> None:
    chat, claims = Chat(), FakeClaims()

    assert apply(chat, claims) == POSTED
    assert claims.kept == {KEY: POSTED}


def test_whatever_brings_the_event_again_gets_the_kept_result() -> None:
    chat, claims = Chat(), FakeClaims()

    assert [apply(chat, claims) for _ in range(10)] == [POSTED] * 10
    assert chat.done == 1


def test_an_upsert_needs_no_claim() -> None:
    chat, claims = Chat(), FakeClaims(unavailable={"take", "keep", "drop"})

    assert apply(chat, claims, action="upsert") == POSTED


@pytest.mark.parametrize(
    "error",
    [Unavailable("connection refused"), Temporary("429"), Refused("no such channel"), Parked("x", waits_for="y")],
)
def test_what_certainly_had_no_effect_may_be_tried_again(error: Exception) -> None:
    chat, claims = Chat(error), FakeClaims()

    with pytest.raises(type(error)):
        apply(chat, claims)

    assert not claims.kept
    chat.failure = None
    assert apply(chat, claims) == POSTED


def test_without_an_answer_a_person_must_look_where_the_destination_cannot_tell() -> None:
    chat, claims = Chat(NoAnswer("POST /chat: no answer in time")), FakeClaims()

    with pytest.raises(Parked, match="POST /chat: no answer in time; whether it was done is unknown") as parked:
        apply(chat, claims)

    assert parked.value.waits_for == A_PERSON
    assert isinstance(parked.value.__cause__, NoAnswer)  # it counts toward the breaker all the same
    assert claims.kept == {KEY: None}


def test_what_was_left_over_waits_for_a_person_however_often_it_comes() -> None:
    chat, claims = Chat(), FakeClaims({KEY: None})

    for _ in range(3):
        with pytest.raises(Parked):
            apply(chat, claims)

    assert chat.done == 0


def test_without_an_answer_a_destination_that_can_tell_is_asked_later() -> None:
    bank, claims = Bank(NoAnswer("no answer")), FakeClaims()
    with pytest.raises(NoAnswer):
        apply(bank, claims)
    bank.failure, bank.found = None, POSTED

    assert apply(bank, claims) == POSTED
    assert (bank.done, bank.asked) == (0, 1)
    assert claims.kept == {KEY: POSTED}


def test_what_is_not_found_is_done_again() -> None:
    bank, claims = Bank(), FakeClaims({KEY: None})

    assert apply(bank, claims) == POSTED
    assert (bank.done, bank.asked) == (1, 1)


@pytest.mark.parametrize("destination", [Chat(), Bank()])
def test_what_may_still_be_at_work_is_waited_for(destination: Chat) -> None:
    claims = FakeClaims({KEY: None}, age_seconds=20)

    with pytest.raises(Temporary) as error:
        apply(destination, claims)

    assert error.value.retry_after_seconds == LONGEST_RUN_SECONDS - 20
    assert (destination.done, destination.asked) == (0, 0)


def test_a_lookup_that_the_manifest_does_not_state_is_not_used() -> None:
    bank = Bank(found=POSTED)

    with pytest.raises(Parked):
        apply(bank, FakeClaims({KEY: None}), {"post": False})

    assert bank.asked == 0


def test_without_a_claim_nothing_is_done() -> None:
    chat = Chat()

    with pytest.raises(LedgerUnavailable):
        apply(chat, FakeClaims(unavailable={"take"}))

    assert chat.done == 0


def test_a_result_that_cannot_be_kept_is_still_the_outcome() -> None:
    assert apply(Chat(), FakeClaims(unavailable={"keep"})) == POSTED


def test_a_bug_leaves_the_claim_for_nobody_knows_what_it_did() -> None:
    claims = FakeClaims()

    with pytest.raises(KeyError):
        apply(Chat(KeyError("bug")), claims)

    assert claims.kept == {KEY: None}
