"""The source's words are attached to the Sales Order once, privately, and can be read there."""

import base64
from dataclasses import replace

import pytest

from connectors.erpnext.client import ErpNext
from infra.local.erpnext.server import ErpNextStandIn
from tests.connectors.erpnext.conftest import destination_to, http_to
from tests.connectors.erpnext.interruptions import die_everywhere
from tests.connectors.erpnext.orders import event, order
from tests.local.erpnext.calling import send

pytestmark = pytest.mark.slow  # each test starts a site of its own

BODY = '{"id": 1042, "name": "Zoë"}'.encode()


def test_the_payload_is_attached_to_its_order_and_private(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), attach_payload=True)

    name = erp.apply("upsert_sales_order", order(), replace(event(), data=BODY), "").name

    [file] = site.documents("File")
    said = (file["attached_to_doctype"], file["attached_to_name"], file["file_name"], file["is_private"])
    assert said == ("Sales Order", name, "shop-eu-order-1042.json", 1)
    with_key = {"Authorization": f"token {site.token}"}
    assert send(site.url, "GET", file["file_url"], headers=with_key).text.encode() == BODY
    assert send(site.url, "GET", file["file_url"]).status == 403


def test_each_content_is_attached_once(site: ErpNextStandIn) -> None:
    erp = destination_to(http_to(site), attach_payload=True)
    for body in (BODY, BODY, b"{}", BODY):
        erp.apply("upsert_sales_order", order(), replace(event(), data=body), "")

    assert len(site.documents("File")) == 2


def test_nothing_is_attached_unless_wanted(site: ErpNextStandIn) -> None:
    destination_to(http_to(site)).apply("upsert_sales_order", order(), replace(event(), data=BODY), "")

    assert site.documents("File") == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_call_attaches_the_payload_once(site: ErpNextStandIn, after: bool) -> None:
    died = die_everywhere(
        http_to(site),
        lambda http: destination_to(http, attach_payload=True).apply(
            "upsert_sales_order", order(), replace(event(), data=BODY), ""
        ),
        after=after,
    )

    assert died >= 6
    assert len(site.documents("File")) == 1


@pytest.mark.parametrize("content", [b"\x00\xff,binary", base64.b64encode(b"x"), b"a,b"])
def test_any_bytes_arrive_as_they_were(site: ErpNextStandIn, content: bytes) -> None:
    erp = ErpNext(http_to(site))
    erp.attach("Customer", "Ann", "a.txt", content)

    assert site.site.store.content("/private/files/a.txt") == content
    assert erp.attach("Customer", "Ann", "a.txt", content) is False
