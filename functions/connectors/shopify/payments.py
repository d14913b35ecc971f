"""Reads a transaction: money that came in for an order."""

from typing import Any, Final

from connectors.shopify.body import must_be
from connectors.shopify.shapes import TransactionShape
from hub.connector import NotWanted
from hub.errors import Unreadable
from hub.reading import shaped
from hub.records import Payment

INCOMING: Final = frozenset({"sale", "capture"})  # …/resources/transaction: `kind`
FAILED: Final = frozenset({"failure", "error"})


def read_payment(content: dict[str, Any]) -> Payment | NotWanted:
    """The body of order_transactions/create: a sale or a capture that succeeded is a payment.

    Raises Unreadable for a refund that failed: it was told as given back while it was under way.
    """
    shape = shaped(TransactionShape, content)
    must_be(shape.admin_graphql_api_id, "OrderTransaction")
    if shape.kind == "refund" and shape.status in FAILED:
        raise Unreadable(
            "status: a refund failed, so that the buyer has not got the money; if its credit note was written, cancel it "
            "by hand, then discard the event"
        )
    if shape.kind == "refund":
        return NotWanted("a refund's transaction: refunds/create and orders/updated tell of the refund")
    if shape.kind not in INCOMING:
        return NotWanted("not a sale nor a capture: no money came in")
    if shape.status != "success":
        return NotWanted("the payment did not succeed, or not yet: no money came in")
    if not shape.amount:
        return NotWanted("a payment of nothing")
    return Payment(
        id=shape.id,
        order_id=shape.order_id,
        paid_at=shape.processed_at or shape.created_at,
        currency=shape.currency,
        amount=shape.amount,
        gateway=shape.gateway,
    )
