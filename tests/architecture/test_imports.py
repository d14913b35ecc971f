"""Imports point inward: main → adapters → hub ← connectors; infra and cli read hub and manifests; nothing that ships
imports tests."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from connectors import connector_names
from hub.schemes import scheme_names
from tests.architecture.sources import PACKAGES, ROOT, Import, imports, module_path, modules, strings, tree

OWN = {
    "adapters",
    "cli",
    "connectors",
    "delivery",
    "dlq",
    "files",
    "health",
    "hub",
    "infra",
    "tests",
    "benchmarks",
    "webhooks",
}
LAMBDAS = ("webhooks", "delivery", "dlq", "files", "health")
TYPES_ONLY = "mypy_boto3_"

# folder → (packages of the repository, packages of others) that it may import beside the standard library
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "functions/hub": ({"hub"}, {"pydantic", "cryptography"}),
    "functions/adapters": (
        {"hub", "adapters", "connectors"},
        {"botocore", "httpx", "aws_lambda_powertools", "psycopg", "pymysql", "redis"},
    ),
    "functions/connectors": ({"hub", "connectors"}, {"pydantic", "openpyxl"}),  # which reads bytes and calls nobody
    **{f"functions/{name}": ({"hub", "adapters", name}, set()) for name in LAMBDAS},
}
# The domain and the connectors reach nothing by themselves: HTTP, queues, tables and clocks come in as arguments.
REACHES_OUT = {
    "asyncio", "http.client", "logging", "os", "random", "secrets", "socket", "sqlite3", "subprocess", "urllib.request"
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "sleep"}
PURE = ("functions/hub", "functions/connectors")
WEBHOOK_PATH = ("hub.receive", "hub.events", "hub.errors", "hub.schemes", "hub.webhook_spec")
NEEDED_BY_FEW = "cryptography"  # takes a while to load: imported by the few schemes with public keys, when they verify
JUDGES_AS_THE_LAMBDA = ROOT / "cli" / "vectors.py"  # `hub signature check` must say what the webhook Lambda would
# Where one connector may be named: they imitate that system, or are a command for it.
NAMED_IN = {ROOT / "infra" / "local", ROOT / "cli" / "setup.py"}


def shown(path: Path, found: Import) -> str:
    return f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"


def of_others(found: Import) -> bool:
    return found.package not in sys.stdlib_module_names and found.package not in OWN


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_package_imports_only_what_its_place_allows(folder: str) -> None:
    inside, outside = ALLOWED[folder]
    wrong = []
    for path in modules(folder):
        for found in imports(path):
            if found.for_types and found.module.startswith(TYPES_ONLY):
                continue
            if (found.package in OWN and found.package not in inside) or (
                of_others(found) and found.package not in outside
            ):
                wrong.append(shown(path, found))

    assert list(modules(folder))
    assert not wrong


def test_adapters_know_connectors_only_as_folders() -> None:
    wrong = [
        shown(path, found)
        for path in modules("functions/adapters")
        for found in imports(path)
        if found.module.startswith("connectors.")
    ]

    assert not wrong


@pytest.mark.parametrize("name", connector_names())
def test_a_connector_imports_the_hub_and_its_own_folder(name: str) -> None:
    wrong = [
        shown(path, found)
        for path in modules(f"functions/connectors/{name}")
        for found in imports(path)
        if found.package == "connectors" and not f"{found.module}.".startswith(f"connectors.{name}.")
    ]

    assert not wrong


@pytest.mark.parametrize("folder", PURE)
def test_the_domain_and_the_connectors_reach_nothing_by_themselves(folder: str) -> None:
    wrong = [shown(path, found) for path in modules(folder) for found in imports(path) if found.module in REACHES_OUT]

    assert not wrong


@pytest.mark.parametrize("folder", PURE)
def test_the_domain_and_the_connectors_ask_no_clock(folder: str) -> None:
    """They may hand one on, as an argument."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules(folder)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"time", "datetime", "date"}
    ]

    assert not wrong


def test_nothing_that_ships_imports_tests() -> None:
    wrong = [
        shown(path, found)
        for path in modules("functions", "infra", "cli")
        for found in imports(path)
        if found.package in {"tests", "benchmarks", "pytest", "hypothesis", "moto"}
    ]

    assert not wrong


def test_infra_and_cli_do_not_run_the_lambdas() -> None:
    wrong = [
        shown(path, found)
        for path in modules("infra", "cli")
        if path != JUDGES_AS_THE_LAMBDA
        for found in imports(path)
        if found.package in LAMBDAS or found.module in {"adapters.wiring", "adapters.webhook_wiring"}
    ]

    assert not wrong


def test_infra_does_not_import_the_cli_and_the_stack_imports_no_adapter() -> None:
    wrong = [
        shown(path, found)
        for path in modules("infra")
        for found in imports(path)
        if found.package == "cli" or (found.package == "adapters" and "local" not in path.parts)
    ]

    assert not wrong


def test_nothing_imports_a_main() -> None:
    wrong = [
        shown(path, found)
        for path in modules("functions", "infra", "tests")
        for found in imports(path)
        if found.package in LAMBDAS and found.module.endswith(".main")
    ]

    assert not wrong


def test_a_main_only_wires() -> None:
    for name in LAMBDAS:
        lines = (PACKAGES / name / "main.py").read_text("utf-8").splitlines()

        assert len(lines) <= 12, f"{name}/main.py does more than wire"
        assert "boto" not in (PACKAGES / name / "handler.py").read_text("utf-8")


def test_the_webhook_path_is_the_standard_library_and_itself() -> None:
    """A cold start must fit into the provider's patience: pydantic alone takes a third of it."""
    seen: set[str] = set()
    waiting = [*WEBHOOK_PATH, *(f"hub.schemes.{name}" for name in scheme_names())]
    wrong = []
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = module_path(module)
        assert path, module
        for found in imports(path):
            if found.for_types:
                continue
            if found.package == "hub":
                waiting.append(found.module)
            elif found.package not in sys.stdlib_module_names and not (found.lazy and found.package == NEEDED_BY_FEW):
                wrong.append(shown(path, found))

    assert {"hub.facts", "hub.handshakes", "hub.schemes"} <= seen
    assert not wrong


def test_the_webhook_lambda_starts_without_what_it_does_not_need() -> None:
    code = "import sys, webhooks.handler; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGES, capture_output=True, text=True, check=True, timeout=60
    )

    loaded = set(done.stdout.split())
    assert "hub.receive" in loaded
    assert not loaded & {"pydantic", "httpx", "boto3", "urllib3", "http.client", "hub.records", "hub.manifest"}
    assert not {"botocore.session", "botocore.exceptions"} & loaded  # Powertools looks whether there is a botocore
    assert NEEDED_BY_FEW not in loaded


def test_no_connector_is_named_outside_its_folder() -> None:
    """The folder is the list: code that names one would have to be changed for the next."""
    wrong = []
    names = connector_names()
    for path in modules("functions", "infra", "cli"):
        if path.is_relative_to(PACKAGES / "connectors") or any(path.is_relative_to(place) for place in NAMED_IN):
            continue
        wrong += [f"{path.relative_to(ROOT)}:{line}: {text!r}" for line, text in strings(path) if text in names]
        wrong += [
            shown(path, found)
            for found in imports(path)
            for name in names
            if found.module.startswith(f"connectors.{name}")
        ]

    assert not wrong


def test_the_places_that_may_name_one_exist() -> None:
    assert all(place.exists() for place in NAMED_IN)
