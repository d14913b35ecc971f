"""The pages show a person what was written."""

from __future__ import annotations

from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import customer, made, order, send


def test_the_first_page_lists_what_was_written(erp: ErpNextStandIn) -> None:
    reply = send(erp.url, "GET", "/")

    assert reply.status == 200
    assert '<a href="/app/customer">Customer</a></td><td class="number">1</td>' in reply.text
    assert reply.text.index(">Customer<") < reply.text.index(">Company<")


def test_a_page_per_doctype_and_per_document(erp: ErpNextStandIn) -> None:
    name = order(erp, "P <1>", taxes=[])["name"]

    listed = send(erp.url, "GET", "/app/sales-order")
    shown = send(erp.url, "GET", f"/app/sales-order/{name}")

    assert f'<a href="/app/sales-order/{name}">{name}</a>' in listed.text
    assert "SKU-001" in shown.text
    assert "51.00" in shown.text


def test_what_was_written_is_not_html(erp: ErpNextStandIn) -> None:
    customer(erp, "Plain", website="<script>alert(1)</script>")

    assert "<script>" not in send(erp.url, "GET", "/app/customer/Plain").text
    assert "&lt;script&gt;" in send(erp.url, "GET", "/app/customer/Plain").text


def test_secrets_are_not_shown(erp: ErpNextStandIn) -> None:
    values = {"webhook_doctype": "Customer", "webhook_docevent": "on_update", "request_url": "http://127.0.0.1:1/"}
    made(erp, "Webhook", **values, name="h", enable_security=1, webhook_secret="whsec_1")

    assert "hub-secret" not in send(erp.url, "GET", "/app/user/hub%40example.com").text
    assert "whsec_1" not in send(erp.url, "GET", "/app/webhook/h").text


def test_a_page_that_is_not_there(erp: ErpNextStandIn) -> None:
    assert send(erp.url, "GET", "/app/nothing").status == 404
    assert send(erp.url, "GET", "/app/customer/Nobody").status == 404
