"""The source's own words beside the document that they became: a private file, once per content."""

import re

from connectors.erpnext.client import ErpNext
from hub.events import Event


def attach_payload(erp: ErpNext, event: Event, doctype: str, name: str) -> bool:
    """Attach the body that an event came with; says whether it was not there yet."""
    ending = "json" if "json" in event.content_type or not event.content_type else "txt"
    return erp.attach(doctype, name, f"{_plain(event.subject)}.{ending}", event.data)


def payload_prefix(integration: str, entity: str) -> str:
    """How the names of the files begin that `attach_payload` made for entities of this type."""
    return f"{_plain(integration)}-{entity}-"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)
