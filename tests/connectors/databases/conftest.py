"""The servers, each started once."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers.databases import SERVERS, Server


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Server]]:
    """A server of each kind."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(start()) for name, start in SERVERS.items()}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Iterator[Server]:
    """One of them, with no session left open afterwards."""
    chosen = servers[request.param]
    yield chosen
    for session in chosen.opened:
        session.close()
    chosen.opened.clear()
    if chosen.connector == "mysql":
        for (name,) in chosen.do("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"):
            chosen.do(f"DROP TABLE {chosen.quote(name)}")
    else:
        chosen.do("DROP SCHEMA public CASCADE")
        chosen.do("CREATE SCHEMA public")
        chosen.do("GRANT ALL ON SCHEMA public TO hub")
