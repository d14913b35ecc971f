"""A delivery's body as Shopify sends it: an object, and of what kind."""

from typing import Any

from hub.errors import Unreadable
from hub.reading import json_object


def content_of(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is, its numbers in Decimal; raises Unreadable."""
    if not body.strip():
        raise Unreadable("the body is empty")
    return json_object(body)


def must_be(global_id: str, what: str) -> None:
    """Raise Unreadable where `admin_graphql_api_id` is there and names another kind of thing."""
    if global_id and not global_id.startswith(f"gid://shopify/{what}/"):
        raise Unreadable(f"admin_graphql_api_id: does not name a Shopify {what}; another kind of body came")
