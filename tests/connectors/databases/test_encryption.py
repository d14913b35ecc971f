"""A PostgreSQL and a MariaDB that speak TLS: the hub talks to the one that its authority vouches for, and to no other."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.databases import client_at
from hub.errors import Unavailable
from tests.servers.databases import SECRETS, SERVERS, Server
from tests.servers.process import Account, folder_of

pytestmark = pytest.mark.slow


def certificate(folder: Path, account: Account) -> str:
    """A key and a certificate of 127.0.0.1 that vouches for itself, as the server likes to find them."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hub -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", "key.pem", "-out", "ca.pem"], cwd=folder, check=True, capture_output=True
    )
    for name in ("key.pem", "ca.pem"):
        (folder / name).chmod(0o600)
        account.owns(folder / name)
    return (folder / "ca.pem").read_text("utf-8")


@pytest.fixture(scope="module", params=SERVERS)
def encrypted(request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    account = Account.ordinary()
    with folder_of(account) as folder:
        authority = certificate(folder, account)
        with SERVERS[request.param](folder) as server:
            yield server, authority


def answer(server: Server, mode: str, authority: str = "") -> object:
    stored = SECRETS | ({"ssl_ca": authority} if authority else {})
    url = f"{server.url}?sslmode={mode}"
    client = client_at(url, lambda name: (stored[name],) if name in stored else (), lambda: None)
    return client.select("SELECT 1").rows[0][0]


def test_a_server_that_is_vouched_for_is_spoken_to(encrypted: tuple[Server, str]) -> None:
    server, authority = encrypted

    assert answer(server, "verify-full", authority) == "1"
    assert answer(server, "require") == "1"


def test_a_server_that_nobody_vouches_for_is_not(encrypted: tuple[Server, str], tmp_path: Path) -> None:
    server, _ = encrypted
    another = certificate(tmp_path, Account.ordinary())

    with pytest.raises(Unavailable):
        answer(server, "verify-full", another)
    with pytest.raises(Unavailable):
        answer(server, "verify-full")


def test_a_server_by_another_name_is_not(encrypted: tuple[Server, str]) -> None:
    server, authority = encrypted
    by_name = replace(server, host="localhost")

    assert answer(by_name, "verify-ca", authority) == "1"
    with pytest.raises(Unavailable):
        answer(by_name, "verify-full", authority)
