"""A provider and one integration of its connector: what it sends, signed as it signs, served by the real handler."""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from adapters.webhook_wiring import WebhookHub, receiver_of
from cli.signing import Draft, Sender, signers
from cli.signing.examples import Example, drafted
from cli.signing.keys import KEY_ID, PAYPAL_CERTIFICATE, SNS_CERTIFICATE
from cli.signing.tokens import url_base64
from connectors import manifest_path
from hub.events import Event, from_json
from hub.handshakes import Answer
from hub.manifest import Manifest, read_manifest
from hub.receive import Receiver
from hub.settings import VARIABLE, WebhookSettings
from hub.webhook_spec import WebhookSpec, read_webhook
from tests.api_gateway import api_gateway_request
from tests.fakes import NOW, FakeBodies, FakeEventQueue, FakeFetch, FakeSecrets, FakeTelemetry, FakeTokens, outside
from webhooks.handler import serve

INTEGRATION = "provider-eu"
ACCOUNT = "eu.example.com"
PUBLIC_URL = "https://hooks.example.com/in/provider-eu"
TIME = "2026-01-01T11:59:58Z"

# What an integration states where the connector's [expects] asks for it; the signers write the same into deliveries.
STATED: Mapping[str, str | Sequence[str]] = {
    "organization_ids": ["00D5e000000AbCdEAK"],
    "topic_arns": ["arn:aws:sns:us-east-2:123456789012:orders"],
    "allowed_origins": ["eventmesh.example.hana.ondemand.com"],
    "email": "pusher@acme-prod.iam.gserviceaccount.com",
    "audience": PUBLIC_URL,
}


@cache
def manifest_of(connector: str) -> Manifest:
    """A connector's manifest."""
    return read_manifest(manifest_path(connector))


@cache
def spec_of(connector: str) -> WebhookSpec:
    """How a connector's provider sends."""
    return read_webhook(manifest_path(connector))[0]


def required_expects(connector: str) -> list[str]:
    """What an integration must state; an optional one says so in its first word."""
    return [name for name, what in manifest_of(connector).expects.items() if not what.lower().startswith("optional")]


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """A provider's key, or another's."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@cache
def ec_key(number: int) -> ec.EllipticCurvePrivateKey:
    """The same on the curve P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as the signers take it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def certificate(host: str, number: int = 0) -> bytes:
    """A certificate of the provider's key for a host, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    key = rsa_key(number)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=365))
        .not_valid_after(NOW + timedelta(days=3_650))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


@cache
def key_set() -> bytes:
    """The provider's public key as a JSON Web Key Set."""
    numbers = rsa_key(0).public_key().public_numbers()
    n = url_base64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))
    key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, "n": n, "e": "AQAB"}
    return json.dumps({"keys": [key]}).encode()


class Published(FakeFetch):
    """What providers publish: certificates at their URLs, and key sets at any URL that names none."""

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if url == PAYPAL_CERTIFICATE:
            return certificate("messageverificationcerts.paypal.com")
        if url == SNS_CERTIFICATE:
            return certificate("sns.amazonaws.com")
        return key_set()


def has_public_key(connector: str) -> bool:
    """Whether the provider signs with a private key, and the integration holds the public one."""
    return spec_of(connector).signature.scheme == "sendgrid"


def secret_of(connector: str, number: int = 0, timed: bool = False) -> str:
    """A secret of the form that the connector's provider gives out; another one for another number. `timed`: of the
    form under which a time is signed, where the provider has two."""
    signature = spec_of(connector).signature
    raw = hashlib.sha256(f"secret {number}".encode()).digest()
    if not signature.secret:
        return ""
    if has_public_key(connector):
        public = ec_key(number).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(public).decode()
    if signature.scheme == "standard_webhooks" or (timed and signature.scheme == "gitlab"):
        return "whsec_" + base64.b64encode(raw).decode()
    if signature.key == "hex" or signature.scheme.startswith("adyen"):
        return raw.hex().upper()
    if signature.key == "base64":
        return base64.b64encode(raw).decode()
    return f"user:a-secret-of-the-provider-{number}"  # a user's name and password, where the provider sends those


@dataclass
class Endpoint:
    """One integration, and what arrives at it."""

    connector: str
    secrets: tuple[str, ...] | None = None  # None: the one that the provider has
    account: str = ACCOUNT
    tolerance_seconds: float | None = None
    states: dict[str, str | Sequence[str]] = field(default_factory=dict)
    now: datetime = NOW
    fetch: FakeFetch = field(default_factory=Published)
    queue: FakeEventQueue = field(default_factory=FakeEventQueue)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    unstated: frozenset[str] = frozenset()
    bound: bool = False  # to its account, also where that stands in the body
    timed: bool = False  # the secret is of the form under which a time is signed

    @property
    def spec(self) -> WebhookSpec:
        return spec_of(self.connector)

    def expects(self, example: Example | None = None) -> dict[str, str | list[str]]:
        """What the integration states: what must be stated, what the example asks for, what the test says."""
        required = {name: STATED.get(name, f"stated-{name}") for name in required_expects(self.connector)}
        stated = required | dict(example.expects if example else {}) | self.states
        return {
            name: value if isinstance(value, str) else list(value)
            for name, value in stated.items()
            if name not in self.unstated
        }

    def draft(self, example: Example) -> Draft:
        """The request before it is signed. The event id, where it stands in a header, is the example's own."""
        event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, example.name))
        return drafted(example, self.spec, PUBLIC_URL, event_id, TIME, self.account)

    def sign(self, draft: Draft, example: Example, secret: int = 0, at: datetime | None = None) -> Draft:
        """The request as the provider sends it; as somebody else would for another secret than number 0."""
        scheme = self.spec.signature.scheme
        key = pem(ec_key(secret) if has_public_key(self.connector) else rsa_key(secret))
        whole = replace(self, unstated=frozenset()).expects(example)
        sender = Sender(secret_of(self.connector, secret, self.timed), (at or self.now).timestamp(), whole, key)
        return signers()[scheme](draft, self.spec.signature, sender)

    def signed(self, example: Example, secret: int = 0, at: datetime | None = None) -> Draft:
        """An example as the provider sends it."""
        return self.sign(self.draft(example), example, secret, at)

    def hub(self, example: Example | None = None) -> WebhookHub:
        """The hub that the Lambda has, with fakes around it."""
        settings = WebhookSettings(
            stage="test",
            integration=INTEGRATION,
            connector=self.connector,
            secret_id="hub/test/provider",
            queue_urls=[],
            bodies_bucket="",
            ledger_table="",
            account=self.account if self.bound or self.spec.facts.account.startswith("header:") else "",
            public_url=PUBLIC_URL,
            expects=self.expects(example),
            tolerance_seconds=self.tolerance_seconds,
        )
        secrets = (secret_of(self.connector, timed=self.timed),) if self.secrets is None else self.secrets
        around = outside(
            self.queue,
            secrets=FakeSecrets(secrets),
            fetch=self.fetch,
            bodies=FakeBodies(),
            tokens=FakeTokens(),
        )
        return WebhookHub(_receiver(settings.to_env()[VARIABLE]), around, self.telemetry, lambda: self.now)

    def send(self, draft: Draft, example: Example | None = None, *, as_base64: bool = True) -> Answer:
        """What the Lambda answers to a request, which reaches it under another URL than the registered one."""
        query = draft.url.partition("?")[2]
        request = api_gateway_request(
            draft.body, draft.headers, method=draft.method, path="/inner/path", query=query, as_base64=as_base64
        )
        return self.answered(request, example)

    def answered(self, request: Mapping[str, Any], example: Example | None = None) -> Answer:
        """What the Lambda answers to a request of API Gateway's."""
        answer = serve(dict(request), None, self.hub(example))
        headers = dict(answer["headers"])
        assert type(answer["statusCode"]) is int  # API Gateway takes no other
        return Answer(answer["statusCode"], answer["body"], headers.pop("content-type", ""), headers)

    def reasons(self) -> list[str]:
        """The reasons of the refusals so far, as they were logged."""
        return [str(about["reason"]) for _, message, about, _ in self.telemetry.lines if message == "refused"]

    def events(self) -> list[Event]:
        """What reached the queue, as it will be read from it."""
        return [from_json(message) for _, message in self.queue.kept]


@cache
def _receiver(settings: str) -> Receiver:
    return receiver_of(WebhookSettings.from_env({VARIABLE: settings}))


def later(seconds: float) -> datetime:
    """A time after NOW, or before it."""
    return datetime.fromtimestamp(NOW.timestamp() + seconds, UTC)
