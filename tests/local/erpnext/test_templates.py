"""Webhook templates render as Jinja renders them, and what the stand-in does not know is refused, not guessed."""

from typing import Any

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from infra.local.erpnext.templates import render

DOC: dict[str, Any] = {"name": 'A "b"', "qty": 2.0, "none": None, "rows": [{"code": "x"}, {"code": "y"}], "items": [1]}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ doc.name | tojson }}", '"A \\"b\\""'),
        ("{{doc.qty}}|{{ doc.none }}|{{ doc.nothing }}|", "2.0|None||"),
        ("{{ (doc.nothing or '') | tojson }}", '""'),
        ("{{ doc.qty | string | tojson }}", '"2.0"'),
        ("{% for row in doc.rows %}{{ row.code }}{% if not loop.last %},{% endif %}{% endfor %}", "x,y"),
        (
            "{% for row in doc.rows %}{% for one in doc['items'] %}{{ row.code }}{{ one }}{% endfor %}{% endfor %}",
            "x1y1",
        ),
        ("{% for row in [] %}never{% endfor %}-", "-"),
        ("{% set one = doc.name %}{{ one }}", 'A "b"'),
        ("{% if doc.nothing %}a{% else %}{% if doc.qty > 1 %}b{% else %}c{% endif %}{% endif %}", "b"),
        ("{% if doc.qty %}a{% else %}b{% endif %}", "a"),
        ("{{ 'yes' if doc.qty else 'no' }}", "yes"),
    ],
)
def test_a_template_renders(template: str, text: str) -> None:
    assert render(template, {"doc": DOC}) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ doc.nothing | tojson }}",
        "{{ doc.items }}",
        "{{ doc.none.name }}",
        "{{ doc.name | upper }}",
        "{{ doc.name.upper() }}",
        "{{ frappe.db.sql('drop') }}",
        "{% for row in doc.rows %}",
        "{% endfor %}",
        "{% include 'x' %}",
        "{{ doc. }}",
    ],
)
def test_what_is_not_known_or_fails_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        render(template, {"doc": DOC})


def test_a_template_reads_the_database() -> None:
    with ErpNextStandIn() as site, site.site.transaction("Administrator") as tx:
        text = (
            '{{ frappe.db.get_value("Company", "Acme Test Inc", "abbr") }} '
            '{{ frappe.db.get_value("Company", {"abbr": "ATI"}, ["name"], as_dict=True)["name"] }} '
            '{{ frappe.db.get_value("Company", "None", "abbr") | tojson }} '
            '{{ frappe.db.get_single_value("System Settings", "time_zone") }}'
        )

        assert render(text, {}, tx) == "ATI Acme Test Inc null America/New_York"
