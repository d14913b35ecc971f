"""Lists how much of each article can be sold at each location, over the GraphQL Admin API.

GraphQL, since REST's inventory levels name neither SKU nor location, and are deprecated. One query asks for one location
and a page of its levels; both have cursors, so that a page's name says all. Levels come by their id, in no order of time.
https://shopify.dev/docs/api/admin-graphql/2026-01/objects/Location and https://shopify.dev/docs/api/usage/limits
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from connectors.shopify.admin import Admin, Cost, data_of
from connectors.shopify.destination import credentials
from connectors.shopify.settings import StreamSettings
from connectors.shopify.shapes import LevelShape
from hub.connector import NotWanted, Reach
from hub.dates import date_of
from hub.errors import Refused
from hub.facts import NO_VERSION, canonical, version_of
from hub.reading import shaped
from hub.records import StockLevel
from hub.streams import Ask, Page, PageGone, PageSuspect, Row, Stream

STREAM = "inventory"
MOST_LEVELS = 200  # of a page: each costs some three points, and a query may cost a thousand
END = "~"  # behind every version
LEVELS: Final = """
query($location: String, $first: Int!, $after: String, $query: String) {
  locations(first: 1, after: $location) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id name
      inventoryLevels(first: $first, after: $after, query: $query) {
        pageInfo { hasNextPage endCursor }
        nodes { id updatedAt item { id sku tracked } quantities(names: ["available"]) { quantity } }
      }
    }
  }
}"""


class LevelListing:
    """The stream of levels of a store. Cursors say behind which level a page begins, so that none slides between pages."""

    steady = True
    ordered = False

    def __init__(self, stream: Stream, settings: StreamSettings, reach: Reach) -> None:
        self._stream, self._settings, self._reach = stream, settings, reach
        self._admin = Admin(reach.http(lambda: credentials(reach.secret)))
        self._free_at = reach.now()  # when the next query leaves others their share of the limit

    def page(self, ask: Ask) -> Page:
        """One page; raises as Listing says."""
        location, after = json.loads(ask.after) if ask.after else (None, None)
        asked = {
            "location": location,
            "first": min(self._settings.page_size, MOST_LEVELS),
            "after": after,
            "query": _changed(ask),
        }
        self._reach.sleep(max((self._free_at - self._reach.now()).total_seconds(), 0.0))
        answer = self._admin.answer(LEVELS, asked)
        cost = Cost.of(answer)
        self._free_at = self._reach.now() + timedelta(seconds=cost.wait_seconds(self._settings.share_of_limit))
        try:
            data = data_of(answer)
        except Refused as error:
            if ask.after:
                raise PageGone(f"{self._stream.path}: Shopify no longer knows the next page: {error}") from error
            raise
        try:
            rows, following = _read(data["locations"], location)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise PageSuspect(
                f"{self._stream.path}: the answer is no page of levels ({type(error).__name__})"
            ) from error
        if following and following == ask.after:
            raise PageSuspect(f"{self._stream.path}: the page names itself as the next one")
        wanted = [row for row in rows if not row.version or ask.since <= row.version < (ask.until or END)]
        return Page(wanted, following, source_now=date_of(answer))


def _changed(ask: Ask) -> str | None:
    """As Shopify's search syntax says it. https://shopify.dev/docs/api/usage/search-syntax"""
    parts = [f"updated_at:>='{ask.since}'"] if ask.since else []
    parts += [f"updated_at:<'{ask.until}'"] if ask.until else []
    return " AND ".join(parts) or None


def _read(locations: Mapping[str, Any], at: str | None) -> tuple[list[Row], str]:
    """The rows of a page, and the name of the one that follows."""
    if not locations["nodes"]:
        return [], ""  # a store without locations, or the last one was closed meanwhile
    [location] = locations["nodes"]
    levels = location["inventoryLevels"]
    rows = [_row(each, location) for each in levels["nodes"]]
    if levels["pageInfo"]["hasNextPage"]:
        return rows, json.dumps([at, _cursor(levels["pageInfo"])])
    if locations["pageInfo"]["hasNextPage"]:
        return rows, json.dumps([_cursor(locations["pageInfo"]), None])
    return rows, ""


def _cursor(page_info: Mapping[str, Any]) -> str:
    cursor = page_info["endCursor"]
    if not isinstance(cursor, str) or not cursor:
        raise ValueError("a page follows, and no cursor says where")
    return cursor


def _row(level: Mapping[str, Any], location: Mapping[str, Any]) -> Row:
    item, place = _number(level["item"]["id"]), _number(location["id"])
    [quantity] = level["quantities"]
    data = {
        "id": f"{item}-{place}",
        "inventory_item_id": item,
        "location_id": place,
        "sku": level["item"]["sku"],
        "location": location["name"],
        "available": int(quantity["quantity"]),
        "tracked": level["item"]["tracked"],
        "updated_at": level["updatedAt"],
    }
    version = version_of(level["updatedAt"], "timestamp")
    return Row(data["id"], "" if version == NO_VERSION else version, canonical(data))


def _number(global_id: str) -> int:
    return int(global_id.rpartition("/")[2].partition("?")[0])


def read_level(content: dict[str, Any]) -> StockLevel | NotWanted:
    """A row as the level of an article; raises Unreadable."""
    level = shaped(LevelShape, content)
    if not level.tracked:
        return NotWanted("Shopify does not track the stock of the article")
    if not level.sku:
        return NotWanted("the article has no SKU, by which alone other systems know it")
    return StockLevel(sku=level.sku, place=level.location, available=level.available)
