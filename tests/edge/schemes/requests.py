"""Requests and expectations as the tests of single schemes write them."""

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cli.signing.macs import base64_text
from hub.deliveries import Delivery, Expected
from tests.fakes import FakeFetch

URL = "https://hooks.example.com/in/provider"
AT = 1_767_225_900  # Unix seconds


def delivery(body: bytes = b"{}", query: str = "", **headers: Any) -> Delivery:
    """A POST; `_` in a keyword stands for `-`. A header with several values came several times."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(
        "POST",
        {name.lower(): [value] if isinstance(value, str) else list(value) for name, value in sent.items()},
        body,
        query,
    )


def expected(
    *secrets: str,
    tolerance: float | None = None,
    pages: Mapping[str, bytes] | None = None,
    now: float = AT,
    public_url: str = URL,
    **states: Any,
) -> Expected:
    """What a delivery is held against; `pages` are what the provider publishes."""
    return Expected(secrets, now, tolerance, public_url, states, FakeFetch(pages or {}))


def public_text(key: RSAPrivateKey | EllipticCurvePrivateKey) -> str:
    """The public key as SendGrid shows one: base64 of its SubjectPublicKeyInfo."""
    return base64_text(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def public_pem(key: RSAPrivateKey | EllipticCurvePrivateKey) -> str:
    """The public key as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
