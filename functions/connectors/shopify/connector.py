"""Shopify as a source: each delivery becomes the hub's record of what the shop states in it. (As a destination: see
destination.py.)"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from connectors.shopify.body import content_of
from connectors.shopify.customers import read_customer, read_merge, read_redaction
from connectors.shopify.fulfilments import read_fulfilment
from connectors.shopify.orders import read_order
from connectors.shopify.payments import read_payment
from connectors.shopify.refunds import read_refund
from connectors.shopify.shapes import Identified
from hub.connector import NotWanted, Reach
from hub.errors import Unreadable
from hub.events import Event
from hub.facts import UNREADABLE
from hub.late_names import late_names
from hub.reading import shaped
from hub.records import Deletion, Record, TableRow

if TYPE_CHECKING:
    from hub.streams import Listing, Stream

DESTINATION, SUBSCRIPTIONS = "connectors.shopify.destination", "connectors.shopify.subscriptions"
__getattr__ = late_names(
    __name__,
    dict.fromkeys(("credentials", "destination", "probe"), DESTINATION)
    | dict.fromkeys(("API_SUPPORTED_UNTIL", "subscriptions", "subscriptions_for", "wanted"), SUBSCRIPTIONS),
)


def _read_product(content: dict[str, Any]) -> Record | NotWanted:
    from connectors.shopify.products import read_product

    return read_product(content)


def _read_level(content: dict[str, Any]) -> Record | NotWanted:
    from connectors.shopify.levels import read_level

    return read_level(content)


READERS: Final[dict[str, Callable[[dict[str, Any]], Record | NotWanted]]] = {
    "order": read_order,
    "refund": read_refund,
    "fulfilment": read_fulfilment,
    "payment": read_payment,
    "product": _read_product,
    "customer": read_customer,
    "merge": read_merge,
    "redaction": read_redaction,
    "stock_level": _read_level,
}


def listing(stream: "Stream", settings: Mapping[str, Any], reach: Reach) -> "Listing":
    """A stream of the store: "orders", "customers", "products" or "inventory"."""
    from connectors.shopify.levels import STREAM, LevelListing
    from connectors.shopify.listing import AdminListing
    from connectors.shopify.settings import StreamSettings

    of_it = LevelListing if stream.name == STREAM else AdminListing
    return of_it(stream, StreamSettings(**settings), reach)


def read(event: Event, kind: str) -> Record | NotWanted:
    """Read a delivery's body, or a stream's row, as the kind of record that its topic promises.

    Raises Unreadable for a body that is no such thing or states what the record cannot say, and TotalMismatch for money
    that does not add up.
    """
    content = content_of(event.data)
    if kind == "row":
        return _as_row(event, content)
    return _deletion(event, content) if kind == "deletion" else READERS[kind](content)


def _as_row(event: Event, content: dict[str, Any]) -> TableRow:
    _, entity, key = event.subject.split("/", 2)
    if entity == UNREADABLE:
        raise Unreadable("id: is missing or no number, so that nothing says which row this is")
    return TableRow(stream=event.type.partition(".")[2], key=key, fields=content)


def _deletion(event: Event, content: dict[str, Any]) -> Deletion:
    """The body of …/delete: the id of what is gone, and hardly more. Its topic says what it was. A row that is listed no
    more says nothing; its key is the id."""
    if event.type.endswith("/deleted"):
        return Deletion(entity=event.subject.split("/")[1], id=event.subject.split("/", 2)[2])
    if "created_at" in content:
        raise Unreadable("created_at: the body is of something that is still there")
    return Deletion(entity=event.subject.split("/")[1], id=shaped(Identified, content).id)
