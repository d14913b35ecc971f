"""Products become Items, one per variant that has a SKU, and Item Prices; what is sold no more is disabled."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.erpnext.client import AlreadyThere, Declined, Document, ErpNext
from connectors.erpnext.documents import (
    ID_FIELD,
    LOOK_AGAIN,
    TRIES,
    VERSION_FIELD,
    Documents,
    NotSetUp,
    external_id,
    same,
)
from connectors.erpnext.mapping import collated, printable
from connectors.erpnext.settings import FlowSettings
from hub.connector import Effect, Written
from hub.errors import NotConfigured, Refused, Temporary
from hub.events import Event
from hub.records import Deletion, Product, Variant

PRODUCT_FIELD = "hub_product_id"  # of an Item: the product that its variant belongs to
ITEM_FIELDS = [
    "name",
    "modified",
    "item_name",
    "description",
    "disabled",
    "stock_uom",
    ID_FIELD,
    PRODUCT_FIELD,
    VERSION_FIELD,
]
PRICE_FIELDS = [
    "name",
    "item_code",
    "modified",
    "uom",
    "currency",
    "price_list_rate",
    "customer",
    "batch_no",
    "packing_unit",
    "valid_from",
    "valid_upto",
    ID_FIELD,
]


@dataclass(slots=True)
class _Run:
    """One try to write a product: what it is to say, and what came of it."""

    product: Product
    integration: str
    version: str
    items: dict[str, Document] = field(default_factory=dict)  # variant id → its Item
    wrote: bool = False
    notes: list[str] = field(default_factory=list)  # what was left out, and why
    renamed: list[tuple[str, str]] = field(default_factory=list)  # Item, the SKU that its variant has now

    def key(self, entity: str, entity_id: str) -> str:
        return external_id(self.integration, entity, entity_id)


class Catalogue:
    """Items and Item Prices of one ERPNext site."""

    def __init__(self, erp: ErpNext, documents: Documents, settings: FlowSettings) -> None:
        self._erp = erp
        self._documents = documents
        self._settings = settings

    def upsert(self, product: Product, event: Event, _known_name: str) -> Written:
        """Have an Item say each variant of a product; what is left out stands in the outcome's rule.

        An Item is found by its variant's id, else by the SKU if it belongs to no other variant, else it is created. An
        Item whose variant is gone is disabled, never deleted. An unchanged product costs one call, one more where
        variants have barcodes, and one more where prices are written.
        """
        if not product.variants:
            raise Refused(
                f"product {product.id} states no variants at all; look at it in the source: nothing was changed"
            )
        if not any(variant.sku for variant in product.variants):
            raise NotConfigured(
                f"product {product.id}: none of its variants has a SKU, by which orders find their Items; give them SKUs "
                "in the source, which sends the product again"
            )
        clash: Declined | None = None
        for _ in range(TRIES):
            try:
                return self._written(_Run(product, event.integration, event.entity_version))
            except LOOK_AGAIN as error:
                clash = error
        if isinstance(clash, AlreadyThere):
            raise clash  # another document holds a name or unique value
        raise Temporary(f"the Items of product {product.id} keep being changed while they are written: {clash}")

    def disable(self, deletion: Deletion, event: Event, _known_name: str) -> Written:
        """Disable the Items of a product that was deleted at the source: ERPNext keeps what documents name."""
        items = self._items_of(external_id(event.integration, "product", deletion.id))
        if not items:
            return Written(Effect.IGNORED, rule="ERPNext has no Items of the product")
        wrote = [self._change(item, {"disabled": 1}) for item in items]
        return Written(Effect.APPLIED if any(wrote) else Effect.UNCHANGED, "Item", str(items[0]["name"]))

    def _written(self, run: _Run) -> Written:
        product_key = run.key("product", run.product.id)
        known = {str(item[ID_FIELD]): item for item in self._items_of(product_key)}
        if run.version and any(run.version < (item.get(VERSION_FIELD) or "") for item in known.values()):
            newer = next(iter(known.values()))
            return Written(Effect.STALE, "Item", newer["name"], "ERPNext has a newer version")
        by_sku = self._by_sku(variant for variant in run.product.variants if self._key(run, variant) not in known)
        barcodes = self._barcodes(run.product.variants)
        for variant in run.product.variants:
            if not variant.sku:
                run.notes.append(f"variant {variant.id} has no SKU")
                continue
            item = known.get(self._key(run, variant)) or by_sku.get(collated(variant.sku))
            if item is not None and not self._is_free(item, variant, run):
                continue
            said = self._said(run.product, variant) | {
                ID_FIELD: self._key(run, variant),
                PRODUCT_FIELD: product_key,
            }
            code = self._usable_barcode(variant, item, barcodes, run)
            if item is None:
                item = self._create(variant, {**said, VERSION_FIELD: run.version}, code)
                by_sku[collated(variant.sku)] = item
                run.wrote = True
            else:
                run.wrote |= self._update(item, said, code, run.version)
                item[ID_FIELD] = said[ID_FIELD]  # taken, should the next variant bear the same SKU
            if code:
                barcodes[code] = str(item["name"])
            if collated(str(item["name"])) != collated(variant.sku):
                run.renamed.append((str(item["name"]), variant.sku))
            run.items[variant.id] = item
        self._disable_gone(known, run)
        if self._settings.item_prices:
            self._write_prices(run)
        self._settle_renamed(run)
        name = next((str(item["name"]) for item in run.items.values()), "")
        return Written(Effect.APPLIED if run.wrote else Effect.UNCHANGED, "Item", name, "; ".join(run.notes))

    # Items

    def _key(self, run: _Run, variant: Variant) -> str:
        return run.key("variant", variant.id)

    def _items_of(self, product_key: str) -> list[Document]:
        return self._documents.rows("Item", [[PRODUCT_FIELD, "=", product_key]], ITEM_FIELDS)

    def _by_sku(self, variants: Iterable[Variant]) -> dict[str, Document]:
        skus = [variant.sku for variant in variants if variant.sku]
        if not skus:
            return {}
        rows = self._documents.rows("Item", [["name", "in", skus]], ITEM_FIELDS)
        return {collated(str(row["name"])): row for row in rows}

    def _said(self, product: Product, variant: Variant) -> dict[str, Any]:
        """What the source says of an Item. A description is HTML in ERPNext; none is said where the source has none,
        since ERPNext fills in the name."""
        said: dict[str, Any] = {
            "item_name": printable(variant.title or product.title),
            "disabled": 0 if product.is_active else 1,
        }
        return {**said, "description": html.escape(product.description, quote=False)} if product.description else said

    def _is_free(self, item: Document, variant: Variant, run: _Run) -> bool:
        holder = item.get(ID_FIELD) or ""
        if holder in ("", self._key(run, variant)):
            return True
        run.notes.append(
            f"SKU {variant.sku} of variant {variant.id} is left out: Item {item['name']} belongs to {holder}"
        )
        return False

    def _create(self, variant: Variant, said: Mapping[str, Any], barcode: str) -> Document:
        item = {
            "item_code": variant.sku,
            "item_group": self._settings.item_group,
            "stock_uom": self._settings.stock_uom,
        }
        barcodes = {"barcodes": [{"barcode": barcode}]} if barcode else {}
        created = self._erp.insert("Item", {**item, **said, **barcodes})
        if created.get(ID_FIELD) != said[ID_FIELD]:  # ERPNext drops unknown fields in silence
            self._erp.delete("Item", created["name"])
            raise NotSetUp(f"Item in ERPNext has no field {ID_FIELD}; run `hub setup erp`, the events wait until then")
        if collated(str(created["name"])) != collated(variant.sku):
            self._erp.delete("Item", created["name"])
            raise NotConfigured(
                f"ERPNext called the Item of SKU {variant.sku} {created['name']}, and orders would not find it; set Stock "
                "Settings → Item Naming By to Item Code, then replay the event (hub events replay)"
            )
        return created

    def _update(self, item: Document, said: Mapping[str, Any], barcode: str, version: str) -> bool:
        changes = {name: value for name, value in said.items() if not same(value, item.get(name))}
        if barcode:
            rows = (self._erp.get("Item", item["name"]) or {}).get("barcodes") or []
            changes["barcodes"] = [*rows, {"barcode": barcode}]  # desk users' own barcodes stay
        return self._change(item, {**changes, VERSION_FIELD: version} if changes else {})

    def _change(self, item: Document, changes: Mapping[str, Any]) -> bool:
        """Write what differs, and nothing where nothing does: writing the same again fires webhooks."""
        if all(same(value, item.get(name)) for name, value in changes.items()):
            return False
        saved = self._erp.update("Item", item["name"], {**changes, "modified": item["modified"]})
        item["modified"] = saved["modified"]
        return True

    def _disable_gone(self, known: Mapping[str, Document], run: _Run) -> None:
        """Disable the Items whose variants are gone, unless the source may have left some variants unsaid."""
        stated = {self._key(run, variant) for variant in run.product.variants}
        gone = [item for key, item in known.items() if key not in stated]
        if gone and not run.product.states_all_variants:
            run.notes.append(
                f"the source does not state all variants: {len(gone)} Items that it left out stay as they are"
            )
            return
        for item in gone:
            if self._change(item, {"disabled": 1, VERSION_FIELD: run.version} if not item["disabled"] else {}):
                run.wrote = True
                run.notes.append(f"Item {item['name']} is disabled: its variant is gone")

    def _settle_renamed(self, run: _Run) -> None:
        for code, sku in run.renamed:
            if self._settings.sku_change == "rename":
                self._erp.rename("Item", code, sku)
                run.items.update(
                    {variant: {**item, "name": sku} for variant, item in run.items.items() if item["name"] == code}
                )
                run.wrote = True
        if run.renamed and self._settings.sku_change == "refuse":
            told = ", ".join(f"Item {code} is {sku} now" for code, sku in run.renamed)
            raise Refused(
                f"product {run.product.id}: SKUs changed ({told}); an Item keeps its code, since stock and documents bear "
                "it: rename it in ERPNext (Menu → Rename) or set sku_change: rename in the flow's settings, then replay "
                "the event (hub events replay). All else of the product was written"
            )

    # Barcodes

    def _barcodes(self, variants: Sequence[Variant]) -> dict[str, str]:
        """Barcode → the Item that bears it; ERPNext refuses an Item with another one's barcode."""
        wanted = [variant.barcode for variant in variants if variant.sku and variant.barcode]
        if not wanted:
            return {}
        rows = self._erp.find("Item Barcode", [["barcode", "in", wanted]], ["barcode", "parent"], parent="Item")
        return {collated(str(row["barcode"])): str(row["parent"]) for row in rows}

    def _usable_barcode(self, variant: Variant, item: Document | None, barcodes: Mapping[str, str], run: _Run) -> str:
        """The variant's barcode if no Item bears it yet."""
        holder = barcodes.get(collated(variant.barcode))
        if holder and (item is None or holder != item["name"]):
            run.notes.append(f"barcode {variant.barcode} of SKU {variant.sku} is left out: Item {holder} bears it")
        return "" if holder else variant.barcode

    # Prices

    def _write_prices(self, run: _Run) -> None:
        price_list = self._settings.price_list
        codes = [item["name"] for item in run.items.values()]
        if not codes:
            return
        rows = self._documents.rows(
            "Item Price", [["price_list", "=", price_list], ["item_code", "in", codes]], PRICE_FIELDS
        )
        for variant in run.product.variants:
            if variant.id not in run.items:
                continue
            item = run.items[variant.id]
            key = run.key("price", f"{variant.id}:{price_list}")
            row = _price_of(item, key, rows)
            if row is None:
                self._create_price(item, variant, key)
                run.wrote = True
                continue
            self._check_currency(row)
            said = {"price_list_rate": variant.price, ID_FIELD: key}
            changes = {name: value for name, value in said.items() if not same(value, row.get(name))}
            if changes:
                self._erp.update("Item Price", row["name"], {**changes, "modified": row["modified"]})
                run.wrote = True

    def _create_price(self, item: Document, variant: Variant, key: str) -> None:
        price = {"item_code": item["name"], "uom": item["stock_uom"], "price_list": self._settings.price_list}
        created = self._erp.insert("Item Price", {**price, "price_list_rate": variant.price, ID_FIELD: key})
        try:
            self._check_currency(created)
        except NotConfigured:
            self._erp.delete("Item Price", created["name"])
            raise

    def _check_currency(self, price: Document) -> None:
        """A price has the currency of its price list, whatever one sends."""
        if price.get("currency") != self._settings.price_currency:
            raise NotConfigured(
                f"price list {self._settings.price_list} is in {price.get('currency')}, the source's prices are in "
                f"{self._settings.price_currency}; name a price list of that currency in the flow's settings "
                "(price_list, price_currency), then replay the event (hub events replay)"
            )


def _price_of(item: Document, key: str, rows: Sequence[Document]) -> Document | None:
    """The price of an Item that is the hub's, else the newest one that holds for everybody: without customer, batch,
    packing unit and end."""
    own = [row for row in rows if row.get(ID_FIELD) == key]
    if own:
        return own[0]
    special = ("customer", "batch_no", "packing_unit", "valid_upto", ID_FIELD)
    general = [
        row
        for row in rows
        if same(row["item_code"], item["name"])
        and same(row.get("uom"), item["stock_uom"])
        and not any(row.get(name) for name in special)
    ]
    return max(general, key=lambda row: str(row.get("valid_from") or ""), default=None)
