"""Systems that are no web: which client a URL asks for, how it is encrypted, and connections for many threads."""

import ssl
import subprocess
from pathlib import Path

import pytest

from adapters.databases import Address, Connections, client_at, is_web
from adapters.mysql import MySqlDatabase
from adapters.postgresql import PostgreSqlDatabase
from adapters.redis import RedisCommands
from hub.errors import SecretUnavailable


def an_address(url: str, **secrets: str) -> Address:
    return Address.of(url, lambda name: (secrets[name],) if name in secrets else (), lambda: None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A certificate, as PEM."""
    folder: Path = tmp_path_factory.mktemp("authority")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=db.example.com -keyout key.pem -out ca.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return (folder / "ca.pem").read_text("utf-8")


def test_the_urls_scheme_names_the_client() -> None:
    clients = [
        client_at(f"{scheme}://db.example.com/0", lambda _: (), lambda: None)
        for scheme in ("postgresql", "mysql", "redis")
    ]

    assert [type(each) for each in clients] == [PostgreSqlDatabase, MySqlDatabase, RedisCommands]
    assert is_web("https://erp.example.com")
    assert not is_web("mysql://db.example.com/shop")


def test_an_address_is_read_from_the_url() -> None:
    address = an_address("postgresql://db.example.com:6432/my%20shop?sslmode=verify-full")

    assert (address.host, address.port, address.name, address.tls) == ("db.example.com", 6432, "my shop", "verify-full")


def test_other_hosts_are_reached_encrypted_and_verified_where_the_authority_is_known(authority: str) -> None:
    assert an_address("mysql://db.example.com/shop").tls == "require"
    assert an_address("mysql://db.example.com/shop", ssl_ca=authority).tls == "verify-full"
    assert an_address("mysql://127.0.0.1/shop").tls == "disable"


def test_what_is_verified_is_what_was_asked_for(authority: str) -> None:
    url = "mysql://db.example.com/shop?sslmode="
    full = an_address(f"{url}verify-full", ssl_ca=authority).context()
    chain = an_address(f"{url}verify-ca", ssl_ca=authority).context()
    any_server = an_address(f"{url}require").context()

    assert full
    assert (full.check_hostname, full.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert [each["subject"] for each in full.get_ca_certs()] == [((("commonName", "db.example.com"),),)]
    assert chain
    assert (chain.check_hostname, chain.verify_mode) == (False, ssl.CERT_REQUIRED)
    assert any_server
    assert (any_server.check_hostname, any_server.verify_mode) == (False, ssl.CERT_NONE)
    assert an_address("mysql://127.0.0.1/shop").context() is None


def test_a_missing_user_is_told() -> None:
    with pytest.raises(SecretUnavailable, match="no username is stored"):
        an_address("mysql://db.example.com/shop").signed("username")


def test_secrets_stay_out_of_what_an_address_shows() -> None:
    assert "hunter2" not in repr(an_address("mysql://db.example.com/shop", password="hunter2"))


class FakeConnection:
    """Can be closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_connections_are_kept_and_dropped_together() -> None:
    connections = Connections(FakeConnection)
    (first, first_was_kept), (second, _) = connections.take(), connections.take()
    connections.put(first)

    assert not first_was_kept
    assert connections.take() == (first, True)
    connections.put(first)
    connections.drop(second)
    assert first.closed
    assert connections.take()[1] is False
