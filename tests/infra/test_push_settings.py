"""The configuration that the batch endpoint's README shows is taken, and mistakes in it are told with their place."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import FOLDER
from infra.configuration import load
from infra.mistakes import ConfigurationError

README = (FOLDER / "http_batch" / "README.md").read_text("utf-8")
EXAMPLE = yaml.safe_load(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1])  # type: ignore[index]


def told(folder: Path, settings: dict[str, Any], **more: Any) -> list[str]:
    """The mistakes of the README's configuration with other settings, by path, without line numbers."""
    erp = {
        "connector": "erpnext",
        "url": "https://erp.example.com",
        "streams": {"customers": {"settings": {"doctype": "Customer", "time_zone": "UTC"}}},
    }
    flow = EXAMPLE["flows"]["erp-to-crm"]
    content = {
        "stage": "staging",
        "integrations": {**EXAMPLE["integrations"], "erp-customers": erp},
        "flows": {"erp-to-crm": {**flow, "settings": flow["settings"] | settings, **more}},
    }
    file = folder / "staging.yaml"
    file.write_text(yaml.safe_dump(content))
    try:
        load(file)
    except ConfigurationError as refusal:
        return [line.partition(": ")[2] for line in refusal.mistakes]
    return []


def test_the_readmes_configuration_is_taken(tmp_path: Path) -> None:
    assert told(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"rows": {"costumers": {}}}, "has no stream 'costumers' of rows"),
        ({"rows": {}}, "do not say what the rows of erp-customers's stream 'customers' become"),
        ({"result": {}}, "did you mean results?"),
        ({"auth": {"type": "query", "name": "key"}}, "use header"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, settings: dict[str, Any], mistake: str) -> None:
    assert any(mistake in line for line in told(tmp_path, settings))
