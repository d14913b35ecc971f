"""`hub signature check` says what the webhook Lambda would say, why, and never a secret."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.edge.test_rules import (
    ADYEN,
    CASES,
    NOW,
    SHOP,
    TWILIO,
    H,
    b64,
    hubspot,
    mac,
    request,
    square,
    standard,
    stripe,
    timed,
    twilio,
)
from tests.edge.test_vectors import RECORDINGS

SECRET = "a-signing-secret-nobody-may-see"
JSON = b'{"b": "a/b", "a": "\\u00fc"}'
Check = Callable[[Any], Result]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def run(content: Any) -> Result:
        file = tmp_path / "recorded.json"
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return CliRunner().invoke(app, ["signature", "check", str(file)])

    return run


def lines(result: Result) -> list[dict[str, str]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_vector_gets_one_line_and_none_differs() -> None:
    file = RECORDINGS / "vectors.json"
    vectors = json.loads(file.read_text("utf-8"))["vectors"]

    result = CliRunner().invoke(app, ["signature", "check", str(file)])

    assert result.exit_code == 0, result.stderr
    told = lines(result)
    assert [(line["id"], line["result"]) for line in told] == [(each["id"], each["expect"]) for each in vectors]
    assert all(set(line) == {"id", "result", "reason"} and line["reason"] for line in told)
    for each in vectors:
        assert not [secret for secret in each["secrets"] if len(secret) > 3 and secret in result.output]


def test_a_result_that_differs_from_what_was_expected_fails(check: Check) -> None:
    good = stripe() | {"expect": "accept"}

    assert check([good, good]).exit_code == 0
    assert check([good, good | {"expect": "reject"}]).exit_code == 1
    assert check(stripe(NOW - 301)).exit_code == 0  # nothing was expected


def test_a_stale_one_is_told_with_its_age(check: Check) -> None:
    (line,) = lines(check(stripe(NOW - 412)))

    assert line == {"id": "1", "result": "reject", "reason": "StaleDelivery: timestamp 412 s old, window 300 s"}


def test_a_provider_that_sends_nothing_itself_is_known_by_its_scheme(check: Check) -> None:
    headers = {"X-Frappe-Webhook-Signature": b64(mac("s", b"{}"))}

    (line,) = lines(check(request("erpnext", b"{}", headers=headers) | {"scheme": "frappe"}))

    assert line["result"] == "accept"


def test_the_least_that_a_request_needs(check: Check) -> None:
    body = '{"id": "evt_1", "type": "invoice.paid", "note": "Größe"}'
    signed = hmac.digest(SECRET.encode(), f"{NOW}.{body}".encode(), hashlib.sha256).hex()
    content = {
        "provider": "stripe",
        "headers": {"Stripe-Signature": f"t={NOW},v1={signed}"},
        "body": body,
        "secrets": [SECRET],
    }

    assert lines(check(content | {"now": NOW}))[0]["result"] == "accept"
    assert "StaleDelivery" in lines(check(content))[0]["reason"]  # by this moment's clock


def test_a_request_as_the_lambda_got_it(check: Check) -> None:
    content = stripe(secret=SECRET)
    headers = {name.lower(): value for name, value in content["headers_list"]}
    event = {
        "headers": headers,
        "requestContext": {"http": {"method": "POST"}},
        "body": content["body_base64"],
        "isBase64Encoded": True,
    }

    result = check({"provider": "stripe", "lambda_event": event, "secrets": [SECRET], "now": NOW})

    assert lines(result)[0]["result"] == "accept"


# --- bad files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no JSON", "is not JSON; `hub signature check --help` shows what it must hold."),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "holds no requests: it must be one object, a list, or an object with `vectors`."),
        (b'"text"', "holds no requests"),
        (b"{}", "request 1: provider is missing."),
        (b"[1]", "request 1: it is not an object."),
        ([{"provider": "nobody"}], "request 1: there is no connector for provider 'nobody'."),
        ([{"provider": 1}], "request 1: "),
        (stripe() | {"id": "two", "expect": "maybe"}, "request two: expect is neither 'accept' nor 'reject'."),
        ([stripe() | {"secrets": "s"}], "request 1: secrets is not a list of texts."),
        ([stripe() | {"now": "soon"}], "request 1: could not convert string to float: 'soon'."),
        ([stripe() | {"now": 1e30}], "request 1: "),
        ([stripe() | {"body_base64": "%"}], "request 1: "),
        ([stripe() | {"headers_list": [["a"]]}], "request 1: "),
        ([stripe() | {"headers_list": [["a", 1]]}], "request 1: header a is not a text."),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_bad_file_is_told_in_one_sentence(check: Check, content: Any, told: str) -> None:
    result = check(content)

    assert result.exit_code == 1
    assert told in result.stderr
    assert not result.stdout
    assert "Traceback" not in result.output


def test_one_that_cannot_be_read_does_not_hide_the_others(check: Check) -> None:
    result = check([stripe(), {"id": "two", "provider": "nobody", "expect": "reject"}, stripe() | {"id": "three"}])

    assert result.exit_code == 1
    assert [(line["id"], line["result"]) for line in lines(result)] == [
        ("1", "accept"),
        ("two", "reject"),
        ("three", "accept"),
    ]
    assert lines(result)[1]["reason"] == "the request cannot be read: there is no connector for provider 'nobody'"


@pytest.mark.parametrize(
    ("secrets", "user"),
    [
        (["u:p"], {}),
        (["p"], {"user": "u"}),
        (["p"], {"username": "u"}),
        (["u:p"], {"username": "u"}),
        ([], {"username": "u", "password": "p"}),
    ],
)
@pytest.mark.parametrize("provider", ["n8n", "sap"])
def test_a_user_and_password_may_be_stated_together_or_apart(
    check: Check, provider: str, secrets: list[str], user: dict[str, str]
) -> None:
    content = request(provider, b"{}", headers={"Authorization": "Basic " + b64(b"u:p")}, secrets=secrets)

    result = check(content | {"config": {"mode": "basic"} | user})

    assert lines(result)[0]["result"] == "accept", result.output


def test_a_file_that_is_not_there_is_told() -> None:
    result = CliRunner().invoke(app, ["signature", "check", "/nowhere/recorded.json"])

    assert (result.exit_code, result.stderr) == (
        1,
        "/nowhere/recorded.json cannot be read: No such file or directory.\n",
    )


# --- what commonly goes wrong -----------------------------------------------------------------------------------------


def github(signed: bytes, came: bytes, secret: str = "s", **how: Any) -> dict[str, Any]:
    return request("github", came, headers={"X-Hub-Signature-256": "sha256=" + mac(secret, signed).hex()}, **how)


COMPACT = json.dumps(json.loads(JSON), separators=(",", ":")).encode()
PROXY = "a proxy or framework on the way changes the bytes"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (github(JSON, COMPACT), ("with the body re-encoded (with spaces, ASCII)", PROXY)),
        (github(COMPACT, JSON), ("with the body re-encoded (compact, ASCII)", PROXY)),
        (github(json.dumps(json.loads(JSON), sort_keys=True).encode(), JSON), ("keys sorted", PROXY)),
        (github(JSON.replace(b"/", b"\\/"), JSON), ("with escaped slashes", PROXY)),
        (github(JSON, JSON.replace(b"/", b"\\/")), ("with unescaped slashes", PROXY)),
        (github(b"{}\r\n", b"{}"), ("with CRLF at its end", PROXY)),
        (github(b"{}", b"{}\n"), ("without white space at its ends", PROXY)),
        (github(b"a\r\nb", b"a\nb"), ("with CRLF for line feeds", PROXY)),
        (github("ü".encode(), "ü".encode("latin-1")), ("decoded as Latin-1 and encoded as UTF-8", PROXY)),
        (github(b"\xff\x00", base64.b64encode(b"\xff\x00")), ("decoded from base64 once more", PROXY)),
        (github(b"{}", b"{}", secrets=["s\n"]), ("with the secret without the white space around it", "store it anew")),
        (github(b"{}", b"{}", secrets=['"s"']), ("with the secret without the quotes around it", "store it anew")),
        (request("github", headers={"X-Hub-Signature-256": "sha1=" + mac("s", b"{}", "sha1").hex()}, body=b"{}"), ("matches by sha1, which is not accepted",)),
        (request("github", headers={"X-Hub-Signature-256": mac("s", b"{}").hex()}, body=b"{}"), ("matches, but without its prefix 'sha256='",)),
        (request("razorpay", headers={"X-Razorpay-Signature": mac("s", b"{}").hex().upper()}, body=b"{}"), ("is written as hex in capitals",)),
        (request("razorpay", headers={"X-Razorpay-Signature": b64(mac("s", b"{}"))}, body=b"{}"), ("is written as base64",)),
        (request("shopify", b"{}", headers=SHOP | {"X-Shopify-Hmac-Sha256": mac("s", b"{}").hex()}), ("is written as hex",)),
        (request("xero", headers={"x-xero-signature": mac("s", b"{}").hex()}, body=b"{}"), ("is written as hex",)),
        (stripe(secret="abc", secrets=["whsec_YWJj"]), ("with the secret decoded from base64",)),
        (stripe(NOW - 301, secrets=["s "]), ("without the white space around it", "and the timestamp is outside the window")),
        (square(H + "/", H, H), (f"with public_url {H}/: configure it exactly as it is registered",)),
        (square("http://h.example/in", H, H), ("with public_url http://h.example/in",)),
        (square(H, H, H.replace("h.example", "h.example:443")), (f"with public_url {H}:",)),
        (hubspot(H, H + "?a=1"), ("matches without the query",)),
        (square("https://h.example/b", "https://h.example/b", "https://h.example/prod/b"), ("with public_url https://h.example/b",)),
        (timed("slack", value="v0={}") | {"body_base64": b64(b'{"id":"evt_1"}')}, ("no live secret yields this signature",)),
        (standard(secrets=[]), ("NoSecret", "the file states none under `secrets`")),
        (twilio(H + "a1", b"a=1", url=H, public_url=""), ("NotStated", "state it in the file under `config`")),
    ],
    ids=lambda value: value[0][:50] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_reason_teaches(check: Check, content: Any, told: tuple[str, ...]) -> None:
    (line,) = lines(check(content))

    assert line["result"] == "reject"
    for each in told:
        assert each in line["reason"]


def test_nothing_that_was_merely_forged_is_explained_away(check: Check) -> None:
    (line,) = lines(check(github(b'{"a":1}', b'{"a":2}')))

    assert line["reason"] == (
        "BadSignature: no live secret yields this signature: wrong secret, or the bytes were changed on the way"
    )


def test_reasons_bear_no_secret(check: Check) -> None:
    contents = [
        case[2] | {"secrets": [SECRET]} for cases in CASES.values() for case in cases if case[2]["secrets"] == ["s"]
    ]

    result = check(contents)

    assert len(lines(result)) == len(contents) > 100
    assert SECRET not in result.output


def test_a_token_that_a_reason_would_quote_is_left_out(check: Check) -> None:
    content = request("telegram", f'{{"update_id":1,"message":{{"chat":{{"id":"{SECRET}"}},"message_id":1}}}}'.encode())
    content |= {"headers_list": [["X-Telegram-Bot-Api-Secret-Token", SECRET]], "secrets": [SECRET]}

    result = check(content)

    assert lines(result)[0]["result"] == "accept"
    assert SECRET not in result.output


def test_the_rules_are_told_with_reasons(check: Check) -> None:
    content = [case[2] | {"id": case[0], "expect": case[1]} for case in (*TWILIO, *ADYEN)]

    result = check(content)

    assert result.exit_code == 0
    assert [line["id"] for line in lines(result)] == [each["id"] for each in content]
