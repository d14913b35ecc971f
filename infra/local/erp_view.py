"""ERPNext's documents as a person would compare them: read over its REST API, amounts exact, links by external id."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import httpx

from infra.local.stand_in import listed

EXTERNAL_ID = "hub_external_id"
Key = tuple[str, str]  # doctype, external id
View = dict[str, Any]


def counts(erp: httpx.Client, doctypes: Iterable[str]) -> dict[str, int]:
    """How many documents of each kind there are."""
    return {doctype: len(listed(erp, doctype, ["name"])) for doctype in doctypes}


def documents(erp: httpx.Client, doctype: str, prefixes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The whole documents of a kind whose external id starts with one of `prefixes`, by external id."""
    found = {}
    for prefix in prefixes:
        for row in listed(erp, doctype, ["name", EXTERNAL_ID], [[EXTERNAL_ID, "like", f"{prefix}%"]]):
            answer = erp.get(f"/api/resource/{doctype}/{row['name']}").raise_for_status()
            # through Decimal, so that 0.1 is compared as 0.1
            found[str(row[EXTERNAL_ID])] = answer.json(parse_float=Decimal)["data"]
    return found


def customer_view(document: Mapping[str, Any]) -> View:
    """What is compared of a Customer."""
    return {name: document[name] for name in ("customer_name", "customer_type", "customer_group", "territory")}


def order_view(document: Mapping[str, Any], names: Mapping[str, str]) -> View:
    """What is compared of a Sales Order; `names` maps documents' names to external ids."""
    said = {name: document[name] or "" for name in ("docstatus", "po_no", "company", "currency", "transaction_date")}
    return {
        **said,
        "customer": names.get(document["customer"], document["customer"]),
        "amended_from": names.get(document.get("amended_from") or "", document.get("amended_from") or ""),
        "items": [(row["item_code"], Decimal(row["qty"]), Decimal(row["rate"])) for row in document["items"]],
        "discount": Decimal(document["discount_amount"]),
        "taxes": [(row["account_head"], Decimal(row["tax_amount"])) for row in document["taxes"]],
        "total": Decimal(document["grand_total"]),
    }


def exact(wanted: Mapping[str, Any]) -> View:
    """An expectation whose amounts are written as text, with the amounts as numbers."""
    view = dict(wanted)
    if "items" in view:
        view["items"] = [(code, Decimal(quantity), Decimal(rate)) for code, quantity, rate in view["items"]]
        view["taxes"] = [(account, Decimal(amount)) for account, amount in view["taxes"]]
        view |= {name: Decimal(view[name]) for name in ("discount", "total")}
    return view


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """One line per field that says something else than wanted."""
    return [
        f"{name}: ERPNext has {_shown(found.get(name))}, wanted {_shown(wanted.get(name))}"
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)
