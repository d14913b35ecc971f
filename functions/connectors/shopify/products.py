"""Reads a product: what can be bought of it, and its description as plain text."""

import re
from html.parser import HTMLParser
from typing import Any, Final

from connectors.shopify.body import must_be
from connectors.shopify.shapes import ProductShape, VariantShape
from hub.errors import Unreadable
from hub.reading import shaped
from hub.records import Product, Variant

MOST_LISTED: Final = 100  # variants that the REST API gives of a product, which a listing's rows are
ONLY_VARIANT: Final = "Default Title"  # what Shopify calls the variant of a product that has no choices
SILENT: Final = frozenset({"script", "style"})
BLOCKS: Final = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6"})


def read_product(content: dict[str, Any]) -> Product:
    """The body of products/create and products/update, or a row of the stream. Raises Unreadable for one that leaves out variants: those would
    seem to be gone."""
    shape = shaped(ProductShape, content)
    must_be(shape.admin_graphql_api_id, "Product")
    if len(shape.variant_gids) > len(shape.variants):
        raise Unreadable(
            f"variants: the body bears {len(shape.variants)} of the product's {len(shape.variant_gids)} variants, so that "
            "the others would seem to be gone; change the product's items by hand, then discard the event"
        )
    return Product(
        id=shape.id,
        title=shape.title,
        description=plain_text(shape.body_html),
        variants=tuple(_variant(shape.title, each) for each in shape.variants),
        is_active=shape.status in ("", "active"),
        states_all_variants=bool(shape.variant_gids) or len(shape.variants) < MOST_LISTED,
    )


def _variant(product: str, shape: VariantShape) -> Variant:
    title = product if shape.title in ("", ONLY_VARIANT) else f"{product} - {shape.title}"
    return Variant(id=shape.id, sku=shape.sku, title=title, price=shape.price, barcode=shape.barcode)


def plain_text(html: str) -> str:
    """What a person reads of HTML: its text, one line per block."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(reader.said).split("\n"))
    return "\n".join(line for line in lines if line)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - HTMLParser's
        self._silent += tag in SILENT
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in SILENT))
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data.replace("\n", " "))

    def _break(self, tag: str) -> None:
        if tag in BLOCKS:
            self.said.append("\n")
