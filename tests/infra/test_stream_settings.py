"""What is wrong with a stream, or with what its rows become, is told with its place before anything is deployed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.configuration import load
from infra.mistakes import ConfigurationError


def told(folder: Path, settings: dict[str, Any], flow: dict[str, Any] | None = None, **more: Any) -> list[str]:
    """The mistakes of a configuration with one stream of contacts, by path, without line numbers."""
    documents = {"contacts": {"doctype": "Lead", "fields": {"lead_name": "name"}}}
    crm = {
        "connector": "generic_rest",
        "url": "https://crm.example.com",
        "streams": {"contacts": {"settings": settings}},
    }
    content = {
        "stage": "staging",
        "integrations": {"crm": crm, "erp": {"connector": "erpnext", "url": "https://erp.example.com"}},
        "flows": {
            "crm-to-erp": {
                "source": "crm",
                "destination": "erp",
                "settings": {"time_zone": "UTC", "documents": documents} | (flow or {}),
                **more,
            }
        },
    }
    file = folder / "staging.yaml"
    file.write_text(yaml.safe_dump(content))
    try:
        load(file)
    except ConfigurationError as refusal:
        return [line.partition(": ")[2] for line in refusal.mistakes]
    return []


HERE = "integrations.crm.streams.contacts.settings"


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({}, f"{HERE}.path: is missing"),
        ({"path": "contacts"}, f"{HERE}.path: 'contacts' is no path below the integration's url: write /v1/orders"),
        ({"path": "//evil.example"}, f"{HERE}.path: '//evil.example' is no path"),
        ({"path": "/c", "pge": {}}, f"{HERE}.pge: is not a setting; did you mean page?"),
        (
            {"path": "/c", "page": {"style": "pages"}},
            f"{HERE}.page.style: is missing or none of its kinds; use one of: none, link",
        ),
        ({"path": "/c", "page": {"size": 3}}, f"{HERE}.page.style: is missing or none of its kinds"),
        (
            {"path": "/c", "page": {"style": "offset", "sise": 3}},
            f"{HERE}.page.sise: is not a setting; did you mean size?",
        ),
        (
            {"path": "/c", "page": {"style": "offset", "size": 1}},
            f"{HERE}.page.size: 1: input should be greater than or equal to 2",
        ),
        ({"path": "/c", "page": {"style": "keyset"}}, f"{HERE}: page style keyset needs version and since"),
        ({"path": "/c", "since": {"param": "since"}}, f"{HERE}: since and until need version"),
        (
            {"path": "/c", "version": {"field": "u", "format": "local", "time_zone": "Mars"}},
            f"{HERE}.version.time_zone: 'Mars' is not",
        ),
        ({"path": "/c", "auth": {"type": "header"}}, f"{HERE}.auth: auth of type header needs name"),
        (
            {"path": "/c", "auth": {"type": "oauth2", "token_url": "http://x"}},
            f"{HERE}.auth: auth of type oauth2 needs token_url",
        ),
        ({"path": "/c", "requests_per_second": 0}, f"{HERE}.requests_per_second: 0: input should be greater than 0"),
    ],
)
def test_a_mistake_in_a_streams_settings_is_told_where_it_stands(
    tmp_path: Path, settings: dict[str, Any], mistake: str
) -> None:
    found = told(tmp_path, settings)

    assert len(found) == 1
    assert found[0].startswith(mistake)


GOOD = {"path": "/contacts"}
FLOW = "flows.crm-to-erp.settings"


def lead(**rule: Any) -> dict[str, Any]:
    return {"documents": {"contacts": {"doctype": "Lead", "fields": {"lead_name": rule}}}}


@pytest.mark.parametrize(
    ("flow", "mistake"),
    [
        (
            lead(frm="name"),
            f"{FLOW}.documents.contacts.fields.lead_name.from: is missing; add it: The value's dotted path",
        ),
        (
            lead(**{"from": "name", "kind": "date"}),
            f"{FLOW}.documents.contacts.fields.lead_name.kind: is not a setting",
        ),
        (
            lead(**{"from": "n", "type": "text", "format": "%d"}),
            f"{FLOW}.documents.contacts.fields.lead_name: format is for type date",
        ),
        ({"documents": {"contacts": {"fields": {"a": "b"}}}}, f"{FLOW}.documents.contacts.doctype: is missing"),
        ({"documents": {}}, f"{FLOW}.company: is missing"),
    ],
)
def test_a_mistake_in_what_rows_become_is_told_where_it_stands(
    tmp_path: Path, flow: dict[str, Any], mistake: str
) -> None:
    assert told(tmp_path, GOOD, flow)[0].startswith(mistake)


def test_rows_that_lead_to_no_document_are_told(tmp_path: Path) -> None:
    documents = {"deals": {"doctype": "Lead", "fields": {"lead_name": "name"}}}

    assert told(tmp_path, GOOD, {"documents": documents}) == [
        f"{FLOW}: crm has no stream 'deals' of rows; use one of: contacts",
        f"{FLOW}: do not say what the rows of crm's stream 'contacts' become; add it, or `actions: {{contacts: ignore}}`",
    ]


def test_a_stream_may_be_ignored_in_so_many_words(tmp_path: Path) -> None:
    assert told(tmp_path, GOOD) == []
    assert told(tmp_path, GOOD, actions={"contacts": "ignore", "contacts/deleted": "ignore"}) == [
        (
            "flows.crm-to-erp.actions: no event of REST source leads to an action of ERPNext; remove the flow, or give at least "
            "one topic an action"
        )
    ]
