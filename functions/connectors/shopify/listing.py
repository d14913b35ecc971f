"""Lists a store's orders, customers and products over the REST Admin API, oldest change first.

REST, since its rows are the very bodies that webhooks bear, with the same `updated_at`: so one change is the same fact
whichever way it comes. https://shopify.dev/docs/api/usage/pagination-rest and https://shopify.dev/docs/api/usage/limits
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors.shopify.admin import API_VERSION, check_status
from connectors.shopify.destination import credentials
from connectors.shopify.settings import StreamSettings
from hub.connector import Answer, Reach
from hub.dates import date_of
from hub.errors import Refused
from hub.events import parse_instant
from hub.facts import NO_VERSION, canonical, version_of
from hub.streams import Ask, Page, PageGone, PageSuspect, Row, Stream

NEXT_LINK = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
CALLS = re.compile(r"(\d+)/(\d+)")  # X-Shopify-Shop-Api-Call-Limit: how full the bucket is
SECONDS_TO_DRAIN = 20.0  # a full bucket: 40 calls at 2 per second, 400 at 20 on Shopify Plus
SECOND = timedelta(seconds=1)


class AdminListing:
    """A stream of a store. Shopify's cursors say behind which row a page begins, so that no row slides between pages."""

    steady = True
    ordered = True

    def __init__(self, stream: Stream, settings: StreamSettings, reach: Reach) -> None:
        self._stream, self._settings, self._reach = stream, settings, reach
        self._http = reach.http(lambda: credentials(reach.secret))
        self._path = f"/admin/api/{API_VERSION}/{stream.name}.json"
        self._free_at = reach.now()  # when the next call leaves others their share of the limit

    def page(self, ask: Ask) -> Page:
        """One page; raises as Listing says."""
        answer = self._answer(self._question(ask), ask)
        rows = [_row(item) for item in self._items(answer)]
        following = _page_info(answer)
        if following and following == ask.after:
            raise PageSuspect(f"{self._stream.path}: the page names itself as the next one")
        wanted = [row for row in rows if not ask.until or row.version < ask.until]
        # a full page without a next one may be one whose Link was lost on the way: it is asked for again
        is_told = bool(following) or len(rows) < self._settings.page_size
        return Page(wanted, following, end_is_told=is_told, source_now=date_of(answer))

    def _question(self, ask: Ask) -> dict[str, str]:
        limit = {"limit": str(self._settings.page_size)}
        if ask.after:
            return limit | {"page_info": ask.after}  # which bears the filters, and is refused beside any
        query = limit | {"order": "updated_at asc"}
        if self._stream.name == "orders":
            query["status"] = "any"  # else only those that are open
        if ask.since:
            query["updated_at_min"] = _second(ask.since)
        if ask.until:
            query["updated_at_max"] = _second(ask.until, up=True)
        return query

    def _answer(self, query: Mapping[str, str], ask: Ask) -> Answer:
        self._reach.sleep(max((self._free_at - self._reach.now()).total_seconds(), 0.0))
        answer = self._http.send("GET", self._path, query=query)
        if answer.status == 401:
            self._http.renew_credentials()  # the token may have been rotated since it was read
            answer = self._http.send("GET", self._path, query=query)
        self._free_at = self._reach.now() + timedelta(seconds=self._wait_seconds(answer))
        if ask.after and answer.status in (400, 410, 422):
            raise PageGone(f"{self._stream.path}: HTTP {answer.status}: Shopify no longer knows the next page")
        check_status(answer)
        if answer.status != 200:
            raise Refused(
                f"{self._stream.path}: HTTP {answer.status}: Shopify refuses the question; is `url` the store's?"
            )
        return answer

    def _wait_seconds(self, answer: Answer) -> float:
        """Until the bucket has drained to the stream's share of it."""
        told = CALLS.fullmatch(answer.headers.get("x-shopify-shop-api-call-limit", ""))
        used, size = (int(told[1]), int(told[2])) if told else (0, 0)
        above = used + 1 - size * self._settings.share_of_limit
        return min(max(above, 0.0) * SECONDS_TO_DRAIN / size, SECONDS_TO_DRAIN) if size else 0.0

    def _items(self, answer: Answer) -> list[dict[str, Any]]:
        try:
            content = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise PageSuspect(f"{self._stream.path}: HTTP 200 whose body is no JSON, or only the beginning") from error
        found = content.get(self._stream.name) if isinstance(content, dict) else None
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise PageSuspect(f"{self._stream.path}: HTTP 200 without a list of {self._stream.name}")
        return found


def _row(item: dict[str, Any]) -> Row:
    number = item.get("id")
    key = str(number) if isinstance(number, int) and not isinstance(number, bool) else ""
    version = version_of(item.get("updated_at"), "timestamp")
    return Row(key, "" if version == NO_VERSION else version, canonical(item))


def _page_info(answer: Answer) -> str:
    link = NEXT_LINK.search(answer.headers.get("link", ""))
    return parse_qs(urlsplit(link[1]).query).get("page_info", [""])[0] if link else ""


def _second(version: str, *, up: bool = False) -> str:
    """A version to the second, which is what Shopify knows; rounded so that nothing is left out."""
    moment = parse_instant(version)
    whole = moment.replace(microsecond=0) + (SECOND if up and moment.microsecond else timedelta())
    return whole.isoformat().replace("+00:00", "Z")
