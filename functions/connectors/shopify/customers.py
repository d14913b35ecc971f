"""Reads a customer: who buys, which two are one from now on, and who must be forgotten."""

from typing import Any

from connectors.shopify.body import must_be
from connectors.shopify.shapes import CustomerBody, CustomerShape, MergeShape, RedactionShape
from hub.connector import NotWanted
from hub.errors import Unreadable
from hub.reading import shaped
from hub.records import Customer, Merge, Redaction


def read_customer(content: dict[str, Any]) -> Customer:
    """The body of customers/create and customers/update."""
    for name, what in (("line_items", "an order's"), ("variants", "a product's")):
        if name in content:
            raise Unreadable(f"{name}: the body is {what}, not a customer's")
    shape = shaped(CustomerBody, content)
    must_be(shape.admin_graphql_api_id, "Customer")
    return buyer(shape)


def buyer(shape: CustomerShape) -> Customer:
    """A customer with a first or last name is a person, whatever company their address names."""
    person = f"{shape.first_name} {shape.last_name}".strip()
    company = shape.default_address.company if shape.default_address else ""
    receiver = shape.default_address.name if shape.default_address else ""
    return Customer(
        id=shape.id,
        name=person or company or receiver or shape.email or f"Customer {shape.id}",
        email=shape.email,
        is_company=bool(company and not person),
    )


def read_merge(content: dict[str, Any]) -> Merge | NotWanted:
    """The body of customers/merge, which Shopify also sends of a merge that has not happened (yet)."""
    shape = shaped(MergeShape, content)
    if shape.status in ("requested", "in_progress", "failed"):
        return NotWanted(f"the merge is {shape.status}: nothing has changed; Shopify tells again when it is completed")
    if shape.status != "completed":
        raise Unreadable("status: is none of requested, in_progress, completed, failed; look whether they were merged")
    return Merge(kept_id=shape.admin_graphql_api_customer_kept_id, gone_id=shape.admin_graphql_api_customer_deleted_id)


def read_redaction(content: dict[str, Any]) -> Redaction:
    """The body of customers/redact."""
    return Redaction(customer_id=shaped(RedactionShape, content).customer.id)
