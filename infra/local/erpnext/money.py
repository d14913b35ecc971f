"""How ERPNext adds up an order: rounding, taxes, discounts, totals, and the amount in words.

Follows ERPNext v15's published rules for item amounts, charge types, the distribution of a discount over the items,
and rounding (System Settings as recorded: 2 decimals for money, 3 for quantities, Banker's Rounding). The recordings
confirm it for orders without taxes and discounts; taxes and discounts are beyond the recordings. Prices that include
taxes (`included_in_print_rate`), item tax templates, pricing rules and withholding are not imitated.
"""

from __future__ import annotations

import json
import math
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from infra.local.erpnext.errors import invalid

Doc = dict[str, Any]

MONEY = 2
QUANTITY = 3


def rounded(value: Any, places: int = MONEY) -> float:
    """Banker's rounding as Frappe does it: noise of binary floats beyond 12 digits is dropped first."""
    number = float(value or 0)
    if number == 0 or not math.isfinite(number):
        return 0.0
    scaled: Decimal = Decimal(repr(round(number * 10**places, 12)))
    return float(scaled.quantize(Decimal(1), rounding=ROUND_HALF_EVEN) / 10**places)


def into_company_currency(doc: Doc, target: Doc, fields: tuple[str, ...]) -> None:
    for field in fields:
        target[f"base_{field}"] = rounded(rounded(target.get(field)) * doc["conversion_rate"])


def calculate_totals(doc: Doc) -> None:
    """Fill amounts, taxes and totals of a selling document, in place; wants items with qty, rate, price_list_rate."""
    calculation = _Calculation(doc)
    calculation.run()
    if doc.get("additional_discount_percentage"):
        basis = doc["net_total"] if doc["apply_discount_on"] == "Net Total" else doc["grand_total"]
        doc["discount_amount"] = rounded(basis * doc["additional_discount_percentage"] / 100)
    calculation.apply_discount()
    for field in ("in_words", "base_in_words"):
        total = doc["base_rounded_total" if field.startswith("base") else "rounded_total"]
        grand = doc["base_grand_total" if field.startswith("base") else "grand_total"]
        currency = doc["currency"] if field == "in_words" else doc["_company_currency"]
        doc[field] = in_words(total if not doc["disable_rounded_total"] else grand, currency)


class _Calculation:
    def __init__(self, doc: Doc) -> None:
        self.doc = doc
        self.items: list[Doc] = doc["items"]
        self.taxes: list[Doc] = doc.get("taxes") or []
        self.discounted = False
        self.before_discount = 0.0
        self.difference = 0.0

    def run(self) -> None:
        if not self.discounted:
            for item in self.items:
                self._item(item)
            for tax in self.taxes:
                self._check(tax)
        self._net_total()
        self._taxes()
        self._grand_total()

    def _item(self, item: Doc) -> None:
        doc = self.doc
        listed = item["price_list_rate"] = rounded(item["price_list_rate"])
        item["qty"] = rounded(item["qty"], QUANTITY)
        item["rate"] = rounded(item["rate"])
        if item.get("discount_percentage") == 100:
            item["rate"] = 0.0
        elif listed and not item["rate"]:
            item["rate"] = rounded(listed * (1 - (item.get("discount_percentage") or 0) / 100))
        if listed > 0:
            item["discount_amount"] = rounded(listed - item["rate"])
            over = rounded(item["rate"] - listed)
            item["margin_type"], item["margin_rate_or_amount"] = ("Amount", over) if over > 0 else ("", 0.0)
        item["net_rate"] = item["rate"]
        item["amount"] = item["net_amount"] = rounded(item["rate"] * item["qty"])
        item["distributed_discount_amount"] = 0.0
        item["stock_qty"] = rounded(item["qty"] * item["conversion_factor"], QUANTITY)
        into_company_currency(doc, item, ("price_list_rate", "rate", "net_rate", "amount", "net_amount"))
        item["stock_uom_rate"] = rounded(item["rate"] / (item["conversion_factor"] or 1))

    def _check(self, tax: Doc) -> None:
        row = f"Row {tax['idx']}"
        if tax["charge_type"] in ("On Previous Row Amount", "On Previous Row Total"):
            if tax["idx"] == 1:
                raise invalid(
                    "Cannot select charge type as 'On Previous Row Amount' or 'On Previous Row Total' for first row"
                )
            if not str(tax.get("row_id") or "").isdigit():
                raise invalid(f"Please specify a valid Row ID for row {tax['idx']} in table {row}")
            if not 0 < int(tax["row_id"]) < tax["idx"]:
                raise invalid(
                    "Cannot refer row number greater than or equal to current row number for this Charge type"
                )
        if tax.get("included_in_print_rate"):
            raise invalid(f"{row}: the stand-in does not know prices that include taxes")
        tax["tax_amount"] = rounded(tax["tax_amount"])

    def _net_total(self) -> None:
        doc = self.doc
        doc["total_qty"] = rounded(sum(item["qty"] for item in self.items), QUANTITY)
        for total, part in (("total", "amount"), ("net_total", "net_amount")):
            doc[total] = rounded(sum(item[part] for item in self.items))
            doc[f"base_{total}"] = rounded(sum(item[f"base_{part}"] for item in self.items))

    def _taxes(self) -> None:
        doc = self.doc
        on_grand_total = self.discounted and doc["apply_discount_on"] == "Grand Total"
        remaining = {tax["idx"]: tax["tax_amount"] for tax in self.taxes if tax["charge_type"] == "Actual"}
        by_item: list[dict[str, list[float]]] = [{} for _ in self.taxes]
        for tax in self.taxes:
            tax["tax_amount_after_discount_amount"] = 0.0
            if tax["charge_type"] != "Actual" and not on_grand_total:
                tax["tax_amount"] = 0.0
        for position, item in enumerate(self.items):
            amounts: list[float] = []
            totals: list[float] = []
            for index, tax in enumerate(self.taxes):
                amount = self._tax_of(item, tax, amounts, totals)
                if tax["charge_type"] == "Actual":
                    remaining[tax["idx"]] -= amount
                    if position == len(self.items) - 1:
                        amount += remaining[tax["idx"]]
                elif not on_grand_total:
                    tax["tax_amount"] += amount
                tax["tax_amount_after_discount_amount"] += amount
                amounts.append(amount)
                totals.append((totals[-1] if totals else item["net_amount"]) + amount)
                detail = by_item[index].setdefault(item["item_code"] or item["item_name"], [tax["rate"], 0.0])
                detail[1] += amount * doc["conversion_rate"]
        running = doc["net_total"]
        for tax, details in zip(self.taxes, by_item, strict=True):
            tax["tax_amount"] = rounded(tax["tax_amount"])
            tax["tax_amount_after_discount_amount"] = rounded(tax["tax_amount_after_discount_amount"])
            running = tax["total"] = rounded(running + tax["tax_amount_after_discount_amount"])
            into_company_currency(doc, tax, ("total", "tax_amount", "tax_amount_after_discount_amount"))
            tax["item_wise_tax_detail"] = json.dumps(details, separators=(",", ":"))
        if on_grand_total and self.taxes and doc["discount_amount"]:
            self.difference = rounded(self.before_discount - doc["discount_amount"] - running)

    def _tax_of(self, item: Doc, tax: Doc, amounts: list[float], totals: list[float]) -> float:
        kind, rate, net_total = tax["charge_type"], tax["rate"], self.doc["net_total"]
        if kind == "Actual":
            return float(item["net_amount"] * tax["tax_amount"] / net_total) if net_total else 0.0
        if kind == "On Net Total":
            return float(rate / 100 * item["net_amount"])
        if kind == "On Item Quantity":
            return float(rate * item["qty"])
        if not kind.startswith("On Previous Row"):
            return 0.0  # not a charge type: the check of the Select refuses it later
        earlier = int(tax["row_id"]) - 1
        return float(rate / 100 * (amounts if kind == "On Previous Row Amount" else totals)[earlier])

    def _grand_total(self) -> None:
        doc = self.doc
        if self.taxes:
            doc["grand_total"] = rounded(self.taxes[-1]["total"] + self.difference)
            doc["total_taxes_and_charges"] = rounded(doc["grand_total"] - doc["net_total"] - self.difference)
        else:
            doc["grand_total"] = doc["net_total"]
            doc["total_taxes_and_charges"] = 0.0
        into_company_currency(doc, doc, ("total_taxes_and_charges",))
        doc["base_grand_total"] = (
            rounded(doc["grand_total"] * doc["conversion_rate"])
            if doc["total_taxes_and_charges"]
            else doc["base_net_total"]
        )
        if doc["disable_rounded_total"]:
            doc["rounded_total"] = doc["base_rounded_total"] = 0.0
            doc["rounding_adjustment"] = doc["base_rounding_adjustment"] = 0.0
            return
        # Every currency here has a smallest fraction of 0.01, so a total of two decimals is already round.
        doc["rounded_total"] = rounded(doc["grand_total"])
        doc["rounding_adjustment"] = rounded(doc["rounded_total"] - doc["grand_total"])
        into_company_currency(doc, doc, ("rounding_adjustment", "rounded_total"))

    def apply_discount(self) -> None:
        """Spread the document's discount over the items by their net amounts, and add up again."""
        doc = self.doc
        discount = doc["discount_amount"] = rounded(doc["discount_amount"])
        doc["base_discount_amount"] = rounded(discount * doc["conversion_rate"])
        if not discount:
            return
        if not doc.get("apply_discount_on"):
            raise invalid("Please select Apply Discount On")
        self.before_discount = doc["grand_total"]
        basis = doc["net_total"] if doc["apply_discount_on"] == "Net Total" else self._discountable()
        if not basis:
            return
        exact = net = 0.0
        for item in self.items:
            share = discount * item["net_amount"] / basis
            exact += item["net_amount"] - share
            item["net_amount"] = rounded(item["net_amount"] - share)
            item["distributed_discount_amount"] = rounded(share)
            net += item["net_amount"]
            loss = rounded(exact - net)
            if loss:
                item["net_amount"] = rounded(item["net_amount"] + loss)
                item["distributed_discount_amount"] = rounded(item["distributed_discount_amount"] + loss)
                net += loss
            item["net_rate"] = rounded(item["net_amount"] / item["qty"]) if item["qty"] else 0.0
            into_company_currency(doc, item, ("net_rate", "net_amount"))
        self.discounted = True
        self.run()

    def _discountable(self) -> float:
        """The grand total without charges of a fixed amount, which a discount does not change."""
        fixed: dict[int, float] = {}
        for tax in self.taxes:
            if tax["charge_type"] in ("Actual", "On Item Quantity"):
                fixed[tax["idx"]] = tax["tax_amount"]
            elif tax.get("row_id") and int(tax["row_id"]) in fixed:
                fixed[tax["idx"]] = fixed[int(tax["row_id"])] * tax["rate"] / 100
        return rounded(self.doc["grand_total"] - sum(fixed.values()))


ONES = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
]
TENS = ["_", "_", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"]
SCALES = ((10**9, "Billion"), (10**6, "Million"), (10**3, "Thousand"))


def in_words(amount: float, currency: str) -> str:
    """'USD Seventy Six and Fifty Cent only.'"""
    units, cents = divmod(round(abs(amount) * 100), 100)
    text = f"{'Minus ' if amount < 0 else ''}{currency} {_number_in_words(units)}"
    if cents:
        text += f" and {_number_in_words(cents)} Cent"
    return text + " only."


def _number_in_words(number: int) -> str:
    parts = []
    for size, name in SCALES:
        if number >= size:
            parts.append(f"{_number_in_words(number // size)} {name}")
            number %= size
    if number >= 100:
        hundreds = f"{ONES[number // 100]} Hundred"
        number %= 100
        parts.append(f"{hundreds} And {_number_in_words(number)}" if number else hundreds)
        number = 0
    if number or not parts:
        small = ONES[number] if number < 20 else TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
        parts.append(f"And {small}" if parts else small)
    return ", ".join(parts).replace(", And", " And")
