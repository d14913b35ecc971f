"""A check's own cheap call, at a real PostgreSQL, MariaDB and Redis: it serves, refuses a wrong password, is not there."""

from dataclasses import dataclass, field

import pytest

from adapters.reaching import Called
from hub.check_health import Checked, Looks, check_health
from hub.health import Record, Registered, Status, worst
from tests.fakes import NOW
from tests.servers import redis
from tests.servers.databases import SECRETS, Server
from tests.servers.process import free_port

pytestmark = pytest.mark.slow


@dataclass
class StoredSecrets:
    """Secrets as they are in Secrets Manager."""

    values: dict[str, str] = field(default_factory=dict)

    def live(self, name: str) -> tuple[str, ...]:
        return (self.values[name],) if name in self.values else ()

    def forget(self) -> None: ...


class NoRecords:
    """Nothing was checked before."""

    def read(self, integration: str) -> Record:
        return Record()

    def registered(self, integration: str) -> Registered | None:
        return None

    def write(self, integration: str, record: Record, now: object) -> bool:
        return True


def checked(connector: str, url: str, secrets: dict[str, str]) -> Checked:
    called = Called(connector, url, StoredSecrets(secrets), 2.0, lambda: NOW)  # type: ignore[arg-type]  # as those
    return check_health("it", Looks(call=called.call([])), NoRecords(), None, lambda: 0.0, NOW)


def test_a_database_that_serves_is_healthy(server: Server) -> None:
    assert checked(server.connector, server.url, SECRETS).record.status is Status.HEALTHY


def test_a_database_that_refuses_the_hubs_user_is_down_and_nothing_of_the_secret_is_told(server: Server) -> None:
    wrong = checked(server.connector, server.url, SECRETS | {"password": "another"}).record

    assert (wrong.status, wrong.available) == (Status.DOWN, False)
    assert "call: " in worst(wrong.parts)
    assert "another" not in worst(wrong.parts)


def test_a_database_that_is_not_there_is_down(server: Server) -> None:
    nowhere = server.url.replace(str(server.port), str(free_port()))

    assert checked(server.connector, nowhere, SECRETS).record.status is Status.DOWN


def test_a_redis_is_pinged() -> None:
    with redis.redis_server() as server:
        healthy = checked("redis", server.url, {"password": redis.PASSWORD})
        refused = checked("redis", server.url, {"password": "another"})
    gone = checked("redis", server.url, {"password": redis.PASSWORD})

    assert [each.record.status for each in (healthy, refused, gone)] == [Status.HEALTHY, Status.DOWN, Status.DOWN]
