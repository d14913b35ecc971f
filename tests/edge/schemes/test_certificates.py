"""Signatures by a provider's certificate: whose it must be, and from where it may come."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cli.signing import Draft, Sender
from cli.signing.keys import PAYPAL_CERTIFICATE, SNS_CERTIFICATE, SNS_FIELDS, paypal, sns
from cli.signing.macs import base64_text
from hub.deliveries import Delivery
from hub.errors import (
    BadSignature,
    ForeignSender,
    MalformedBody,
    MalformedHeader,
    NotStated,
    SourceUnavailable,
    StaleDelivery,
)
from hub.schemes import scheme
from hub.schemes.sns import sns_url
from hub.webhook_spec import Signature
from tests.edge.schemes.requests import AT, expected
from tests.provider import pem, rsa_key

PAYPAL = Signature("paypal", "PAYPAL-TRANSMISSION-SIG", secret="")
SNS = Signature("sns", secret="")
TOPIC = "arn:aws:sns:us-east-2:123456789012:orders"
OLD = SHA1()  # noqa: S303 - what SNS still signs with in SignatureVersion 1
HOST = "messageverificationcerts.paypal.com"


def certificate(
    host: str = HOST,
    *,
    key: RSAPrivateKey | None = None,
    issuer: tuple[str, RSAPrivateKey] | None = None,
    years: tuple[float, float] = (-1, 10),
) -> bytes:
    """A certificate for `host`, by itself unless somebody issues it."""
    key = key or rsa_key(0)
    by, signing = issuer or (host, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime.fromtimestamp(AT, UTC) + timedelta(days=365 * years[0]))
        .not_valid_after(datetime.fromtimestamp(AT, UTC) + timedelta(days=365 * years[1]))
        .sign(signing, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def of(draft: Draft) -> Delivery:
    return Delivery("POST", {name.lower(): [value] for name, value in draft.headers.items()}, draft.body)


def from_paypal(body: bytes = b'{"id": "WH-1"}', **headers: Any) -> Delivery:
    sender = Sender("", AT, {"webhook_id": "ours"}, pem(rsa_key(0)))
    signed = paypal(Draft("POST", "", {}, body), PAYPAL, sender)
    return of(signed.adding({name.replace("_", "-"): value for name, value in headers.items()}))


def check_paypal(sent: Delivery, published: bytes | None = None, url: str = PAYPAL_CERTIFICATE, **how: Any) -> int:
    stated: dict[str, Any] = {"webhook_id": "ours"} | how
    return scheme("paypal")(sent, PAYPAL, expected(pages={url: published or certificate()}, **stated))


def test_paypal_signs_the_checksum_of_the_body_for_our_webhook() -> None:
    assert check_paypal(from_paypal()) == 0
    assert check_paypal(from_paypal(), webhook_id=["another", "ours"]) == 0
    for checksum_above_two_to_the_31 in (b'{"id": "WH-%d"}' % number for number in range(20)):
        assert check_paypal(from_paypal(checksum_above_two_to_the_31)) == 0

    with pytest.raises(BadSignature):
        check_paypal(from_paypal(), webhook_id="another")
    with pytest.raises(NotStated):
        check_paypal(from_paypal(), webhook_id="")


def test_a_forged_checksum_passes_which_is_why_paypals_events_are_fetched_before_they_count() -> None:
    """CRC32 is linear: four bytes of padding bring any other body to the genuine one's checksum."""
    import zlib

    genuine, forged = b'{"id":"WH-1","value":"30.00"}', b'{"id":"WH-1","value":"30000.00","x":"'
    wanted = zlib.crc32(genuine)
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    state, steps = wanted ^ 0xFFFFFFFF, []
    for _ in range(4):
        step = next(number for number in range(256) if table[number] >> 24 == state >> 24)
        steps.append(step)
        state = ((state ^ table[step]) << 8) & 0xFFFFFFFF
    now, padding = zlib.crc32(forged) ^ 0xFFFFFFFF, bytearray()
    for step in reversed(steps):
        padding.append((now & 0xFF) ^ step)
        now = (now >> 8) ^ table[step]
    padded = forged + bytes(padding)
    assert zlib.crc32(padded) == wanted

    sent = from_paypal(genuine)

    assert check_paypal(Delivery("POST", sent.headers, padded)) == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://api.paypal.com/cert",
        "https://api.paypal.com.evil.example/cert",
        "https://evilpaypal.com/cert",
        "https://api.paypal.com@evil.example/cert",
        "https://evil.example/.paypal.com",
        "https://evil.example\\.paypal.com/cert",
        "https://evil.example#.paypal.com",
        "https://api.paypal.com:8443/cert",
        "https://api.paypal.com:x/cert",
        "https://user@api.paypal.com/cert",
        "https://api.pay\tpal.com/cert",
        "https://pаypal.com/cert",  # a Cyrillic letter
        "ftp://api.paypal.com/cert",
        "api.paypal.com/cert",
        "https://[paypal.com/cert",
        "x",
    ],
)
def test_a_certificate_of_another_host_is_not_even_fetched(url: str) -> None:
    held = expected(pages={url: certificate()}, webhook_id="ours")

    with pytest.raises(ForeignSender):
        scheme("paypal")(from_paypal(PAYPAL_CERT_URL=url), PAYPAL, held)
    assert held.fetch.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["paypal.com", "api.sandbox.paypal.com", "API.PayPal.COM"])
def test_certificates_of_paypals_hosts_are_fetched(host: str) -> None:
    url = f"https://{host}/v1/notifications/certs/CERT-1"

    assert check_paypal(from_paypal(PAYPAL_CERT_URL=url), url=url) == 0


@pytest.mark.parametrize(
    "published",
    [
        pytest.param(certificate("evil.example"), id="of somebody else"),
        pytest.param(certificate("paypal.com.evil.example"), id="of somebody who sounds like it"),
        pytest.param(certificate("evilpaypal.com"), id="of somebody who ends like it"),
        pytest.param(certificate(years=(-2, -1)), id="expired"),
        pytest.param(certificate(years=(1, 2)), id="not yet valid"),
        pytest.param(certificate(key=rsa_key(1)), id="of another key"),
        pytest.param(certificate() + certificate("root.example", key=rsa_key(1)), id="not issued by the next one"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", id="broken"),
        pytest.param(b"<html>", id="none"),
    ],
)
def test_a_certificate_that_is_not_paypals_vouches_for_nothing(published: bytes) -> None:
    with pytest.raises(BadSignature):
        check_paypal(from_paypal(), published)


def test_a_chain_counts_where_each_is_issued_by_the_next() -> None:
    chain = certificate(issuer=("root.example", rsa_key(1))) + certificate("root.example", key=rsa_key(1))

    assert check_paypal(from_paypal(), chain) == 0


def test_paypals_other_headers_are_held_to_what_it_sends() -> None:
    others: list[dict[str, Any]] = [
        {"PAYPAL_TRANSMISSION_ID": "x"},
        {"PAYPAL_TRANSMISSION_TIME": "2026-01-01T00:00:00Z"},
    ]
    for other in others:
        with pytest.raises(BadSignature):
            check_paypal(from_paypal(**other))
    for algorithm in ("SHA1withRSA", "sha256WithRSA", "none"):
        with pytest.raises(MalformedHeader):
            check_paypal(from_paypal(PAYPAL_AUTH_ALGO=algorithm))
    with pytest.raises(SourceUnavailable):
        check_paypal(from_paypal(), url="https://api.paypal.com/elsewhere")


def test_paypals_window_is_the_integrations_own() -> None:
    assert check_paypal(from_paypal(), now=AT + 10_000_000) == 0
    assert check_paypal(from_paypal(), tolerance=60, now=AT + 60) == 0
    with pytest.raises(StaleDelivery):
        check_paypal(from_paypal(), tolerance=60, now=AT + 61)


# --- SNS --------------------------------------------------------------------------------------------------------------

NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "m-1",
    "Subject": "a subject",
    "Message": "zwei\nZeilen: ü 😀",
    "Timestamp": "2026-01-01T00:05:00.000Z",
}


def from_sns(**message: Any) -> Delivery:
    sender = Sender("", AT, {"topic_arns": TOPIC}, pem(rsa_key(0)))
    content = {name: value for name, value in (NOTIFICATION | message).items() if value is not None}
    return of(sns(Draft("POST", "", {}, json.dumps(content).encode()), SNS, sender))


def by_hand(algorithm: SHA1 | SHA256, version: str, **message: Any) -> Delivery:
    """Signed over whatever the message holds, as no SNS would."""
    content = {**NOTIFICATION, "TopicArn": TOPIC, "SigningCertURL": SNS_CERTIFICATE, **message}
    content |= {"SignatureVersion": version}
    lines = "".join(f"{name}\n{content[name]}\n" for name in SNS_FIELDS["Notification"] if name in content)
    content["Signature"] = base64_text(rsa_key(0).sign(lines.encode(), PKCS1v15(), algorithm))
    return Delivery("POST", {}, json.dumps(content).encode())


def check_sns(sent: Delivery, url: str = SNS_CERTIFICATE, **how: Any) -> int:
    stated: dict[str, Any] = {"topic_arns": [TOPIC]} | how
    return scheme("sns")(sent, SNS, expected(pages={url: certificate("sns.amazonaws.com")}, **stated))


def altered(sent: Delivery, **fields: Any) -> Delivery:
    content = json.loads(sent.body) | fields
    return Delivery("POST", sent.headers, json.dumps(content).encode())


def test_sns_signs_by_both_versions_and_by_no_other() -> None:
    assert check_sns(from_sns()) == 0
    assert check_sns(from_sns(Subject=None)) == 0
    assert check_sns(by_hand(OLD, "1")) == 0

    for algorithm, version in ((SHA256(), "1"), (OLD, "2")):
        with pytest.raises(BadSignature):
            check_sns(by_hand(algorithm, version))
    for version in ("3", "", "１"):
        with pytest.raises(MalformedBody):
            check_sns(by_hand(SHA256(), version))


def test_sns_confirmations_sign_the_fields_of_confirmations() -> None:
    for kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        confirmation = from_sns(Type=kind, Token="t", SubscribeURL="https://sns.us-east-2.amazonaws.com/?a=b")
        assert check_sns(confirmation) == 0
        with pytest.raises(BadSignature):
            check_sns(altered(confirmation, SubscribeURL="https://sns.us-east-2.amazonaws.com/?a=c"))
        with pytest.raises(BadSignature):
            check_sns(altered(confirmation, Token="u"))


def test_a_topic_of_another_account_is_refused_however_well_it_is_signed() -> None:
    with pytest.raises(ForeignSender):
        check_sns(from_sns(), topic_arns=["arn:aws:sns:us-east-2:999999999999:orders"])
    with pytest.raises(ForeignSender):
        check_sns(from_sns(), topic_arns=[TOPIC + "-2", TOPIC.upper()])
    with pytest.raises(NotStated):
        check_sns(from_sns(), topic_arns=[])


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-2.amazonaws.com/a.pem",
        "https://sns.us-east-2.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-2.amazonaws.com/a.pem",
        "https://sns.us-east-2.amazonaws.com@evil.example/a.pem",
        "https://sns.us-east-2.amazonaws.com:444/a.pem",
        "https://sns.us-east-2.evil.amazonaws.com/a.pem",
        "https://s3.us-east-2.amazonaws.com/a.pem",
        "https://sns.us_east.amazonaws.com/a.pem",
        "https://sns.x.amazonaws.com/a.pem",
        "https://sns.us-east-2.amazonaws.com/a.txt",
        "https://sns.us-east-2.amazonaws.com/?a.pem",
        "https://sns.us-east-2.amazonaws.com/#a.pem",
        "https://sns.us-east-2.amazonaws.com/a.pem\n",
        "https://sns.us-east-2.amazonaws.com/a b.pem",
        "https://SNS.us-east-2.amazonaws.com/a.pem",
        " https://sns.us-east-2.amazonaws.com/a.pem",
    ],
)
def test_a_certificate_that_is_not_of_sns_is_not_even_fetched(url: str) -> None:
    held = expected(pages={url: certificate("sns.amazonaws.com")}, topic_arns=[TOPIC])

    with pytest.raises((ForeignSender, MalformedBody)):
        scheme("sns")(altered(from_sns(), SigningCertURL=url), SNS, held)
    assert held.fetch.asked == []  # type: ignore[attr-defined]


def test_certificates_of_china_count_as_well() -> None:
    url = "https://sns.cn-north-1.amazonaws.com.cn/a.pem"

    assert check_sns(altered(from_sns(), SigningCertURL=url), url=url) == 0


def test_only_urls_of_sns_are_fetched_to_confirm() -> None:
    good = "https://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336"
    assert sns_url(good, "SubscribeURL") == good

    for bad in (None, 1, "", "https://evil.example/", "http://sns.us-east-2.amazonaws.com/", good + "\n"):
        with pytest.raises(ForeignSender):
            sns_url(bad, "SubscribeURL")


def test_lines_within_a_field_do_not_pass_for_another_field() -> None:
    """The subject could else be moved into the message's id, and one message become two."""
    sent = from_sns()
    shifted = altered(sent, MessageId="m-1\nSubject\na subject")
    content = json.loads(shifted.body)
    del content["Subject"]

    with pytest.raises(MalformedBody):
        check_sns(Delivery("POST", {}, json.dumps(content).encode()))


@pytest.mark.parametrize("field", ["Type", "MessageId", "TopicArn", "Timestamp", "Message", "Signature"])
@pytest.mark.parametrize("value", [None, 1, [], {}, True])
def test_a_field_that_is_no_text_is_refused(field: str, value: Any) -> None:
    with pytest.raises(MalformedBody):
        check_sns(altered(from_sns(), **{field: value}))


def test_a_window_for_sns_is_the_integrations_own() -> None:
    assert check_sns(from_sns(), tolerance=60, now=AT + 60) == 0
    with pytest.raises(StaleDelivery):
        check_sns(from_sns(), tolerance=60, now=AT + 61)
    with pytest.raises(MalformedHeader):
        check_sns(from_sns(Timestamp="yesterday"), tolerance=60)
