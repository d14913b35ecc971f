"""A check says how an integration is, remembers it, and mends what the provider dropped, once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.check_health import Checked, Looks, check_health
from hub.errors import Category, LedgerUnavailable, Refused, SecretUnavailable, Temporary, Unavailable
from hub.expiry import Expiry
from hub.health import BEATS, Beat, Record, Registered, Status, availability, is_overdue, trend, worst
from hub.mend_subscriptions import Gap, Mending
from hub.subscriptions import Subscription, Wanted
from tests.fakes import NOW, FakeNotices

SHOP, URL = "shop-eu", "https://hooks.example.com/webhooks/shop-eu"
TOPICS = ("ORDERS_CREATE", "ORDERS_UPDATED")
MINUTES = timedelta(minutes=1)


@dataclass
class FakeRecords:
    """Records in memory: one writer of each version. `failure` makes every access fail."""

    kept: Record = field(default_factory=Record)
    known: Registered | None = None
    failure: Exception | None = None
    before_write: list[Callable[[], object]] = field(default_factory=list)

    def read(self, integration: str) -> Record:
        if self.failure:
            raise self.failure
        return self.kept

    def registered(self, integration: str) -> Registered | None:
        return self.known

    def write(self, integration: str, record: Record, now: datetime) -> bool:
        if self.before_write:
            self.before_write.pop(0)()
        if record.version != self.kept.version:
            return False
        self.kept = replace(record, version=record.version + 1)
        return True


@dataclass
class Provider:
    """What a provider has registered."""

    listed: list[Subscription] = field(default_factory=lambda: [Subscription(topic, URL) for topic in TOPICS])
    made: list[str] = field(default_factory=list)
    refuses: Exception | None = None
    pulls: int = 0
    gap: Gap = field(default_factory=lambda: Gap(("shop-eu/orders",)))
    pull_fails: Exception | None = None

    def register(self, wanted: Wanted) -> str:
        if self.refuses:
            raise self.refuses
        self.made.append(wanted.topic)
        self.listed.append(Subscription(wanted.topic, wanted.url))
        return "created"

    def pull(self) -> Gap:
        if self.pull_fails:
            raise self.pull_fails
        self.pulls += 1
        return self.gap


@dataclass
class World:
    """An integration and all that a check of it touches."""

    records: FakeRecords = field(default_factory=lambda: FakeRecords(known=Registered(URL, TOPICS, "")))
    provider: Provider = field(default_factory=Provider)
    notices: FakeNotices = field(default_factory=FakeNotices)
    now: datetime = NOW
    mends: bool = True

    def check(self, **looks: Any) -> Checked:
        """A check, five minutes after the last one."""
        self.now += 5 * MINUTES
        return self.check_now(**looks)

    def check_now(self, **looks: Any) -> Checked:
        def wanted(topics: Sequence[str], url: str) -> list[Wanted]:
            return [Wanted(topic, url) for topic in topics]

        mending = Mending(wanted, self.provider.register, self.provider.pull, self.notices) if self.mends else None
        seen = {"call": lambda: None, "subscriptions": lambda: list(self.provider.listed), **looks}
        return check_health(SHOP, Looks(**seen), self.records, mending, lambda: 0.0, self.now)


@pytest.fixture
def world() -> World:
    return World()


def raises(error: Exception) -> Callable[..., Any]:
    def look(*_: object) -> Any:
        raise error

    return look


def ticking(*seconds: float) -> Callable[[], float]:
    told = iter(seconds)
    return lambda: next(told)


# What a check says


def test_what_answers_in_time_is_healthy(world: World) -> None:
    checked = world.check()

    assert (checked.record.status, checked.record.available, worst(checked.record.parts)) == (Status.HEALTHY, True, "")
    assert world.records.kept.beats == (Beat(world.now, Status.HEALTHY, 0),)
    assert world.records.kept.healthy_at == world.now


def test_what_answers_late_is_degraded_and_available() -> None:
    checked = check_health(
        SHOP, Looks(call=lambda: None, slow_milliseconds=500), FakeRecords(), None, ticking(1.0, 1.6), NOW
    )

    assert (checked.record.status, checked.record.available) == (Status.DEGRADED, True)
    assert worst(checked.record.parts) == "call: took 600 ms, which is more than 500"
    assert checked.milliseconds == pytest.approx(600)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable("HTTP 503"), Status.DOWN),
        (Refused("Unknown column hub_external_id"), Status.DOWN),
        (Temporary("HTTP 429", category=Category.RATE_LIMIT_EXCEEDED), Status.DEGRADED),
    ],
)
def test_what_refuses_is_down_and_what_is_busy_is_degraded(world: World, error: Exception, status: Status) -> None:
    checked = world.check(call=raises(error))

    assert (checked.record.status, checked.record.available) == (status, status is Status.DEGRADED)
    assert worst(checked.record.parts) == f"call: {error}"
    assert checked.milliseconds is None


@pytest.mark.parametrize(
    ("looks", "status", "told"),
    [
        ({"missing_secrets": lambda: ["webhook"]}, Status.DOWN, "webhook is not stored"),
        ({"missing_secrets": raises(SecretUnavailable("denied"))}, Status.DOWN, "denied"),
        (
            {"expiries": lambda: [Expiry("token", NOW + timedelta(days=3))]},
            Status.DEGRADED,
            "token ends on 2026-01-04 12:00 UTC",
        ),
        ({"expiries": lambda: [Expiry("token", NOW)]}, Status.DOWN, "token ended on 2026-01-01 12:00 UTC"),
        ({"expiries": lambda: [Expiry("token", NOW + timedelta(days=30))]}, Status.HEALTHY, ""),
    ],
)
def test_secrets_must_be_there_and_last(world: World, looks: dict[str, Any], status: Status, told: str) -> None:
    (part,) = [part for part in world.check(**looks).record.parts if part.name == "secrets"]

    assert (part.status, part.told) == (status, told)


def test_a_source_that_cannot_be_called_is_judged_by_what_is_known(world: World) -> None:
    checked = world.check(call=None, subscriptions=None, missing_secrets=lambda: ["webhook"])

    assert (checked.record.status, checked.record.available) == (Status.DOWN, False)


def test_a_version_of_the_providers_api_that_has_ended_is_told(world: World) -> None:
    assert world.check(supported_until=NOW + timedelta(days=1)).record.status is Status.HEALTHY
    assert "since 2025-12-31" in worst(world.check(supported_until=NOW - timedelta(days=1)).record.parts)


def test_a_queue_that_does_not_move_is_told_and_one_that_shrinks_is_not(world: World) -> None:
    depths = {"moves": [9, 8, 7, 6, 5], "stuck": [3, 3, 4, 4, 4], "empty": [0, 0, 0, 0, 0]}

    for step in range(5):
        checked = world.check(flows=list(depths), depth=lambda flow, at=step: depths[flow][at])

    assert checked.record.status is Status.DEGRADED
    assert worst(checked.record.parts) == "queues: 4 events of stuck have not moved for 20 minutes"
    assert world.records.kept.waiting["stuck"].since == NOW + 5 * MINUTES
    assert "empty" not in world.records.kept.waiting


def test_silence_is_told_where_traffic_is_expected(world: World) -> None:
    asked: list[tuple[datetime, datetime]] = []

    def accepted(since: datetime, until: datetime) -> datetime | None:
        asked.append((since, until))
        return until - MINUTES if len(asked) == 1 else None

    silent = {"accepted": accepted, "silent_after": 10 * MINUTES}
    statuses = [world.check(**silent).record.status for _ in range(3)]

    assert statuses == [Status.HEALTHY, Status.HEALTHY, Status.DEGRADED]
    assert asked[1] == (NOW + 5 * MINUTES, NOW + 10 * MINUTES)  # from the last check on
    assert world.records.kept.accepted_at == NOW + 4 * MINUTES
    assert world.check(accepted=accepted).record.status is Status.HEALTHY


def test_what_the_ledger_cannot_remember_is_told_all_the_same(world: World) -> None:
    world.records.failure = LedgerUnavailable("throttled")
    world.provider.listed.clear()

    checked = world.check(call=raises(Unavailable("HTTP 503")))

    assert (checked.record.status, checked.troubles) == (Status.DOWN, ("throttled",))
    assert not world.provider.made


# What is remembered


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_the_status_is_dated_by_its_last_change(fails: list[bool]) -> None:
    world = World()
    changed = world.now
    for before, down in zip([None, *fails], fails, strict=False):
        world.check(call=raises(Unavailable("down")) if down else lambda: None)
        changed = changed if down is before else world.now

    assert world.records.kept.since == changed
    assert world.records.kept.version == len(fails)


def test_a_day_of_checks_is_remembered_and_no_more(world: World) -> None:
    world.records.kept = Record(beats=tuple(Beat(NOW, Status.DOWN) for _ in range(BEATS)))

    world.check()

    assert len(world.records.kept.beats) == BEATS
    assert world.records.kept.beats[-1].status is Status.HEALTHY


H, D, X = Status.HEALTHY, Status.DEGRADED, Status.DOWN


@pytest.mark.parametrize(
    ("beats", "told"),
    [
        ([(H, 100)] * 5, "new"),
        ([(H, 100)] * 18, "steady"),
        ([(H, 100)] * 12 + [(D, 190)] * 6, "slower"),
        ([(H, 190)] * 12 + [(H, 100)] * 6, "faster"),
        ([(H, 100)] * 12 + [(X, None)] * 6, "failing"),
        ([(X, None)] * 14 + [(H, 100)] * 4, "recovering"),
        ([(H, 100)] * 16 + [(X, None), (H, 100)], "unsteady"),
    ],
)
def test_the_trend_is_a_word(beats: list[tuple[Status, int | None]], told: str) -> None:
    assert trend([Beat(NOW, status, took) for status, took in beats]) == told


def test_the_share_of_good_checks_is_the_availability() -> None:
    assert availability([]) is None
    assert availability([Beat(NOW, status) for status in (H, D, X, H)]) == 0.75


def test_checks_that_stopped_coming_are_noticed() -> None:
    record = Record(beats=(Beat(NOW, H),))

    assert not is_overdue(record, 300, NOW + 11 * MINUTES)
    assert is_overdue(record, 300, NOW + 12 * MINUTES)
    assert not is_overdue(Record(), 300, NOW)


# What is mended


def test_a_subscription_that_vanished_is_registered_again_its_gap_pulled_and_operators_told(world: World) -> None:
    world.check()
    seen = world.now
    del world.provider.listed[1]

    checked = world.check()
    again = world.check()

    assert (checked.mended, checked.record.status) == (("ORDERS_UPDATED",), Status.DEGRADED)
    assert (world.provider.made, world.provider.pulls) == (["ORDERS_UPDATED"], 1)
    ((subject, text),) = world.notices.told
    assert subject == "shop-eu: webhooks had vanished"
    assert f"ORDERS_UPDATED, since {seen:%Y-%m-%d %H:%M} UTC" in text
    assert "being read: shop-eu/orders" in text
    assert (again.mended, again.record.status, world.records.kept.owed) == ((), Status.HEALTHY, ())


def test_a_stream_that_was_never_read_is_left_to_a_person(world: World) -> None:
    world.provider.listed.clear()
    world.provider.gap = Gap(unread=("shop-eu/orders",))

    world.check()

    assert "hub sync backfill shop-eu orders" in world.notices.told[0][1]


def test_two_checks_at_once_mend_once(world: World) -> None:
    world.provider.listed.clear()
    results: list[Checked] = []
    world.records.before_write.append(lambda: results.append(world.check_now()))  # between the other's read and write

    results.append(world.check())

    assert [checked.mended for checked in results] == [TOPICS, ()]
    assert sorted(world.provider.made) == sorted(TOPICS)
    assert (world.provider.pulls, len(world.notices.told)) == (1, 1)


def test_a_check_during_a_long_mending_leaves_it_alone(world: World) -> None:
    world.provider.listed.clear()
    world.provider.register = lambda wanted: str(world.check_now() and "created")  # type: ignore[method-assign]

    world.check()

    assert (world.provider.pulls, len(world.notices.told)) == (1, 1)


def test_what_vanishes_again_and_again_is_mended_each_time_and_told_once_a_day(world: World) -> None:
    for _ in range(4):
        world.provider.listed.clear()
        world.check()
    world.now += timedelta(days=1)
    world.provider.listed.clear()
    world.check()

    assert (len(world.provider.made), world.provider.pulls) == (5 * len(TOPICS), 5)
    assert len(world.notices.told) == 2


@pytest.mark.parametrize("step", ["register", "pull", "tell"])
def test_what_fails_on_the_way_is_done_by_the_next_check(world: World, step: str) -> None:
    world.provider.listed.clear()
    trouble = Temporary("throttled")
    if step == "register":
        world.provider.refuses = trouble
    elif step == "pull":
        world.provider.pull_fails = trouble
    else:
        world.notices.failure = trouble

    first = world.check()
    world.provider.refuses = world.provider.pull_fails = world.notices.failure = None
    world.check()
    world.check()

    assert (first.record.status, len(first.troubles)) == (X if step == "register" else D, 1)
    assert sorted(set(world.provider.made)) == sorted(TOPICS)
    assert len(world.notices.told) == 1
    assert world.provider.pulls == (2 if step == "tell" else 1)
    assert world.records.kept.owed == ()


def test_a_mending_that_died_is_taken_up_again(world: World) -> None:
    world.provider.listed.clear()
    world.provider.register = raises(KeyError("killed"))  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        world.check()
    del world.provider.register

    world.check()

    assert (world.provider.made, world.provider.pulls) == (list(TOPICS), 1)


def test_nothing_is_mended_that_may_not_or_was_not_registered_by_us(world: World) -> None:
    world.provider.listed.clear()
    world.mends = False
    told = world.check().record
    world.mends, world.records.known = True, None
    by_hand = world.check().record

    assert (told.status, worst(told.parts)) == (
        X,
        "subscriptions: ORDERS_CREATE, ORDERS_UPDATED vanished at the provider",
    )
    assert by_hand.status is Status.HEALTHY
    assert not world.provider.made


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (Subscription("ORDERS_CREATE", "https://elsewhere.example.com", is_only=True), "is sent elsewhere"),
        (Subscription("ORDERS_CREATE", URL, is_enabled=False), "ORDERS_CREATE is switched off"),
        (Subscription("ORDERS_CREATE", URL, unsupported_version="2024-01"), "by API version 2024-01"),
    ],
)
def test_a_subscription_that_a_person_changed_is_told_and_left(world: World, listed: Subscription, told: str) -> None:
    world.provider.listed[0] = listed

    checked = world.check()

    assert (checked.record.status, world.provider.made) == (D, [])
    assert told in worst(checked.record.parts)


def test_webhooks_that_were_registered_for_a_former_address_are_told_and_not_mended(world: World) -> None:
    world.provider.listed.clear()

    moved = world.check(listens_at="https://new.example.com/webhooks/shop-eu")
    world.records.known = Registered("http://127.0.0.1:4566/webhooks/shop-eu", TOPICS, "")
    local = world.check(listens_at="https://api.amazonaws.com/webhooks/shop-eu")

    assert (moved.record.status, moved.mended) == (X, ())
    assert "listens at https://new.example.com/webhooks/shop-eu: hub setup webhooks" in worst(moved.record.parts)
    assert local.mended == TOPICS  # what the local AWS's functions know as their address is not how it is reached


def test_another_hub_at_the_same_shop_does_not_count_as_ours(world: World) -> None:
    world.provider.listed[0] = Subscription("ORDERS_CREATE", "https://staging.example.com")

    assert world.check().mended == ("ORDERS_CREATE",)


def test_subscriptions_that_cannot_be_looked_at_are_neither_good_nor_bad(world: World) -> None:
    world.check()
    seen = world.records.kept.subscribed_at

    checked = world.check(subscriptions=raises(Refused("PermissionError")))

    assert (checked.record.status, world.records.kept.subscribed_at) == (Status.HEALTHY, seen)
    assert ("subscriptions", "could not be looked at: PermissionError") in [
        (p.name, p.told) for p in checked.record.parts
    ]
