"""The part of an imitated Shopify store that lists: its levels page by page, by cursors, and what that costs.

Written from Shopify's documentation: https://shopify.dev/docs/api/usage/pagination-graphql,
https://shopify.dev/docs/api/usage/limits (a query costs at most 1,000 points, of a bucket of 2,000 that 100 per second fill
again) and https://shopify.dev/docs/api/admin-graphql/2026-01/objects/Location (inventoryLevels).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from infra.local.graphql import Invalid, Selected
from infra.local.shopify import Body

MOST_POINTS, BUCKET_POINTS, POINTS_PER_SECOND = 1_000, 2_000, 100.0
MOST_NODES = 250
TERM = re.compile(r"updated_at:(>=|<=|>|<)'([^']+)'")
THROTTLED: Body = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}


class Article(Protocol):
    """What is stocked."""

    number: int
    sku: str
    tracked: bool
    levels: dict[str, int]
    changed: dict[str, datetime]


@dataclass
class Bucket:
    """The points that an app has left."""

    at: datetime
    left: float = BUCKET_POINTS

    def takes(self, points: int, now: datetime) -> bool:
        """Spend points, if there are so many."""
        self.left = min(self.left + POINTS_PER_SECOND * (now - self.at).total_seconds(), BUCKET_POINTS)
        self.at = now
        if points > self.left:
            return False
        self.left -= points
        return True

    def told(self, points: int) -> Body:
        """What an answer says of it."""
        status = {
            "maximumAvailable": float(BUCKET_POINTS),
            "currentlyAvailable": int(self.left),
            "restoreRate": POINTS_PER_SECOND,
        }
        return {"extensions": {"cost": {"requestedQueryCost": points, "throttleStatus": status}}}


def cost(one: Selected) -> int:
    """The points of a field: one for each object, times the page's size below a connection that is paged. Other queries
    of this store are too cheap to matter."""
    if not any(each.name == "inventoryLevels" for inner in one.inner for each in inner.inner):
        return 0
    return 2 + sum(_objects(each) * int(one.arguments.get("first", 1)) for each in one.inner)


def _objects(one: Selected) -> int:
    if not one.inner or one.name == "pageInfo":
        return 0
    inner = sum(map(_objects, one.inner))
    if one.name == "nodes":
        return 1 + inner
    return inner * int(one.arguments["first"]) + 2 if "first" in one.arguments else 1 + inner


def too_dear(points: int) -> Body:
    """The error of a query that no bucket holds."""
    what = f"Query cost is {points}, which exceeds the single query max cost limit ({MOST_POINTS})."
    return {"message": what, "extensions": {"code": "MAX_COST_EXCEEDED"}}


def paged(nodes: Sequence[Body], first: int, after: str | None) -> Body:
    """A connection: its nodes in the order of their ids, behind the one that the cursor names."""
    if not 1 <= first <= MOST_NODES:
        raise Invalid(f"first must be between 1 and {MOST_NODES}")
    ordered = sorted(nodes, key=lambda each: _place(each["id"]))
    last = -1 if after is None else _opened(after)
    behind = [each for each in ordered if _place(each["id"]) > last]
    page = behind[:first]
    end = base64.b64encode(repr(_place(page[-1]["id"])).encode()).decode() if page else None
    return {"nodes": page, "pageInfo": {"hasNextPage": len(behind) > first, "endCursor": end}}


def levels(
    articles: Sequence[Article], location: str, first: int, after: str | None = None, query: str | None = None
) -> Body:
    """A location's levels that the query asks for."""
    bounds = [(sign, datetime.fromisoformat(text).astimezone(UTC)) for sign, text in _terms(query or "")]
    found = [
        _level(each, location)
        for each in articles
        if location in each.levels and all(_holds(each.changed[location], *bound) for bound in bounds)
    ]
    return paged(found, first, after)


def _level(article: Article, location: str) -> Body:
    available = article.levels[location]
    return {
        "id": f"gid://shopify/InventoryLevel/{article.number}?inventory_item_id={article.number}",
        "updatedAt": article.changed[location].astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "item": {
            "id": f"gid://shopify/InventoryItem/{article.number}",
            "sku": article.sku or None,
            "tracked": article.tracked,
        },
        "quantities": lambda names: [{"name": name, "quantity": available} for name in names],
    }


def _terms(query: str) -> Sequence[tuple[str, str]]:
    parts = [each for each in query.split(" AND ") if each]
    terms = [TERM.fullmatch(each) for each in parts]
    if not all(terms):
        raise Invalid(f"the search {query!r} is not one that this store understands")
    return [(each[1], each[2]) for each in terms if each]


def _holds(changed: datetime, sign: str, bound: datetime) -> bool:
    stamp = changed.astimezone(UTC).replace(microsecond=0)
    holds: Mapping[str, Any] = {">=": stamp >= bound, "<=": stamp <= bound, ">": stamp > bound, "<": stamp < bound}
    return bool(holds[sign])


def _place(global_id: str) -> int:
    return int(global_id.rpartition("/")[2].partition("?")[0])


def _opened(cursor: str) -> int:
    try:
        return int(base64.b64decode(cursor, validate=True))
    except ValueError as error:
        raise Invalid("Invalid cursor for current pagination sort.") from error
