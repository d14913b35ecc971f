"""What holds for every test: no property test fails for being slow on a busy machine, and none leaves this machine."""

import gc
import socket
from pathlib import Path
from typing import Any

import hypothesis
import pytest

hypothesis.settings.register_profile("hub", deadline=None)
hypothesis.settings.load_profile("hub")

# Thousands of tests are objects that live to the end: looking through them again and again takes a fifth of the time.
gc.set_threshold(100_000, 50, 100)

HERE = Path(__file__).parent
LOOPBACK = ("127.", "::1", "localhost")

# What one process runs, since it starts or makes something costly once; the longest first. All else goes by its file.
TOGETHER = {"local_aws": "local AWS", "local": "local AWS", "infra": "templates"}


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which tests belong to one process where `make test` runs on both cores, and begin with the longest."""
    if not config.pluginmanager.hasplugin("dsession") and not hasattr(config, "workerinput"):
        return
    order = list(dict.fromkeys(TOGETHER.values()))
    groups = {item: TOGETHER.get(item.path.relative_to(HERE).parts[0], str(item.path)) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: order.index(groups[item]) if groups[item] in order else len(order))


@pytest.fixture(autouse=True)
def stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere but this machine fails the test that opens it."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test connects to {address[0]}: use a fake")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
