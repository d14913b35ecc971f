"""What holds for every test: no property test fails for being slow on a busy machine, and none leaves this machine."""

import gc
import socket
from typing import Any

import hypothesis
import pytest

hypothesis.settings.register_profile("hub", deadline=None)
hypothesis.settings.load_profile("hub")

# Thousands of tests are objects that live to the end: looking through them again and again takes a fifth of the time.
gc.set_threshold(100_000, 50, 100)

LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True)
def stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere but this machine fails the test that opens it."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test connects to {address[0]}: use a fake")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
