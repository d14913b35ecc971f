"""What ERPNext must have before an order can be paid, shipped and given back, and a flow's settings that ask for it all."""

from collections.abc import Sequence
from typing import Any

from infra.local.stand_in import client

SERVICE = "SERVICE"
WAREHOUSE = "Stores - ATI"
PLENTY = 1_000_000
DOCUMENTS: dict[str, Any] = {
    "on_payment": ["sales_invoice", "payment_entry"],
    "on_fulfilment": ["delivery_note"],
    "on_refund": ["credit_note", "return"],
    "paid_to_account": "Main Bank - ATI",
    "refund_item": SERVICE,
}


def fill_the_shelves(url: str, goods: Sequence[str], day: str = "2026-01-01") -> None:
    """More of each Item than is ever sold, booked in that day; and the service that stands for money."""
    service = {"item_code": SERVICE, "item_group": "Services", "stock_uom": "Nos", "is_stock_item": 0}
    rows = [{"item_code": code, "qty": PLENTY, "basic_rate": 5, "t_warehouse": WAREHOUSE} for code in goods]
    receipt = {
        "stock_entry_type": "Material Receipt",
        "company": "Acme Test Inc",
        "docstatus": 1,
        "set_posting_time": 1,
        "posting_date": day,
        "posting_time": "00:00:00",
        "items": rows,
    }
    with client(url) as erp:
        erp.post("/api/resource/Item", json=service).raise_for_status()
        erp.post("/api/resource/Stock Entry", json=receipt).raise_for_status()
