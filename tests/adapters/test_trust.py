"""Whom the webhook Lambda believes to be AWS: certificates are always verified, first against few authorities."""

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.connection import Connection, NotTrusted
from adapters.late import utc_now
from adapters.trust import AMAZON, trust
from tests.servers.scripted import answer

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, its own authority, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = utc_now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    """A TLS server that answers every request alike."""
    import socket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # closed
                    return
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    while secured.recv(65_536):
                        secured.sendall(answer(200, b"hello"))

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def asked(port: int, environment: dict[str, str], host: str = "localhost") -> bytes:
    connection = Connection(host, port, trust(environment), 2.0, 2.0)
    try:
        return connection.exchange(REQUEST).body + connection.exchange(REQUEST).body
    finally:
        connection.close()


def test_a_stranger_is_not_believed(port: int) -> None:
    with pytest.raises(NotTrusted):
        asked(port, {})


def test_whom_the_operator_names_is_believed_and_nobody_else(port: int, certificate: Path) -> None:
    assert asked(port, {"AWS_CA_BUNDLE": str(certificate)}) == b"hellohello"
    with pytest.raises(NotTrusted):
        asked(port, {"AWS_CA_BUNDLE": str(AMAZON)})


def test_a_name_that_the_certificate_does_not_bear_is_not_believed(port: int, certificate: Path) -> None:
    with pytest.raises(NotTrusted):
        asked(port, {"AWS_CA_BUNDLE": str(certificate)}, host="127.0.0.1")


def test_where_amazons_own_authorities_do_not_vouch_those_of_the_machine_do(
    port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapters import trust as module

    module._machines.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # where Python's default looks
    try:
        assert asked(port, {}) == b"hellohello"
    finally:
        module._machines.cache_clear()


def test_amazons_authorities_are_those_of_the_machine_and_valid_for_years() -> None:
    """https://www.amazontrust.com/repository/ lists these five."""
    import certifi

    known, kept = Path(certifi.where()).read_text("utf-8"), AMAZON.read_text("utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=AMAZON)
    ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs()]

    assert len(ends) == 5
    assert all(block in known for block in re.findall(r"-----BEGIN.*?-----END", kept, re.DOTALL))
    assert min(ends) - utc_now().timestamp() > timedelta(days=3 * 365).total_seconds()
