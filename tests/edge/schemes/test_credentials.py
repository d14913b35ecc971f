"""What says who sends and not what: tokens, passwords, JSON web tokens; and the profile of in-house senders."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from cli.signing import Draft, Sender
from cli.signing.macs import base64_text, standard_webhooks
from cli.signing.tokens import jwt_hs256, url_base64
from hub.errors import (
    BadSignature,
    ForeignSender,
    MalformedHeader,
    MissingHeader,
    NoSecret,
    NotStated,
    RepeatedHeader,
    StaleDelivery,
)
from hub.schemes import scheme
from hub.webhook_spec import Signature
from tests.edge.schemes.requests import AT, delivery, expected, public_pem
from tests.provider import rsa_key

CREDENTIAL = Signature("static_credential", "X-N8N-Token", covers="nothing")


def check(*secrets: str, header: str = "Authorization", value: str | list[str] = "", **states: Any) -> int:
    headers: dict[str, Any] = {header.replace("-", "_"): value}
    return scheme("static_credential")(delivery(**headers), CREDENTIAL, expected(*(secrets or ("s",)), **states))


def bearer(token: str, *secrets: str, **states: str) -> int:
    return check(*secrets, value=f"Bearer {token}", mode="jwt", **states)


def token(head: Any, claims: Any, proof: bytes = b"") -> str:
    return f"{signed_part(head, claims)}.{url_base64(proof)}"


def signed_part(head: Any, claims: Any) -> str:
    return ".".join(url_base64(json.dumps(each).encode()) for each in (head, claims))


def rs256(claims: Any, number: int = 0, **head: Any) -> str:
    text = signed_part({"alg": "RS256"} | head, claims)
    return f"{text}.{url_base64(rsa_key(number).sign(text.encode(), PKCS1v15(), SHA256()))}"


def hs256(claims: Any, key: bytes, **head: Any) -> str:
    text = signed_part({"alg": "HS256"} | head, claims)
    return f"{text}.{url_base64(hmac.digest(key, text.encode(), hashlib.sha256))}"


def test_a_header_holds_a_live_secret() -> None:
    assert check(header="X-N8N-Token", value="s") == 0
    assert scheme("static_credential")(delivery(X_Mine="s"), CREDENTIAL, expected("n", "s", header="X-Mine")) == 1
    assert check("sécret", header="X-N8N-Token", value="sécret") == 0

    for wrong in ("S", "s,s", "\ud800", "", ["s", "s"]):
        with pytest.raises((BadSignature, MissingHeader, RepeatedHeader)):
            check(header="X-N8N-Token", value=wrong)
    with pytest.raises(NoSecret):
        check("", header="X-N8N-Token", value="s")
    with pytest.raises(NotStated):
        check(value="s", mode="none")


def typed(secret: str, *others: str, value: str) -> int:
    return scheme("static_credential")(
        delivery(Authorization=value), CREDENTIAL, expected(secret, *others, header="Authorization")
    )


def test_what_stands_in_authorization_may_be_stored_as_it_was_typed() -> None:
    basic = "Basic " + base64_text(b"u:p")
    assert typed("n", "u:p", value=basic) == 1
    assert typed(basic, value=basic.replace("Basic", "basic")) == 0
    assert typed("n", "token", value="Bearer token") == 1
    assert typed("Bearer token", value="bearer token") == 0
    assert typed("token", value="token") == 0

    for secret, wrong in (
        ("u:p", "Bearer u:p"),
        ("token", "Basic token"),
        ("p", basic),
        ("", "Bearer "),
        ("", "Bearer x"),
    ):
        with pytest.raises((BadSignature, NoSecret)):
            typed(secret, value=wrong)
    with pytest.raises(BadSignature):
        check("token", header="X-N8N-Token", value="Bearer token")


def test_a_token_is_for_the_audience_and_of_the_issuer_that_are_stated() -> None:
    for claims in ({"aud": "hub", "iss": "n8n"}, {"aud": ["else", "hub"], "iss": "n8n"}):
        assert bearer(jwt_hs256(claims, "s"), audience="hub", issuer="n8n") == 0
    wrongs: list[dict[str, Any]] = [
        {},
        {"aud": "hub"},
        {"iss": "n8n"},
        {"aud": [["hub"], None], "iss": "n8n"},
        {"aud": {"hub": 1}},
    ]
    for wrong in wrongs:
        with pytest.raises(ForeignSender):
            bearer(jwt_hs256(wrong, "s"), audience="hub", issuer="n8n")
    with pytest.raises(NotStated):
        bearer(jwt_hs256({}, "s"), algorithm="HS512")


def test_a_user_and_password() -> None:
    value = "Basic " + base64_text("ü:pass:word".encode())
    for given in (value, value.replace("Basic", "basic")):
        assert check("ü:pass:word", value=given, mode="basic") == 0
    assert check("other", "pass:word", value=value, mode="basic", user="ü") == 1

    for wrong in ("Basic", "Basic *", "Basic " + base64_text(b"\xff\xfe"), f"Basic {value[6:]} x", "Bearer x"):
        with pytest.raises((BadSignature, MalformedHeader)):
            check("ü:pass:word", value=wrong, mode="basic")
    empties: list[dict[str, str]] = [{}, {"user": "u"}]
    for empty in empties:
        with pytest.raises(NoSecret):
            check("", value="Basic " + base64_text(b"u:"), mode="basic", **empty)


def test_a_token_is_signed_by_the_algorithm_that_its_secret_is_for() -> None:
    public = public_pem(rsa_key(0))
    assert bearer(jwt_hs256({}, "s")) == 0
    assert bearer(jwt_hs256({}, "s"), "new", "s", algorithm="HS256") == 1
    assert bearer(rs256({}), public) == 0
    assert bearer(rs256({}), "s", public, algorithm="RS256") == 1

    for wrong in (
        token({"alg": "none"}, {}),
        token({"alg": "None"}, {}),
        token({}, {}),
        token({"alg": None}, {}),
        token({"alg": ["HS256"]}, {}),
        hs256({}, public.encode()),  # the public key as a passphrase
        hs256({}, public.encode(), alg="RS256"),
        hs256({}, b"s", alg="HS512"),
        hs256({}, b""),
        rs256({}, number=1),
        rs256({}, alg="HS256"),
    ):
        for secrets in ((public,), (public, ""), ("other", public)):
            with pytest.raises(BadSignature):
                bearer(wrong, *secrets)
    with pytest.raises(BadSignature):
        bearer(jwt_hs256({}, "s"), "s", algorithm="RS256")
    with pytest.raises(BadSignature):
        bearer(rs256({}), public, algorithm="HS256")
    with pytest.raises(NoSecret):
        bearer(hs256({}, b""), "")


def test_a_tokens_times_count() -> None:
    for good in ({"exp": AT + 1}, {"nbf": AT}, {"exp": AT + 0.5, "nbf": 0}, {"exp": None}):
        assert bearer(jwt_hs256(good, "s")) == 0
    for stale in ({"exp": AT}, {"exp": 0}, {"nbf": AT + 1}):
        with pytest.raises(StaleDelivery):
            bearer(jwt_hs256(stale, "s"))
    wrongs: list[Any] = ["soon", True, [], float("nan"), float("inf"), 10**400, -1]
    for wrong in wrongs:
        with pytest.raises(MalformedHeader):
            bearer(jwt_hs256({"exp": wrong}, "s"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "..",
        "a.b.c",
        "ü.ü.ü",
        f"{url_base64(b'[]')}.{url_base64(b'{}')}.AAAA",
        f"{url_base64(b'{}')}.{url_base64(b'1')}.AAAA",
        jwt_hs256({}, "s") + "=",
        jwt_hs256({}, "s").replace(".", ". "),
        hs256({}, b"s", crit=["exp"]),
        f"{url_base64(b'[' * 100_000)}.{url_base64(b'{}')}.AAAA",
    ],
)
def test_a_token_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedHeader):
        bearer(text)


# --- GitLab -----------------------------------------------------------------------------------------------------------

GITLAB = Signature("gitlab", "X-Gitlab-Token", covers="nothing")
SIGNING = "whsec_" + base64_text(b"0123456789abcdef0123456789abcdef")


def check_gitlab(*secrets: str, token: str = "", signed_by: str = "", now: float = AT) -> int:
    draft = Draft("POST", "", {"X-Gitlab-Token": token} if token else {}, b"{}")
    if signed_by:
        draft = standard_webhooks(draft, GITLAB, Sender(signed_by, AT))
    headers: dict[str, Any] = {name.replace("-", "_"): value for name, value in draft.headers.items()}
    return scheme("gitlab")(delivery(b"{}", **headers), GITLAB, expected(*secrets, now=now))


def test_the_secret_says_whether_gitlab_signs() -> None:
    assert check_gitlab("plain", token="plain") == 0
    assert check_gitlab("new", "plain", token="plain") == 1
    assert check_gitlab(SIGNING, signed_by=SIGNING) == 0
    assert check_gitlab(SIGNING, signed_by=SIGNING, token="anything") == 0
    assert check_gitlab("plain", SIGNING, signed_by=SIGNING) == 1


def test_a_secret_token_does_not_go_round_a_signing_token() -> None:
    for secrets in ((SIGNING, "plain"), ("plain", SIGNING)):
        with pytest.raises(MissingHeader):
            check_gitlab(*secrets, token="plain")
    with pytest.raises(MissingHeader):
        check_gitlab(SIGNING, token=SIGNING)
    with pytest.raises(MissingHeader):
        check_gitlab("plain", signed_by=SIGNING)


def test_a_signing_token_has_the_window_of_standard_webhooks() -> None:
    for now in (AT + 300, AT - 300):
        assert check_gitlab(SIGNING, signed_by=SIGNING, now=now) == 0
    for now in (AT + 301, AT - 301):
        with pytest.raises(StaleDelivery):
            check_gitlab(SIGNING, signed_by=SIGNING, now=now)


def test_a_token_stands_behind_its_prefix() -> None:
    signature = Signature("static_token", "X-Token", prefix="Token ")

    assert scheme("static_token")(delivery(X_Token="Token s"), signature, expected("s")) == 0
    with pytest.raises(MalformedHeader):
        scheme("static_token")(delivery(X_Token="s"), signature, expected("s"))


# --- in-house senders -------------------------------------------------------------------------------------------------

GENERIC = Signature("generic_hmac", "X-Signature-256", prefix="sha256=")


def check_generic(name: str, value: str, key_text: str = "s", body: bytes = b"\x00\xff", **states: Any) -> int:
    sent = delivery(body, **{name.replace("-", "_"): value})
    return scheme("generic_hmac")(sent, GENERIC, expected(key_text, **states))


def digest(algorithm: str = "sha256", key: bytes = b"s", body: bytes = b"\x00\xff") -> bytes:
    return hmac.digest(key, body, algorithm)


def test_the_integration_states_the_profile() -> None:
    assert check_generic("X-Signature-256", f"sha256={digest().hex()}") == 0
    assert check_generic("X-Signature-256", f"sha256={digest(body=b'').hex()}", body=b"") == 0
    assert check_generic("X-Mine", digest().hex(), header="X-Mine", prefix="") == 0
    assert (
        check_generic(
            "X-Signature-256", base64_text(digest("sha512")), prefix="", encoding="base64", algorithm="sha512"
        )
        == 0
    )
    assert check_generic("X-Signature-256", f"sha256={digest(key=b'0').hex()}", key_text="30", key="hex") == 0
    assert check_generic("X-A", digest("sha384").hex(), header="X-A", prefix="", algorithm="SHA384") == 0


def test_base64_for_urls_has_one_spelling_but_for_its_padding() -> None:
    profile = {"header": "X-A", "prefix": "", "encoding": "base64url"}
    body = next(each for number in range(1_000) if "-" in url_base64(digest(body=(each := str(number).encode()))))
    text = url_base64(digest(body=body))
    for good in (text, text + "="):
        assert check_generic("X-A", good, body=body, **profile) == 0
    for wrong in (text + "==", text[:-1], text.replace("-", "+"), text + " x", "=", "é" * 43):
        with pytest.raises((MalformedHeader, MissingHeader)):
            check_generic("X-A", wrong, body=body, **profile)


def test_nothing_of_the_profile_is_taken_from_the_delivery() -> None:
    for header, value in (
        ("X-Signature-256", f"sha1={digest('sha1').hex()}"),
        ("X-Signature-256", f"sha256={digest('sha1').hex()}"),
        ("X-Signature-256", f"sha512={digest('sha512').hex()}"),
        ("X-Signature-256", digest().hex()),
        ("X-Signature-256", f"sha256={digest().hex().upper()}"),
        ("X-Signature-256", f"SHA256={digest().hex()}"),
        ("X-Signature-256", f"sha256={base64_text(digest())}"),
    ):
        with pytest.raises(MalformedHeader):
            check_generic(header, value)
    with pytest.raises(MissingHeader):
        check_generic("X-Hub-Signature-256", f"sha256={digest().hex()}")


@pytest.mark.parametrize(
    "profile",
    [
        {"algorithm": "md5"},
        {"algorithm": "none"},
        {"algorithm": ""},
        {"encoding": "utf-8"},
        {"key": "rot13"},
        {"header": ""},
    ],
)
def test_a_profile_that_cannot_be_accepts_nothing(profile: dict[str, Any]) -> None:
    with pytest.raises(NotStated):
        check_generic("X-Signature-256", f"sha256={digest().hex()}", **profile)
