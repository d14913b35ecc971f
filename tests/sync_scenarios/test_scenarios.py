"""Stories of a source that changes, breaks and is mended while it is read: what the hub says in the end is what it says.

Each story ends in quiet runs of the schedule (and a comparison where only that can know), and is judged by two
destinations: one that applies what comes as it comes, one that goes by versions. Both must say what the source says, or
the story must have said aloud what is missing.
"""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Any

import httpx
import pytest

from hub.errors import NotConfigured, Temporary
from tests.scripted_source import BEGIN
from tests.sync_scenarios.world import (
    EMPTY,
    EMPTY_END,
    ERROR_BODY,
    HTML,
    NO_NEXT,
    PAGED,
    SHORT,
    SHORT_END,
    STYLES,
    Break,
    World,
    changed,
    instead,
    rfc3339,
    truncated,
)

HOUR = timedelta(hours=1)
Story = Callable[[], World]
STORIES: dict[str, Story] = {}


def story(name: str) -> Callable[[Story], Story]:
    """A story that ends well."""

    def known(tell: Story) -> Story:
        STORIES[name] = tell
        return tell

    return known


def each(styles: tuple[str, ...], name: str) -> Callable[[Callable[[str], World]], Callable[[str], World]]:
    """The same story in several page styles."""

    def known(tell: Callable[[str], World]) -> Callable[[str], World]:
        for style in styles:
            STORIES[f"{name} ({style})"] = lambda style=style: tell(style)  # type: ignore[misc]
        return tell

    return known


def order_of(style: str) -> str:
    return "updated" if style == "keyset" else "id"


# Versions and cursors


@each(STYLES, "two versions of a row in one listing, the newer first")
def _(style: str) -> World:
    world = World(style, order_of(style) if style == "keyset" else "as is").fill(3)
    world.items.insert(0, {"id": "x", "updated_at": rfc3339(BEGIN - timedelta(minutes=2)), "content": "new"})
    world.items.append({"id": "x", "updated_at": rfc3339(BEGIN - timedelta(minutes=9)), "content": "old"})
    world.run()
    return world.settle()


@each(PAGED, "two versions of a row on different pages, the newer first")
def _(style: str) -> World:
    world = World(style, order_of(style) if style == "keyset" else "as is").fill(11)
    world.items.insert(0, {"id": "x", "updated_at": rfc3339(BEGIN - timedelta(seconds=20)), "content": "new"})
    world.items.append({"id": "x", "updated_at": rfc3339(BEGIN - timedelta(seconds=30)), "content": "old"})
    world.run()
    return world.settle()


@each(STYLES, "a row changed again within the watermark's second")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()
    second = world.clock
    world.write("x", "one", second)
    world.run()
    world.write("x", "two", second)
    world.run()
    world.write("x", "one", second)
    return world.settle()


@story("a row that goes back to what it said, within one second")
def _() -> World:
    world = World().fill(2)
    second = world.moment
    for content in ("a", "b", "a", "b"):
        world.write("x", content, second)
        world.run()
    return world


@story("times with and without fractions, as text and as moments")
def _() -> World:
    world = World("page", "updated")
    world.write("a", 1)
    world.items[0]["updated_at"] = "2026-03-01T11:59:05.137Z"
    world.run()
    world.items.append({"id": "b", "updated_at": "2026-03-01T11:59:05Z", "content": 2})
    world.items.append({"id": "c", "updated_at": "2026-03-01T11:59:05.137001Z", "content": 3})
    return world.settle()


@story("a source that compares its times as text")
def _() -> World:
    world = World("page", "updated", compares="text")
    for number, fraction in enumerate(("", ".1", ".137", ".999999", "")):
        world.items.append({"id": str(number), "updated_at": f"2026-03-01T11:59:0{number}{fraction}Z", "content": 1})
        world.run()
    return world.settle()


@story("offsets of several zones in one listing")
def _() -> World:
    zones = [UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=7)), timezone(timedelta(hours=5, minutes=30))]
    world = World("cursor", "id")
    for number in range(12):
        moment = BEGIN - timedelta(minutes=12 - number)
        world.items.append({"id": f"{number}", "updated_at": moment.astimezone(zones[number % 4]).isoformat()})
    world.run()
    world.later()
    world.items[3] |= {"updated_at": world.moment.astimezone(zones[1]).isoformat(), "content": "changed"}
    return world.settle()


@story("days instead of times, and several changes on one day")
def _() -> World:
    settings: dict[str, Any] = {"version": {"field": "updated_at", "format": "date"}}
    world = World("page", "id", stamp=lambda moment: moment.date().isoformat(), settings=settings, compares="text")
    world.fill(9, before=86_400 * 3, apart=30_000)
    world.run()
    for content in ("one", "two", "three"):
        world.later(hours=2).write("004", content)
        world.run()
    return world.settle()


@story("seconds since 1970, whole ones")
def _() -> World:
    settings: dict[str, Any] = {"version": {"field": "updated_at", "format": "unix_seconds"}}
    world = World(settings=settings, stamp=lambda moment: int(moment.timestamp()), compares="numbers").fill(9)
    world.run()
    world.later().write("004", "changed")
    return world.settle()


@story("seconds since 1970 with a fraction, some as text")
def _() -> World:
    settings: dict[str, Any] = {"version": {"field": "updated_at", "format": "unix_seconds"}}
    numbers = count()
    world = World(
        settings=settings,
        stamp=lambda moment: moment.timestamp() if next(numbers) % 2 else f"{moment.timestamp():.3f}",
        compares="numbers",
    ).fill(9)
    world.run()
    run = world.later().run()
    assert run
    assert not run.run.unversioned
    assert run.state.proposed
    world.write("004", "changed")
    return world.settle()


@story("milliseconds since 1970")
def _() -> World:
    settings: dict[str, Any] = {
        "version": {"field": "updated_at", "format": "unix_milliseconds"},
        "since": {"param": "since", "step": "milliseconds"},
    }
    world = World(settings=settings, stamp=lambda moment: int(moment.timestamp() * 1000), compares="numbers").fill(9)
    world.run()
    world.later().write("004", "changed")
    world.run()
    world.write("004", "again")
    return world.settle()


@each(STYLES, "a counter of 19 digits")
def _(style: str) -> World:
    numbers = count(9_007_199_254_740_993)  # no float holds it
    world = World(
        style,
        "as is" if style == "keyset" else "id",
        settings={"version": {"field": "updated_at", "format": "integer"}},
        stream={"cursor": "integer", "overlap": 3.0},
        stamp=lambda _: next(numbers),
        compares="numbers",
    )
    for number in range(9):
        world.write(f"{number}", "first")
    world.run()
    row = world.write("4", "changed")
    world.items.sort(key=lambda item: int(item["updated_at"]))
    assert row in world.items
    return world.settle()


@each(STYLES, "rows without a version")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill(6)
    for number in range(5):
        world.items.append({"id": f"none-{number}", "updated_at": None, "content": "first"})
    world.run()
    assert not world.troubles
    world.items[-1] = {"id": "none-4", "updated_at": None, "content": "second"}
    run = world.later().run()
    assert run
    assert run.run.unversioned >= 1
    return world.settle()


@story("a row that loses its version, and gets it back")
def _() -> World:
    world = World().fill(4)
    world.run()
    world.later()
    world.items[1] |= {"updated_at": None, "content": "without"}
    world.run()
    world.later().write("001", "with")
    return world.settle()


@story("a row from the future hides nothing")
def _() -> World:
    world = World().fill(6)
    world.write("future", "x", datetime(2099, 1, 1, tzinfo=UTC))
    world.run()
    world.later().write("001", "changed")
    return world.settle()


@story("a row from the future, at a source that does not tell the time")
def _() -> World:
    world = World(dates=False).fill(6)
    world.write("future", "x", datetime(2099, 1, 1, tzinfo=UTC))
    world.run()
    world.later().write("001", "changed")
    return world.settle()


@each(STYLES, "rows committed late, within the overlap")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()
    world.write("now", "x")
    world.run()
    world.later(seconds=20).write("late", "x", world.moment - timedelta(seconds=55))
    return world.settle()


@each(STYLES, "rows committed hours late, and a comparison")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()
    world.run()
    world.compare()
    world.later().write("late", "x", world.moment - 5 * HOUR)
    world.run()
    world.compare()
    return world.settle()


@each(STYLES, "a clock set back an hour: new rows, and old ones changed")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()
    world.run()
    world.later(minutes=5)
    world.set_back = HOUR
    world.write("new", "in the hour that comes twice")
    world.write("017", "changed under the earlier clock")
    world.run()
    world.later(minutes=5).write("017", "and again")
    world.settle()
    world.set_back = timedelta()
    world.later(hours=1).write("017", "and under the right clock")
    return world.settle()


@story("a clock set back an hour, at a source that does not tell the time: a comparison finds it")
def _() -> World:
    world = World(dates=False).fill()
    world.run()
    world.compare()
    world.later(minutes=5)
    world.set_back = HOUR
    world.write("new", "in the hour that comes twice")
    world.write("017", "changed under the earlier clock")
    world.run()
    world.later(minutes=5).compare()
    return world.settle()


@story("the hub's clock is ten minutes ahead of a source that does not tell the time")
def _() -> World:
    world = World("page", "id", dates=False, set_back=timedelta(minutes=10)).fill(40, apart=10)
    asked = iter(range(1, 40))

    def slowly(_: int) -> None:
        number = next(asked)
        world.later(seconds=30)
        if number in (3, 6):
            world.write("001" if number == 3 else "039", f"changed at request {number}")

    world.meanwhile = slowly
    world.run()
    return world.settle()


@story("a row restored from a backup, with its earlier version")
def _() -> World:
    world = World().fill(6)
    world.write("x", "old", BEGIN - HOUR)
    world.run()
    world.compare()
    world.later().write("x", "new")
    world.run()
    world.compare()
    world.later().write("x", "old", BEGIN - HOUR)
    world.run()
    world.compare()
    return world.settle()


# Pages


def _changing(world: World) -> Callable[[int], None]:
    def change(number: int) -> None:
        if number in (2, 3, 5):
            world.write(f"{number:03}", f"at {number}")

    return change


@each(PAGED, "rows slide while they are read, newest last")
def _(style: str) -> World:
    world = World(style, "updated").fill()
    world.meanwhile = _changing(world)
    world.run()
    assert not world.mend().troubles
    return world.settle()


@each(tuple(style for style in PAGED if style != "keyset"), "rows slide while they are read, newest first")
def _(style: str) -> World:
    world = World(style, "newest").fill()
    world.meanwhile = _changing(world)
    world.run()
    return world.settle()


@each(PAGED, "rows are deleted while others are read")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()

    def delete(number: int) -> None:
        if number in (2, 3):
            world.delete(f"{number - 2:03}")

    world.meanwhile = delete
    world.run()
    world.mend()
    world.run()
    for key in ("000", "001"):  # that they are gone is another story
        world.in_order.pop(key, None)
        world.by_version.pop(key, None)
    return world


@each(PAGED, "a row is deleted before each page, all the time")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill(60, apart=20)
    world.run()
    world.later()
    for number in range(60):
        world.write(f"{number:03}", "second", world.moment - timedelta(seconds=60 - number))
    gone = iter(range(60))
    world.meanwhile = lambda _: world.delete(f"{next(gone, 60):03}")
    world.run()
    world.settle()
    for number in range(60):
        if f"{number:03}" not in world.truth():
            world.in_order.pop(f"{number:03}", None)
            world.by_version.pop(f"{number:03}", None)
    return world


@each(PAGED, "equal times across the boundary of a page")
def _(style: str) -> World:
    world = World(style, "updated")
    for number in range(11):
        world.write(f"{number:03}", "x", BEGIN - timedelta(minutes=3 if number > 2 else 5))
    world.run()
    return world.settle()


@story("a source that ignores how many rows it is asked for")
def _() -> World:
    world = World("offset", settings={"page": {"style": "offset", "size": 9, "limit_param": "how_many"}}).fill()
    world.run()
    return world.settle()


@story("a source without order")
def _() -> World:
    world = World("cursor", "as is").fill()
    world.items = world.items[9:] + world.items[:9]
    world.run()
    world.later().write("003", "changed")
    return world.settle()


@story("newest first, and every row new in every run")
def _() -> World:
    world = World("link", "newest").fill(11)
    for _ in range(3):
        for number in range(11):
            world.write(f"{number:03}", f"at {world.moment}")
        world.run()
        world.later()
    return world.settle()


BROKEN: dict[str, Break] = {
    "empty, as if it were the end": EMPTY_END,
    "short, as if it were the end": SHORT_END,
    "short": SHORT,
    "empty": EMPTY,
    "truncated": truncated,
    "HTML": HTML,
    "an error with status 200": ERROR_BODY,
    "without a word of what follows": NO_NEXT,
    "204": instead(204),
    "500": instead(500),
    "200 without a body": instead(200, ""),
    "null": instead(200, '{"data": null}'),
    "cut off within its compression": instead(200, b"\x1f\x8b\x08\x00\x00", Content_Encoding="gzip"),
}


def _broken_once(style: str, wrong: Break, at: int) -> World:
    """The first row has the newest version: what hides the others."""
    world = World(style, order_of(style)).fill(11, descending=style != "keyset")
    world.broken = {at: wrong}
    world.run()
    return world.settle()


def _broken_for_a_run(style: str, wrong: Break, number: int) -> World:
    world = World(style, order_of(style)).fill(11, descending=style != "keyset")
    world.pages_broken = {number: wrong}
    world.run()
    return world.settle()


for _name, _wrong in BROKEN.items():
    for _style in STYLES:
        for _at in (1, 2) if _style != "none" else (1,):
            STORIES[f"answer {_at} is {_name}, once ({_style})"] = lambda style=_style, wrong=_wrong, at=_at: (  # type: ignore[misc]
                _broken_once(style, wrong, at)
            )
            STORIES[f"page {_at} is {_name}, for a whole run ({_style})"] = lambda style=_style, wrong=_wrong, at=_at: (  # type: ignore[misc]
                _broken_for_a_run(style, wrong, at)
            )


def _others(world: World, number: int) -> Break:
    return lambda request, _: world.truly(
        request.__class__(
            "GET",
            request.url.copy_merge_params(
                {"offset": str((number - 1) * (world.size - 1))} if world.style == "offset" else {"page": str(number)}
            ),
        ),
        number,
    )


@each(("link", "next_url", "cursor", "page", "offset"), "a page answered with another page's rows")
def _(style: str) -> World:
    for at in (1, 2, 3):
        for instead_of in (1, 2, 4):
            world = World(style).fill(18, descending=True)
            world.broken = {at: _others(world, instead_of)}
            world.run()
            if world.settle().wrong():
                return world
    return world


@each(("link", "next_url", "cursor", "page", "offset"), "a page answered with another page's rows for a whole run")
def _(style: str) -> World:
    for at in (1, 2, 3):
        for instead_of in (1, 2, 4):
            world = World(style).fill(18, descending=True)
            world.pages_broken = {at: _others(world, instead_of)}
            world.run()
            if world.settle().wrong():
                return world
    return world


@each(("link", "next_url", "cursor"), "pages that lead in a circle")
def _(style: str) -> World:
    world = World(style).fill(18)
    world.pages_broken = {3: _leads_to(1)}
    world.run()
    assert world.troubles
    return world.settle()


@each(("link", "next_url", "cursor"), "pages that lead in a circle, and a function per page")
def _(style: str) -> World:
    world = World(style).fill(18)
    world.pages_broken = {3: _leads_to(1)}
    for _ in range(60):
        world.run(pages=1)
        if world.troubles:
            break
    assert world.troubles
    world.settle()
    return world


def _leads_to(number: int) -> Break:
    def lead(request: httpx.Request, true: httpx.Response) -> httpx.Response:
        url = str(request.url.copy_merge_params({"page": str(number)}))
        broken = changed(next=url, meta={"next": str(number)})(request, true)
        if "link" in true.headers:
            broken.headers["link"] = f'<{url}>; rel="next"'
        return broken

    return lead


@story("a source that ignores which page it is asked for")
def _() -> World:
    world = World("page").fill(18)
    for number in range(2, 12):
        world.pages_broken[number] = lambda request, _: world.truly(request, 1)
    for _ in range(30):
        world.run(pages=3)
        if world.troubles:
            break
    assert world.troubles
    return world.settle()


@story("a source that ignores the offset")
def _() -> World:
    world = World("offset").fill(18)
    first = httpx.Request("GET", "https://source.example/rows?limit=4&offset=0")
    world.pages_broken = {number: lambda _request, _true: world.truly(first) for number in range(2, 12)}
    world.run(pages=100)
    assert world.troubles
    return world.settle()


@story("a token that stays the same at the end, with an empty page")
def _() -> World:
    world = World("cursor").fill(18)

    def stays(request: httpx.Request, true: httpx.Response) -> httpx.Response:
        number = int(request.url.params.get("page", 1))
        return changed(meta={"next": str(min(number + 1, 6))})(request, true)

    world.pages_broken = dict.fromkeys(range(1, 9), stays)
    world.run()
    assert not world.troubles
    world.settle()
    return world


@story("empty pages in the middle, with a token")
def _() -> World:
    world = World("cursor").fill(18)
    before = world.number
    world.number = lambda request: 2 if request.url.params.get("page") == "2b" else before(request)  # type: ignore[method-assign]
    world.broken = {2: changed(data=[], meta={"next": "2b"})}
    world.run()
    return world.settle()


@story("a total that is too low")
def _() -> World:
    world = World("page", settings={"total": "total"}).fill(18)
    world.pages_broken = {number: changed(total=3) for number in range(1, 9)}
    world.run()
    return world.settle()


@story("a total that is too high is said aloud")
def _() -> World:
    world = World("page", settings={"total": "total"}).fill(18)
    world.pages_broken = {number: changed(total=30) for number in range(1, 9)}
    world.run()
    assert isinstance(world.troubles[-1], Temporary)
    return world.settle()


@story("a keyset of a source that lists by id is said aloud")
def _() -> World:
    world = World("keyset", "id").fill(18, descending=True)
    world.run()
    assert world.troubles
    world.order = "updated"
    return world.settle()


@story("a keyset of a source that lists newest first is said aloud")
def _() -> World:
    world = World("keyset", "newest").fill(18)
    world.run()
    assert world.troubles
    world.order = "updated"
    return world.settle()


# Answers


@story("429 with seconds, with a date, without either, and 503")
def _() -> World:
    world = World().fill(18)
    world.broken = {
        1: instead(429, "", Retry_After="3"),
        3: instead(429, "", Retry_After="Sun, 01 Mar 2026 12:00:19 GMT"),
        5: instead(429),
        7: instead(503, "", Retry_After="1"),
    }
    world.run()
    assert not world.troubles
    assert max(world.slept) >= 3
    return world.settle()


@story("429 for an hour is left to a later run")
def _() -> World:
    world = World().fill(18)
    world.broken = {3: instead(429, "", Retry_After="3600")}
    world.run()
    assert sum(world.slept) < 60
    return world.settle()


@story("5xx for as long as a run lasts")
def _() -> World:
    world = World().fill(18)
    world.broken = dict.fromkeys(range(3, 40), instead(502, "<html>"))
    world.run()
    assert world.troubles
    return world.settle()


@story("408 and 425 are asked again")
def _() -> World:
    world = World().fill(18)
    world.broken = {2: instead(408), 4: instead(425)}
    world.run()
    assert not world.troubles
    return world.settle()


@each(("page", "cursor"), "the token runs out in the middle")
def _(style: str) -> World:
    world = World(style, settings={"auth": {"type": "bearer"}}).fill(18)
    world.secrets = ["first", "second"]

    def refuse(request: httpx.Request, true: httpx.Response) -> httpx.Response:
        return true if request.headers["authorization"] == "Bearer second" else httpx.Response(401)

    world.pages_broken = dict.fromkeys(range(3, 9), refuse)
    world.run()
    assert not world.troubles
    return world.settle()


@story("a redirect within the host")
def _() -> World:
    world = World().fill(18)
    world.broken = {
        2: instead(307, "", Location="/rows/?page=2"),
        5: instead(301, "", Location="https://source.example/rows?page=4"),
    }
    world.run()
    assert not world.troubles
    return world.settle()


@story("a redirect to another host is said aloud, and bears no secret there")
def _() -> World:
    world = World(settings={"auth": {"type": "bearer"}}).fill(18)
    world.pages_broken = {2: instead(302, "", Location="https://evil.example/rows?page=2")}
    world.run()
    assert world.troubles
    assert all(request.url.host == "source.example" for request in world.asked)
    return world.settle()


@each(("link", "next_url"), "a next page at another host is not asked")
def _(style: str) -> World:
    world = World(style, settings={"auth": {"type": "bearer"}}).fill(18)
    evil = "https://source.example@evil.example/rows?page=2"

    def elsewhere(request: httpx.Request, true: httpx.Response) -> httpx.Response:
        broken = changed(next=evil)(request, true)
        broken.headers["link"] = f'<{evil}>; rel="next"'
        return broken

    world.pages_broken = {1: elsewhere}
    world.run()
    assert world.troubles
    assert all(request.url.host == "source.example" for request in world.asked)
    return world.settle()


@story("gzip, and a byte order mark")
def _() -> World:
    world = World().fill(18)

    def packed(_: httpx.Request, true: httpx.Response) -> httpx.Response:
        content = gzip.compress(b"\xef\xbb\xbf" + true.content)
        return httpx.Response(200, headers={"Content-Encoding": "gzip", "Date": true.headers["date"]}, content=content)

    world.pages_broken = dict.fromkeys(range(1, 9), packed)
    run = world.run()
    assert run
    assert not world.troubles
    return world.settle()


# Rows


@story("a number that is none sets its row aside, and no other")
def _() -> World:
    world = World().fill(6)
    world.write("nan", float("nan"))
    world.write("infinite", float("-inf"))
    world.run()
    world.settle()
    assert {"nan", "infinite"} <= world.quarantined.keys()
    world.delete("nan")
    world.delete("infinite")
    return world


@story("money keeps its digits")
def _() -> World:
    world = World()
    texts = ["10.10", "0.1", "1234567890123456789.01", "0.30000000000000004", "99999999999999999999", "1e-7"]
    rows = ",".join(
        f'{{"id":"{number}","updated_at":"2026-03-01T11:00:00Z","content":{text}}}' for number, text in enumerate(texts)
    )
    world.pages_broken = {1: instead(200, f'{{"data":[{rows}]}}')}
    world.run()
    for number, text in enumerate(texts):
        said = world.in_order[str(number)]["content"]
        assert not isinstance(said, float)
        assert Decimal(said) == Decimal(text)
    world.in_order, world.by_version = {}, {}
    return world


@story("keys that differ by case, by a space, by their script")
def _() -> World:
    world = World()
    for key in ("abc", "ABC", "abc ", " abc", "ａｂｃ", "é", "é", "日本", "a/b", "a:b", "%3A"):
        world.write(key, f"row {key!r}")
    world.run()
    return world.settle()


@story("keys of several fields that would look alike")
def _() -> World:
    world = World(settings={"key": ["shop", "number"]})
    world.write("1", "x", shop="a:b", number="c")
    world.write("2", "y", shop="a", number="b:c")
    world.run()
    assert sorted(row["content"] for row in world.in_order.values()) == ["x", "y"]
    world.items, world.in_order, world.by_version = [], {}, {}
    return world


@story("a key that turns from a number into a text")
def _() -> World:
    world = World().fill(3)
    for number in (7, 8):
        world.write(number, "as a number")
    world.run()
    world.later()
    world.items = [each for each in world.items if not isinstance(each["id"], int)]
    for text in ("7", "8"):
        world.write(text, "as a text")
    return world.settle()


@story("rows without a key are set aside, once each, and hold up nothing")
def _() -> World:
    world = World().fill(6)
    bad: list[Any] = [None, "", True, 7.5, ["a"], {"a": 1}, "x" * 300, "a\nb"]
    for each_bad in bad:
        world.items.append({"id": each_bad, "updated_at": rfc3339(world.moment), "content": str(each_bad)[:9]})
    world.run()
    world.settle(4)
    assert len(world.quarantined) == len(bad)
    world.items = world.items[:6]
    return world


@story("rows that are no objects are set aside")
def _() -> World:
    world = World().fill(3)
    world.pages_broken = {1: changed(data=lambda rows: [*rows, 5, "text", None, [1]])}
    world.run()
    assert len(world.quarantined) == 4
    return world.settle()


@story("one key twice on one page")
def _() -> World:
    world = World("page", "as is").fill(2)
    same = rfc3339(BEGIN - timedelta(minutes=5))
    world.items += [{"id": "x", "updated_at": same, "content": each} for each in ("one", "two")]
    world.run()
    return world.settle()


@story("fields that come, go and change their type")
def _() -> World:
    world = World().fill(6)
    world.run()
    world.later()
    world.write("000", 5)
    world.write("001", {"now": ["an", "object"]})
    world.write("002", None, vat="DE1")
    world.items[3].pop("content")
    world.items[3]["updated_at"] = rfc3339(world.moment)
    run = world.run()
    assert run
    assert run.run.new_fields == ("vat",)
    return world.settle()


@story("a large row, deep and in many scripts")
def _() -> World:
    world = World()
    deep: Any = "bottom"
    for _ in range(200):
        deep = [deep]
    world.write("large", {"text": "größer 日本 😀 " * 5_000, "deep": deep, "zero": "\u0000"})
    world.run()
    return world.settle()


@story("a field named as the hub's own")
def _() -> World:
    world = World()
    world.write("x", {"": 1, "constructor": 2, "a.b": 3, "__proto__": 4}, entity="order", version="9", type="deleted")
    world.run()
    return world.settle()


# What is gone


@each(STYLES, "hard deletes")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()
    world.run()
    world.compare()
    world.later()
    for key in ("003", "009", "017"):
        world.delete(key)
    world.run()
    world.compare()
    world.later().write("009", "came back")
    return world.settle()


@story("a row that says that it is gone, and comes back")
def _() -> World:
    world = World(settings={"deleted": {"field": "gone"}}).fill(4)
    world.run()
    world.later().write("001", "x", gone=True)
    world.run()
    assert "001" in world.in_order
    assert world.in_order["001"] is None
    world.later().write("001", "back", gone=False)
    return world.settle()


@each(STYLES, "a source that is empty for a day deletes nothing")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()
    world.run()
    world.compare()
    world.later()
    rows, world.items = world.items, []
    world.run()
    compared = world.compare()
    assert compared
    assert compared.verdict.why
    world.later()
    world.items = rows
    return world.settle()


@each(("none", "link", "cursor", "page", "offset"), "an answer that is short in a comparison deletes nothing")
def _(style: str) -> World:
    world = World(style).fill(40, apart=10)
    world.run()
    world.compare()
    world.later()
    before = world.requests
    world.broken = {before + 2 if style != "none" else before + 1: changed(data=lambda rows: rows[:-2])}
    world.compare()
    return world


@story("a comparison of a listing that broke off deletes nothing")
def _() -> World:
    world = World("cursor").fill()
    world.run()
    world.compare()
    world.pages_broken = {3: instead(500)}
    assert world.compare() is None
    return world.settle()


# Runs


@each(PAGED, "functions that have time for one page each")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill(40, apart=20)
    for _ in range(60):
        run = world.run(pages=1)
        if run and run.ended:
            break
    else:
        raise AssertionError("they never come to the end")
    return world.settle()


@each(("page", "cursor", "keyset"), "functions that have time for one page each, and rows that change all the time")
def _(style: str) -> World:
    world = World(style, "updated").fill(40, apart=20)
    for number in range(160):
        run = world.run(pages=1)
        if number % 3 == 0:
            world.write(f"{number % 40:03}", f"changed at {number}")
        if run and run.ended and number > 60:
            break
    else:
        raise AssertionError("they never come to the end")
    return world.settle()


@each(("link", "offset", "keyset"), "a process that dies at each step of each page")
def _(style: str) -> World:
    for step in ("before the queue", "after the queue", "before the cursor", "after the cursor"):
        for at in range(1, 6):
            world = World(style, order_of(style)).fill()
            world.dies = {step: at}
            world.run()
            world.later().write("005", "meanwhile")
            if world.settle().wrong():
                return world
    return world


@each(("page", "keyset"), "two runs at once, without a lease between them")
def _(style: str) -> World:
    world = World(style, order_of(style)).fill()
    world.run(pages=2)

    def another(_: int) -> None:
        world.meanwhile = lambda _: None
        before = dict(world.kept)
        world.run()
        world.kept = before

    world.meanwhile = another
    world.run()
    return world.settle()


@story("a token that the source no longer knows, for a page and for a run")
def _() -> World:
    world = World("cursor").fill(18)
    world.broken = {3: instead(410), 8: instead(404)}
    world.run()
    assert not world.troubles
    return world.settle()


@story("a provider's own cursor, its pages, and the day on which it is forgotten")
def _() -> World:
    world = World("cursor", "id", stream={"mode": "delta", "cursor": "token"}, compares="not at all")
    world.settings = {"token": "meta.token", "version": None}
    world.fill(9)

    def told(request: httpx.Request, true: httpx.Response) -> httpx.Response:
        if request.url.params.get("since") == "forgotten":
            return httpx.Response(410)
        number = int(request.url.params.get("page", 1))
        following = str(number + 1) if number < 3 else None
        return changed(meta={"next": following, "token": None if following else "forgotten"})(request, true)

    world.pages_broken = dict.fromkeys(range(1, 9), told)
    world.run()
    world.later().write("004", "changed")
    world.run()
    assert not world.troubles
    assert not world.wrong()
    return world


@pytest.fixture(params=list(STORIES))
def told(request: pytest.FixtureRequest) -> World:
    return STORIES[request.param]()


def test_what_is_said_in_the_end_is_what_the_source_says(told: World) -> None:
    assert told.wrong() == {}


def test_a_counter_that_is_taken_for_a_time_is_refused_before_anything_is_read() -> None:
    world = World(settings={"version": {"field": "updated_at", "format": "integer"}})

    world.run()

    assert isinstance(world.troubles[0], NotConfigured)
    assert not world.requests


def test_the_judge_sees_a_row_that_was_lost_one_that_is_old_and_one_too_many() -> None:
    world = World().fill(3).settle()
    world.in_order.pop("000")
    world.by_version["001"] = ("", {"id": "001", "content": "old"})
    world.in_order["002"] = world.by_version["x"] = ("", {})

    assert {key.split(",")[0] for key in world.wrong()} == {"000", "001", "002", "x"}
