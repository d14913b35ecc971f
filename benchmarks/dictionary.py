"""Makes a dictionary of what events have in common, beside those there are: `python -m benchmarks.dictionary`.

Out of the connectors' examples, and made-up orders as long as real ones; the most frequent come last, where deflate can point
at them from furthest. Say its name in functions/adapters/payloads.py for the ledger to use it; the old ones stay.
"""

import json
import zlib

from adapters.payloads import DICTIONARIES
from benchmarks.orders import World, new_orders
from connectors import manifest_path
from infra.local.shopify import as_sent

WINDOW_BYTES = 32_768  # deflate looks back no further
EXAMPLES = {  # connector: examples, the less frequent first
    "frappe": ("bin*", "delivery_note_on_submit.json"),
    "woocommerce": ("order*",),
    "stripe": ("invoice_paid.json", "payment*"),
    "shopify": ("products_update*.json", "refunds_create*.json", "customers_update.json", "fulfillments_create.json"),
}
ORDERS = 2
ELSEWHERE = World(  # shares no word with the orders that are measured
    first=("Jan", "Maria"),
    last=("Novak", "Silva"),
    streets=("Ring Street", "Bridge Road"),
    cities=(("Springfield", "Illinois", "IL"), ("Dayton", "Ohio", "OH")),
    words=("item", "basic", "small", "red"),
    agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/{} Mobile Safari/604.1",
    site="https://www.google.com/",
)
EACH_BYTES = 4_000  # of one pattern's examples
FRAME = '{"time":"2026-11-01T09:00:00.000000Z","datacontenttype":"application/json","dataencoding":"text","data":""}\n'


def build() -> bytes:
    """The dictionary."""
    parts = []
    for connector, patterns in EXAMPLES.items():
        for pattern in patterns:
            found = sorted((manifest_path(connector).parent / "examples").glob(pattern))
            examples = (json.loads(each.read_text()) for each in found)
            parts.append(b"".join(as_sent(one["payload"]) for one in examples if "payload" in one)[:EACH_BYTES])
    parts += [each.body for each in new_orders(ORDERS, 77, ELSEWHERE)]
    parts.append(FRAME.encode())
    return b"".join(parts)[-WINDOW_BYTES:]


def main() -> None:
    """Write it under its checksum, and say that."""
    content = build()
    name = f"{zlib.adler32(content):08x}"
    DICTIONARIES.mkdir(exist_ok=True)
    (DICTIONARIES / f"{name}.txt").write_bytes(content)
    print(name, len(content), "bytes")


if __name__ == "__main__":
    main()
