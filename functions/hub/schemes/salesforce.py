"""Salesforce's outbound messages: SOAP without a signature, from an organisation that the integration allows.

https://developer.salesforce.com/docs/platform/api/guide/sforce-api-om-outboundmessaging-wsdl.html. The organisation's id
is all that tells, and it is no secret: addresses and TLS client certificates have to do the rest.
"""

import re
from xml.etree.ElementTree import Element

from hub.deliveries import Delivery, Expected
from hub.errors import ForeignSender, MalformedBody
from hub.webhook_spec import Signature
from hub.xml import root_of

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
ID = re.compile(r"([A-Za-z0-9]{15})([A-Z0-5]{3})?")  # 15 characters whose case counts, and 3 that spell it out


def verify(delivery: Delivery, _signature: Signature, expected: Expected) -> int:
    """Check the organisation by the 15 characters that tell it. There is no secret: 0."""
    sender = ID.fullmatch(text_of(notifications(delivery.body), "OrganizationId"))
    allowed = [ID.fullmatch(each) for each in expected.stated_list("organization_ids")]
    if not sender or sender[1] not in {each[1] for each in allowed if each}:
        raise ForeignSender("OrganizationId is not one of expects.organization_ids")
    return 0


def notifications(body: bytes) -> Element:
    """The one `notifications` of an outbound message; raises MalformedBody."""
    try:
        envelope = root_of(body)
    except ValueError as error:
        raise MalformedBody(f"not an outbound message: {error}") from error
    found = envelope.findall(f"{SOAP}Body/{OUTBOUND}notifications") if envelope.tag == f"{SOAP}Envelope" else []
    if len(found) != 1:
        raise MalformedBody("not an outbound message: there is not one `notifications`")
    return found[0]


def text_of(parent: Element, name: str) -> str:
    """The text of the one child of this name, "" where there is none or more than one."""
    found = parent.findall(OUTBOUND + name)
    return (found[0].text or "").strip() if len(found) == 1 else ""
