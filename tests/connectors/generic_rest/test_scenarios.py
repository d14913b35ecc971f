"""Whatever a source does while it is read, what is applied in the end is what it says, and nothing is wrong in silence."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from connectors.generic_rest.connector import listing
from hub.connector import Answer, Reach
from hub.errors import NotConfigured, Temporary
from hub.events import Event
from hub.pull import Pulled, pull
from hub.runs import State
from hub.streams import Listing, Stream
from tests.scripted_source import (
    BEGIN,
    ORIGIN,
    Clock,
    Fault,
    ScriptedSource,
    empty,
    html,
    short,
    shuffled,
    status,
    truncated,
)

ROWS = Stream("crm", "generic_rest", "rows", "row", overlap=60.0)
STYLES = ("none", "link", "next_url", "cursor", "page", "offset", "keyset")
PAGED = STYLES[1:]


@dataclass
class Hub:
    """The pull, its state, and a destination that applies what is queued."""

    source: ScriptedSource
    state: State = field(default_factory=State)
    said: dict[str, tuple[str, str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def run(self, *, most_pages: int = 10_000) -> Pulled:
        asked = iter(range(most_pages))
        stream, rest = self.open()
        return pull(
            stream,
            rest,
            self.state,
            keep=self.keep,
            queue=self.queue,
            now=self.source.clock.now,
            sleep=lambda _: None,
            out_of_time=lambda: next(asked, None) is None,
        )

    def open(self) -> tuple[Stream, Listing]:
        reach = Reach(ORIGIN, lambda _: ("secret",), lambda _: self.source, self.source.clock.now, lambda _: None)
        rest = listing(ROWS, self.source.settings(), reach)
        return replace(ROWS, steady=rest.steady, ordered=rest.ordered), rest

    def keep(self, state: State) -> State:
        assert state.watermark >= self.state.watermark
        self.state = state
        return state

    def queue(self, events: Sequence[Event]) -> None:
        for event in events:
            row = json.loads(event.data)
            if event.id not in self.ended and event.entity_version >= self.said.get(row["id"], ("", ""))[0]:
                self.ended.add(event.id)
                self.said[row["id"]] = (event.entity_version, row["content"])

    def is_right(self) -> bool:
        return {key: content for key, (_, content) in self.said.items()} == {
            key: row["content"] for key, row in self.source.rows.items()
        }


def a_hub(style: str, rows: int = 18, **more: object) -> Hub:
    source = ScriptedSource(Clock(), style, **more)  # type: ignore[arg-type]
    for number in range(rows):
        source.write(f"{number:03}", "first", BEGIN - timedelta(minutes=30) + timedelta(seconds=40 * number))
    return Hub(source)


def in_the_end(hub: Hub) -> bool:
    """After what was scripted, three quiet runs of the schedule."""
    for _ in range(3):
        hub.source.clock.moment += timedelta(seconds=30)
        with suppress(Temporary):
            hub.run()
    return hub.is_right()


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("style", STYLES)
def test_everything_is_read_once_and_then_only_what_changed(style: str, by_id: bool) -> None:
    hub = a_hub(style, by_id=by_id)

    assert hub.run().run.queued == 18
    hub.source.clock.moment += timedelta(minutes=5)
    hub.source.write("007", "second")
    assert hub.run().run.queued == 1
    assert hub.is_right()


FAULTS: dict[str, Fault] = {
    "500": status(500),
    "503": status(503),
    "429": status(429),
    "429 with Retry-After": status(429, retry_after="2"),
    "429 until a date": status(429, retry_after="Sun, 01 Mar 2026 12:00:20 GMT"),
    "html": html,
    "truncated": truncated,
    "empty": empty,
    "shuffled": shuffled,
    "no rows at all": lambda true: Answer(200, true.headers, b'{"error": "try later"}'),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("at", [1, 3])
def test_an_answer_that_is_wrong_once_changes_nothing_in_the_end(style: str, name: str, at: int) -> None:
    hub = a_hub(style, by_id=style != "keyset")
    hub.source.script = {at: FAULTS[name]}

    assert in_the_end(hub)


@pytest.mark.parametrize("style", ["link", "next_url", "cursor"])
def test_a_short_page_that_says_what_follows_loses_its_rows_only_until_the_second_pass(style: str) -> None:
    hub = a_hub(style)
    hub.source.script = {2: short}

    assert in_the_end(hub)


@pytest.mark.parametrize("style", ["page", "offset", "keyset"])
def test_a_short_page_is_not_the_end(style: str) -> None:
    hub = a_hub(style)
    hub.source.script = {2: short}

    assert in_the_end(hub)


@pytest.mark.parametrize("instead", ["1", "4"])
@pytest.mark.parametrize("style", PAGED)
def test_a_page_with_the_rows_of_another_is_found_out(style: str, instead: str) -> None:
    hub = a_hub(style, by_id=style != "keyset")

    def others(_true: Answer) -> Answer:
        asked = dict(hub.source.asked[-1])
        if style == "offset":
            asked["offset"] = {"1": "0", "4": "9"}[instead]
        elif style == "keyset":
            rows = sorted(row["updated_at"] for row in hub.source.rows.values())
            asked["since"] = rows[{"1": 0, "4": 12}[instead]]
        else:
            asked["page"] = instead
        return hub.source.answer(asked)

    hub.source.script = {3: others}

    assert in_the_end(hub)


@pytest.mark.parametrize("style", PAGED)
@pytest.mark.parametrize("descending", [False, True])
def test_rows_that_change_while_they_are_read_slide_and_are_found(style: str, descending: bool) -> None:
    if style == "keyset" and descending:
        descending = False
    hub = a_hub(style, descending=descending)

    def change(number: int) -> None:
        if number in (2, 3, 5):
            hub.source.write(f"{number:03}", f"changed at {number}")

    hub.source.meanwhile = change

    assert in_the_end(hub)


@pytest.mark.parametrize("style", PAGED)
def test_rows_that_are_deleted_while_others_are_read_take_none_with_them(style: str) -> None:
    hub = a_hub(style, by_id=style != "keyset")

    def delete(number: int) -> None:
        if number == 3:
            del hub.source.rows["000"]

    hub.source.meanwhile = delete
    hub.run()
    hub.source.meanwhile = lambda _: None
    in_the_end(hub)

    assert hub.said.keys() >= hub.source.rows.keys()


@pytest.mark.parametrize("style", PAGED)
def test_equal_versions_across_a_page_boundary_lose_nothing(style: str) -> None:
    hub = a_hub(style, 0, limit_param="limit" if style == "keyset" else "")
    for number in range(7):
        hub.source.write(f"{number}", "same second", BEGIN - timedelta(minutes=3 if number > 2 else 5))

    assert in_the_end(hub)


def test_more_equal_versions_than_a_page_holds_are_told() -> None:
    hub = a_hub("keyset", 0)
    for number in range(9):
        hub.source.write(f"{number}", "same second", BEGIN)

    with pytest.raises(Exception, match="more rows bear the version"):
        hub.run()


@pytest.mark.parametrize("style", STYLES)
def test_a_row_committed_late_behind_the_cursor_is_read(style: str) -> None:
    hub = a_hub(style)
    hub.source.write("new", "x")
    hub.run()
    hub.source.clock.moment += timedelta(seconds=30)
    hub.source.write("late", "committed after a long transaction", hub.source.clock.moment - timedelta(seconds=50))

    assert in_the_end(hub)


@pytest.mark.parametrize("style", STYLES)
def test_a_clock_that_was_set_back_an_hour_hides_nothing(style: str) -> None:
    hub = a_hub(style)
    hub.source.write("before", "x")
    hub.run()
    hub.source.clock.moment += timedelta(minutes=5)
    hub.source.set_back = timedelta(hours=1)
    hub.source.write("after", "in the hour that came twice")

    assert in_the_end(hub)


@pytest.mark.parametrize("style", STYLES)
def test_a_row_changed_again_within_its_second_is_read_again(style: str) -> None:
    hub = a_hub(style)
    hub.source.write("row", "one")
    hub.run()
    hub.source.write("row", "two")

    assert in_the_end(hub)


def test_cursors_are_compared_as_moments_and_not_as_text() -> None:
    hub = a_hub("page", 0)
    hub.source.rows = {
        "a": {"id": "a", "updated_at": "2026-03-01T11:59:05.137Z", "content": "later"},
        "b": {"id": "b", "updated_at": "2026-03-01T12:59:05+01:00", "content": "earlier"},
    }

    hub.run()

    assert hub.state.proposed == "2026-03-01T11:59:05.137000Z"


@pytest.mark.parametrize("style", ["page", "offset", "link"])
def test_two_versions_of_a_row_in_one_listing_end_with_the_newer(style: str) -> None:
    hub = a_hub(style, 0, by_id=True)
    old = {"id": "1", "updated_at": "2026-03-01T11:00:00Z", "content": "old"}
    new = {"id": "1", "updated_at": "2026-03-01T11:30:00Z", "content": "new"}
    hub.source.rows = {"1": new, "copy": old}

    hub.run()

    assert hub.said["1"][1] == "new"


@pytest.mark.parametrize("style", STYLES)
def test_a_row_without_a_version_is_counted_and_queued(style: str) -> None:
    hub = a_hub(style, 2)
    hub.source.rows["none"] = {"id": "none", "updated_at": None, "content": "no cursor"}

    assert hub.run().run.unversioned >= 1
    assert hub.is_right()


def test_a_page_of_rows_without_versions_is_not_taken_for_the_end_of_a_keyset() -> None:
    hub = a_hub("keyset", limit_param="limit")
    for number in range(7):  # more than a page holds, and listed before all others
        hub.source.write(f"none-{number}")
        hub.source.rows[f"none-{number}"]["updated_at"] = None

    hub.run()

    assert hub.is_right()
    hub.source.limit_param = ""
    with pytest.raises(NotConfigured, match="more rows bear no version than a page of 4 holds"):
        Hub(hub.source).run()


@pytest.mark.parametrize("style", STYLES)
def test_a_source_that_ignores_the_cursor_is_read_all_the_same(style: str) -> None:
    hub = a_hub(style, honours_since=style == "keyset")

    assert in_the_end(hub)


@pytest.mark.parametrize("style", PAGED)
def test_a_total_that_was_not_listed_is_not_believed(style: str) -> None:
    hub = a_hub(style, by_id=style != "keyset", tells_total=style != "keyset")
    hub.source.script = {3: empty, 4: empty}

    assert in_the_end(hub)


@pytest.mark.parametrize("style", PAGED)
def test_runs_that_get_little_time_come_to_the_end(style: str) -> None:
    hub = a_hub(style, 40)

    for _ in range(60):
        if hub.run(most_pages=1).ended:
            break

    assert hub.is_right()
    assert hub.state.run is None


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("style", PAGED)
@pytest.mark.parametrize("at", range(1, 5))
@pytest.mark.parametrize("step", ["before queueing", "between", "after the cursor"])
def test_a_run_that_dies_anywhere_loses_nothing(style: str, at: int, step: str) -> None:
    hub = a_hub(style)
    queued = iter(range(1, 1000))
    kept = iter(range(1, 1000))
    queue, keep = hub.queue, hub.keep

    def dying_queue(events: Sequence[Event]) -> None:
        number = next(queued)
        if number == at and step == "before queueing":
            raise Died
        queue(events)
        if number == at and step == "between":
            raise Died

    def dying_keep(state: State) -> State:
        result = keep(state)
        if next(kept) == at and step == "after the cursor":
            raise Died
        return result

    hub.queue, hub.keep = dying_queue, dying_keep  # type: ignore[method-assign]
    with suppress(Died):
        hub.run()
    hub.queue, hub.keep = queue, keep  # type: ignore[method-assign]

    assert in_the_end(hub)


def test_an_expired_token_is_renewed_once_in_the_middle_of_a_run() -> None:
    hub = a_hub("page")
    hub.source.script = {3: status(401)}

    assert hub.run().ended
    assert hub.source.renewed == 1


def test_refused_credentials_are_told_and_leave_the_cursor() -> None:
    hub = a_hub("page")
    refuse: Callable[[Answer], Answer] = status(401)
    hub.source.script = dict.fromkeys(range(1, 20), refuse)

    with pytest.raises(Temporary, match="hub secrets set"):
        hub.run()
    assert hub.state.watermark == ""


def test_a_next_page_at_another_host_is_not_followed() -> None:
    hub = a_hub("next_url")
    hub.source.script = {
        n: lambda true: Answer(200, true.headers, true.body.replace(b'"/rows?', b'"https://evil.example/rows?'))
        for n in range(1, 9)
    }

    with pytest.raises(Temporary, match="another host"):
        hub.run()


@pytest.mark.parametrize("style", STYLES)
def test_an_empty_answer_moves_nothing_back_and_deletes_nothing(style: str) -> None:
    hub = a_hub(style)
    hub.run()
    before, said = hub.state.watermark, dict(hub.said)
    hub.source.script = {hub.source.requests + 1: empty, hub.source.requests + 2: empty}

    hub.run()

    assert hub.state.watermark == before
    assert hub.said == said


def test_a_field_that_the_source_adds_is_told_once() -> None:
    hub = a_hub("keyset")
    first = hub.run().run.new_fields
    hub.source.clock.moment += timedelta(minutes=5)
    hub.source.write("007", "second")
    hub.source.rows["007"]["vat"] = "DE1"
    second = hub.run().run.new_fields
    third = hub.run().run.new_fields

    assert (first, second, third) == ((), ("vat",), ())


def test_a_source_whose_fields_are_keys_does_not_make_the_state_grow_without_end() -> None:
    hub = a_hub("none")
    hub.run()
    for number in range(3):
        hub.source.clock.moment += timedelta(minutes=5)
        hub.source.write("007", f"version {number}")
        hub.source.rows["007"] |= {f"key-{number}-{each}": 1 for each in range(400)}
        told = hub.run().run.new_fields
        assert len(told) <= 20

    assert len(hub.state.fields) == 500
