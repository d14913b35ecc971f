"""Signatures in headers of a form of their own: Paddle's parts, HubSpot's versions, DocuSign's numbers, SendGrid's curve."""

import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from cli.signing.macs import base64_text
from hub.deliveries import Delivery
from hub.errors import (
    BadSignature,
    MalformedHeader,
    MissingHeader,
    NoSecret,
    NotStated,
    RepeatedHeader,
    StaleDelivery,
)
from hub.schemes import scheme
from hub.webhook_spec import Signature
from tests.edge.schemes.requests import AT, URL, delivery, expected, public_text
from tests.provider import ec_key, rsa_key

BODY = '{"text": "zoë"}\r\n'.encode()


def mac(key: str, message: bytes) -> bytes:
    return hmac.digest(key.encode(), message, hashlib.sha256)


# --- Paddle -----------------------------------------------------------------------------------------------------------

PADDLE = Signature("paddle", "Paddle-Signature", tolerance_seconds=5)


def h1(key: str = "new", at: int = AT) -> str:
    return f"h1={mac(key, f'{at}:'.encode() + BODY).hex()}"


def check_paddle(header: str | list[str], *keys: str, now: float = AT) -> int:
    sent = delivery(BODY, Paddle_Signature=header)
    return scheme("paddle")(sent, PADDLE, expected(*(keys or ("new", "old")), tolerance=5, now=now))


def test_each_h1_is_tried_with_each_secret() -> None:
    assert check_paddle(f"ts={AT};{h1()}") == 0
    assert check_paddle(f"ts={AT};{h1()};{h1('unknown')}") == 0
    assert check_paddle(f"ts={AT};{h1('unknown')};{h1('old')}") == 1
    assert check_paddle(f"ts={AT};h1=dummy;{h1()}") == 0
    assert check_paddle(f"{h1()};ts={AT}") == 0


@pytest.mark.parametrize(
    "header",
    [
        "",
        "ts=1",
        f"ts={AT};h1=",
        f"ts={AT};h1={'A' * 64}",
        f"ts={AT};h2=1;{h1()}",
        h1(),
        f"ts={AT};ts={AT};{h1()}",
        f"ts=;{h1()}",
    ],
)
def test_a_header_that_is_not_paddles_is_refused(header: str) -> None:
    with pytest.raises((MalformedHeader, MissingHeader)):
        check_paddle(header)


@pytest.mark.parametrize("joint", [",", ", "])
def test_paddles_header_that_came_twice_is_refused(joint: str) -> None:
    header = f"ts={AT};{h1()}"
    with pytest.raises(RepeatedHeader):
        check_paddle([header, header])
    with pytest.raises(RepeatedHeader):
        check_paddle(header + joint + header)


def test_paddles_window_is_five_seconds_to_both_sides() -> None:
    for now in (AT + 5, AT - 5):
        assert check_paddle(f"ts={AT};{h1()}", now=now) == 0
    for outside in (AT + 5.001, AT - 6.0):
        with pytest.raises(StaleDelivery):
            check_paddle(f"ts={AT};{h1()}", now=outside)


# --- HubSpot ----------------------------------------------------------------------------------------------------------

HUBSPOT = Signature(
    "hubspot",
    "X-HubSpot-Signature-v3",
    timestamp_header="X-HubSpot-Request-Timestamp",
    timestamp_unit="milliseconds",
    future_too=False,
)
LEGACY: dict[str, Any] = {"allow_legacy": "true"}


def v3(url: str = URL, query: str = "", at: int = AT * 1000, **headers: str) -> Delivery:
    proof = base64_text(mac("key", b"POST" + url.encode() + BODY + str(at).encode()))
    return delivery(BODY, query, X_HubSpot_Signature_v3=proof, X_HubSpot_Request_Timestamp=str(at), **headers)


def legacy(version: str = "v1", *, message: bytes = BODY, query: str = "", key: str = "key") -> Delivery:
    proof = hashlib.sha256(key.encode() + message).hexdigest()
    headers: dict[str, Any] = {"X_HubSpot_Signature_Version": version} if version else {}
    return delivery(BODY, query, X_HubSpot_Signature=proof, **headers)


def check_hubspot(sent: Delivery, now: float = AT, keys: tuple[str, ...] = ("key",), **states: Any) -> int:
    return scheme("hubspot")(sent, HUBSPOT, expected(*keys, tolerance=300, now=now, **states))


def test_the_url_is_signed_as_it_came_or_with_its_few_escapes_decoded() -> None:
    query = "a=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B&b=%20%26%3D%2B"
    assert check_hubspot(v3()) == 0
    assert check_hubspot(v3(f"{URL}?{query}", query)) == 0
    assert check_hubspot(v3(f"{URL}?a=:/?@!$'()*,;&b=%20%26%3D%2B", query)) == 0
    assert check_hubspot(v3(f"{URL}?a=:", "a=%3a")) == 0

    for other in (f"{URL}?a=:/?@!$'()*,;&b= &=+", URL, f"{URL}/", f"{URL}?{query}&c="):
        with pytest.raises(BadSignature):
            check_hubspot(v3(other, query))
    with pytest.raises(BadSignature):
        check_hubspot(v3(query="\ud800=1"))


def test_hubspots_time_is_milliseconds_of_which_only_the_age_counts() -> None:
    assert check_hubspot(v3(), now=AT + 300) == 0
    assert check_hubspot(v3(at=AT * 1000 + 10_000_000)) == 0
    with pytest.raises(StaleDelivery):
        check_hubspot(v3(), now=AT + 300.001)
    with pytest.raises(StaleDelivery):
        check_hubspot(v3(at=AT))  # seconds


def test_older_versions_count_only_where_they_are_allowed_and_none_of_version_3_came() -> None:
    url = f"{URL}?a=%3A"
    for sent in (legacy(), legacy(""), legacy("v2", message=b"POST" + url.encode() + BODY, query="a=%3A")):
        with pytest.raises(MissingHeader):
            check_hubspot(sent)
        with pytest.raises(MissingHeader):
            check_hubspot(sent, allow_legacy="false")
        assert check_hubspot(sent, **LEGACY) == 0
        assert check_hubspot(sent, keys=("new", "key"), **LEGACY) == 1
        with pytest.raises(BadSignature):
            check_hubspot(sent, keys=("new", ""), **LEGACY)
        with pytest.raises(NoSecret):
            check_hubspot(sent, keys=("",), **LEGACY)


def test_version_3_is_not_gone_round_by_an_older_one() -> None:
    both = v3(X_HubSpot_Signature=hashlib.sha256(b"key" + BODY).hexdigest(), X_HubSpot_Signature_Version="v1")
    assert check_hubspot(both, **LEGACY) == 0

    for wrong, refusal in (("", MissingHeader), ("AAAA", MalformedHeader), (base64_text(bytes(32)), BadSignature)):
        headers = {**both.headers, "x-hubspot-signature-v3": [wrong]}
        with pytest.raises(refusal):
            check_hubspot(Delivery("POST", headers, BODY), **LEGACY)


def test_each_older_version_is_held_to_its_own_message() -> None:
    with pytest.raises(BadSignature):
        check_hubspot(legacy("v1", message=b"POST" + URL.encode() + BODY), **LEGACY)
    with pytest.raises(BadSignature):
        check_hubspot(legacy("v2"), **LEGACY)
    for version in ("v3", "v4", "V1", "v1,v1"):
        with pytest.raises(MalformedHeader):
            check_hubspot(legacy(version), **LEGACY)


def test_without_the_registered_url_nothing_of_hubspots_is_accepted() -> None:
    with pytest.raises(NotStated):
        scheme("hubspot")(v3(), HUBSPOT, expected("key", public_url=""))


# --- DocuSign ---------------------------------------------------------------------------------------------------------

DOCUSIGN = Signature("docusign", "X-DocuSign-Signature", encoding="base64")
OURS, FOREIGN = base64_text(mac("key", BODY)), base64_text(mac("foreign", BODY))


def check_docusign(*keys: str, **numbered: Any) -> int:
    headers: dict[str, Any] = {f"X_DocuSign_Signature_{name[1:]}": value for name, value in numbered.items()}
    return scheme("docusign")(delivery(BODY, **headers), DOCUSIGN, expected(*(keys or ("key",))))


def test_any_numbered_header_may_match_with_gaps_between_the_numbers() -> None:
    assert check_docusign(n1=OURS) == 0
    assert check_docusign(n1=FOREIGN, n7=OURS) == 0
    assert check_docusign(n3=FOREIGN, n100=OURS) == 0
    assert check_docusign("foreign", "key", n2=OURS) == 1
    assert check_docusign(n1="not one", n2=OURS) == 0
    assert check_docusign(n1="", n2=OURS) == 0


def test_docusigns_headers_are_refused_for_their_own_reasons() -> None:
    numbers: list[dict[str, str]] = [
        {},
        {"n": OURS},
        {"n0": OURS},
        {"n01": OURS},
        {"nx": OURS},
        {"n1": ""},
        {"n1000": OURS},
    ]
    for numbered in numbers:
        with pytest.raises(MissingHeader):
            check_docusign(**numbered)
    with pytest.raises(BadSignature):
        check_docusign(n1=FOREIGN, n2=base64_text(bytes(32)))
    with pytest.raises(MalformedHeader):
        check_docusign(n1="ü", n2=OURS.rstrip("="))
    with pytest.raises(RepeatedHeader):
        check_docusign(n1=[OURS, OURS], n2=OURS)
    with pytest.raises(RepeatedHeader):
        check_docusign(n1=f"{OURS},{OURS}", n2=OURS)


# --- SendGrid ---------------------------------------------------------------------------------------------------------

SENDGRID = Signature("sendgrid", "X-Sig", timestamp_header="X-Time")


def check_sendgrid(*keys: str, body: bytes = BODY, number: int = 0, tolerance: float | None = None) -> int:
    proof = ec_key(number).sign(str(AT).encode() + BODY, ec.ECDSA(SHA256()))
    sent = delivery(body, X_Sig=base64_text(proof), X_Time=str(AT))
    return scheme("sendgrid")(sent, SENDGRID, expected(*keys, tolerance=tolerance, now=AT + 100))


def test_sendgrid_signs_the_line_end_too() -> None:
    first, second = public_text(ec_key(0)), public_text(ec_key(1))

    assert check_sendgrid(first) == 0
    assert check_sendgrid(second, first) == 1
    assert check_sendgrid(second, first, tolerance=100) == 1
    with pytest.raises(BadSignature):
        check_sendgrid(first, body=BODY.rstrip())
    with pytest.raises(BadSignature):
        check_sendgrid(first, number=1)
    with pytest.raises(StaleDelivery):
        check_sendgrid(first, tolerance=99)


def test_only_a_key_of_sendgrids_curve_is_one() -> None:
    foreign_curve = public_text(ec.generate_private_key(ec.SECP384R1()))

    for key in ("", "x", "AAAA", "-----BEGIN PUBLIC KEY-----"):
        with pytest.raises(NoSecret):
            check_sendgrid(key)
    for key in (foreign_curve, public_text(rsa_key(0))):
        with pytest.raises(BadSignature):
            check_sendgrid(key)


# --- Square -----------------------------------------------------------------------------------------------------------

SQUARE = Signature("body_hmac", "X-Sig", encoding="base64", signed="{registered_url}{body}")


@pytest.mark.parametrize("registered", [URL, f"{URL}/", f"{URL}?tenant=1", f"{URL}?"])
def test_square_signs_the_url_exactly_as_it_is_registered(registered: str) -> None:
    sent = delivery(BODY, X_Sig=base64_text(mac("key", registered.encode() + BODY)))
    assert scheme("body_hmac")(sent, SQUARE, expected("key", public_url=registered)) == 0

    for other in {URL, f"{URL}/", f"{URL}?tenant=1", URL.replace("https", "http")} - {registered}:
        with pytest.raises(BadSignature):
            scheme("body_hmac")(sent, SQUARE, expected("key", public_url=other))
    with pytest.raises(NotStated):
        scheme("body_hmac")(sent, SQUARE, expected("key", public_url=""))
