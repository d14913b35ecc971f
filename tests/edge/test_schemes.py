"""What all schemes are made of: keys, digests, tokens and times, each refused for its own reason."""

import ast
import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub.schemes
from hub.deliveries import Delivery, Expected
from hub.errors import BadSignature, MalformedHeader, MissingHeader, NoSecret, NotStated, RepeatedHeader, StaleDelivery
from hub.schemes import body_hmac, decoded, live_keys, matching, same, scheme, scheme_names, unix_time
from hub.webhook_spec import Signature
from tests.fakes import FakeFetch
from tests.signing import base64_hmac

FOLDER = Path(hub.schemes.__file__).parent
SIGNATURE = Signature("body_hmac", "X-Signature", encoding="base64")


def expected(
    *secrets: str, now: float = 1_000.0, tolerance: float | None = None, public_url: str = "", **states: str | list[str]
) -> Expected:
    return Expected(secrets, now, tolerance, public_url, states, FakeFetch())


def signed(body: bytes, *signatures: str, **headers: str) -> Delivery:
    others = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return Delivery("POST", {"x-signature": signatures, **others}, body)


# --- every scheme -----------------------------------------------------------------------------------------------------


def test_every_scheme_is_a_module_with_one_function() -> None:
    assert "body_hmac" in scheme_names()
    for name in scheme_names():
        assert callable(scheme(name))


def comparisons(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The two sides of each `==`, `!=`, `in` and `not in` that are neither constants, nor lengths, nor the manifest's."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Compare) and any(
            isinstance(each, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for each in node.ops
        ):
            sides = [node.left, *node.comparators]
            if not any(public(side) for side in sides):
                yield node.lineno, [ast.unparse(side) for side in sides]


def public(side: ast.expr) -> bool:
    text = ast.unparse(side)
    return (
        isinstance(side, ast.Constant | ast.Tuple | ast.Set)
        or (isinstance(side, ast.Name) and side.id.isupper())
        or text.startswith(("len(", "signature."))
    )


PRIVATE = re.compile(r"secret|digest|token|passw|signature|mac\b|hmac|proof|credential|client_state", re.IGNORECASE)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_secrets_are_compared_in_constant_time_on_bytes(path: Path) -> None:
    """`==` on a digest tells its sender, byte by byte, how near it came."""
    wrong = [
        f"{path.name}:{line}: {' and '.join(sides)}"
        for line, sides in comparisons(path)
        if any(PRIVATE.search(side) for side in sides)
    ]

    assert not wrong


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_compare_digest_gets_bytes_alone(path: Path) -> None:
    """It raises TypeError on text that is not ASCII: what it is given is a digest, or was encoded on the spot."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("compare_digest"):
            assert any(text in ast.unparse(side) for side in node.args for text in ("digest", ".encode(")), (
                f"{path.name}:{node.lineno}"
            )


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_secrets_text_becomes_the_key_that_the_provider_means() -> None:
    assert live_keys(expected("ü", "x")) == ["ü".encode(), b"x"]
    assert live_keys(expected("c3VwZXI="), "base64") == [b"super"]
    assert live_keys(expected("0aFF"), "hex") == [b"\x0a\xff"]


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_no_secret_is_no_key(secrets: tuple[str, ...]) -> None:
    for encoding in ("utf-8", "base64", "hex"):
        with pytest.raises(NoSecret):
            live_keys(expected(*secrets), encoding)


@pytest.mark.parametrize(
    ("secret", "encoding"), [("%", "base64"), ("abc", "base64"), ("xy", "hex"), ("ü", "base64"), (" ", "hex")]
)
def test_a_secret_of_another_form_is_as_good_as_absent(secret: str, encoding: str) -> None:
    with pytest.raises(NoSecret):
        live_keys(expected(secret), encoding)


def test_an_unusable_secret_keeps_its_place_and_matches_nothing() -> None:
    keys = live_keys(expected("%", "c3VwZXI="), "base64")
    of = [hmac.digest(key, b"m", "sha256") for key in (b"", b"super")]

    assert matching(keys, "sha256", b"m", [of[1]]) == 1
    with pytest.raises(BadSignature):
        matching(keys, "sha256", b"m", [of[0]])


def test_any_of_the_signatures_under_any_of_the_keys_counts() -> None:
    digest = hmac.digest(b"old", b"m", "sha256")

    assert matching([b"new", b"old"], "sha256", b"m", [b"x", digest]) == 1
    assert matching([b"old", b"new"], "sha256", b"m", [digest]) == 0
    with pytest.raises(BadSignature):
        matching([b"new", b"old"], "sha256", b"m", [])


# --- tokens -----------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(), min_size=1), st.text(st.characters(), min_size=1))
def test_a_token_is_the_same_or_refused(wanted: str, given_: str) -> None:
    assert same(wanted, ["", "other" + wanted, wanted]) == 2
    if given_ != wanted:
        with pytest.raises(BadSignature):
            same(given_, [wanted])


@pytest.mark.parametrize("wanted", [[], [""], ["", ""]])
def test_an_empty_token_is_none(wanted: list[str]) -> None:
    with pytest.raises(NoSecret):
        same("", wanted)
    with pytest.raises(BadSignature):
        same("", [*wanted, "live"])


# --- digests and times as text ----------------------------------------------------------------------------------------

DIGEST = hashlib.sha256(b"x").digest()


def test_a_digest_has_one_way_to_be_written() -> None:
    assert decoded(DIGEST.hex(), "hex", "X") == DIGEST
    assert decoded(base64.b64encode(DIGEST).decode(), "base64", "X") == DIGEST


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (DIGEST.hex().upper(), "hex"),
        (DIGEST.hex()[:-1], "hex"),
        (DIGEST.hex() + "00", "hex"),
        (" ".join(DIGEST.hex()), "hex"),
        ("٣" * 64, "hex"),
        ("", "hex"),
        ("0x" + DIGEST.hex()[2:], "hex"),
        (base64.b64encode(DIGEST).decode().rstrip("="), "base64"),
        (base64.urlsafe_b64encode(b"\xff" * 32).decode(), "base64"),
        (base64.b64encode(DIGEST).decode()[:-2] + "B=", "base64"),  # bits that nobody reads
        (base64.b64encode(DIGEST).decode() + "\n", "base64"),
        (base64.b64encode(DIGEST[:16]).decode(), "base64"),
        (DIGEST.hex(), "base64"),
        (base64.b64encode(DIGEST).decode(), "hex"),
        ("é", "base64"),
        ("\ud800", "base64"),
    ],
    ids=ascii,
)
def test_what_is_no_digest_is_refused(text: str, encoding: str) -> None:
    with pytest.raises(MalformedHeader):
        decoded(text, encoding, "X-Signature")


@pytest.mark.parametrize("text", ["", " 1", "1 ", "+1", "-1", "1.0", "1e9", "٣", "1_0", "9" * 16, "0x1", "nan", "²"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(MalformedHeader):
        unix_time(text, "X-Time")


# --- the window -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signed_at", "future_too", "told"),
    [
        (700.0, True, ""),
        (699.0, True, "timestamp 301 s old, window 300 s"),
        (588.0, False, "timestamp 412 s old, window 300 s"),
        (1_300.0, True, ""),
        (1_301.0, True, "timestamp 301 s in the future, window 300 s"),
        (99_999.0, False, ""),
    ],
)
def test_the_edge_of_the_window_is_inside(signed_at: float, future_too: bool, told: str) -> None:
    held = expected("x", tolerance=300)

    if not told:
        held.check_age(signed_at, future_too=future_too)
        return
    with pytest.raises(StaleDelivery, match=told):
        held.check_age(signed_at, future_too=future_too)


def test_where_no_time_is_signed_there_is_no_window() -> None:
    expected("x").check_age(0, future_too=True)


# --- what an integration states ---------------------------------------------------------------------------------------


def test_what_is_not_stated_allows_nothing() -> None:
    held = expected("x", audience="", topics=[], empty=[""], one="a", several=["a", "", "b"])

    for name in ("absent", "audience", "topics", "empty"):
        with pytest.raises(NotStated):
            held.stated_list(name)
    for name in ("absent", "audience", "several"):
        with pytest.raises(NotStated):
            held.stated(name)
    assert held.stated("one") == "a"
    assert held.stated_list("one") == ["a"]
    assert held.stated_list("several") == ["a", "b"]


def test_the_signed_url_is_the_configured_one_with_the_query_that_came() -> None:
    came = Delivery("POST", {"host": ["evil.example"]}, b"", "b=2&a=%2F")

    assert expected("x", public_url="https://h.example/in").signed_url(came) == "https://h.example/in?b=2&a=%2F"
    assert expected("x", public_url="https://h.example/in?x=1").signed_url(came) == "https://h.example/in?b=2&a=%2F"
    with pytest.raises(NotStated):
        expected("x").signed_url(came)


# --- HMAC over the body -----------------------------------------------------------------------------------------------


@given(st.binary(), st.text(min_size=1))
def test_what_the_provider_signs_is_accepted(body: bytes, secret: str) -> None:
    assert body_hmac.verify(signed(body, base64_hmac(body, secret)), SIGNATURE, expected(secret)) == 0


@given(st.binary(), st.binary(), st.text(min_size=1))
def test_a_signature_of_other_bytes_is_refused(body: bytes, other: bytes, secret: str) -> None:
    if body == other:
        return
    with pytest.raises(BadSignature):
        body_hmac.verify(signed(body, base64_hmac(other, secret)), SIGNATURE, expected(secret))


def test_a_signature_that_came_twice_is_refused() -> None:
    signature = base64_hmac(b"{}", "live")

    with pytest.raises(RepeatedHeader):
        body_hmac.verify(signed(b"{}", signature, signature), SIGNATURE, expected("live"))


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_a_blank_signature_is_none(value: str) -> None:
    with pytest.raises(MissingHeader):
        body_hmac.verify(signed(b"{}", value), SIGNATURE, expected("live"))


def test_a_prefix_is_needed() -> None:
    prefixed = Signature("body_hmac", "X-Signature", prefix="sha256=")
    mac = hmac.digest(b"live", b"{}", "sha256").hex()

    body_hmac.verify(signed(b"{}", f"sha256={mac}"), prefixed, expected("live"))
    for other in (mac, f"sha1={mac}", f"SHA256={mac}", f"sha256={mac.upper()}", f"sha256= {mac}", "sha256="):
        with pytest.raises(MalformedHeader):
            body_hmac.verify(signed(b"{}", other), prefixed, expected("live"))


def test_every_part_that_a_manifest_may_name_is_signed() -> None:
    whole = Signature(
        "body_hmac",
        "X-Signature",
        signed="{method}|{url}|{id}|{timestamp}|{body}|x",
        timestamp_header="X-Time",
        timestamp_unit="milliseconds",
        id_header="X-Id",
    )
    message = b"POST|https://h.example/in|n-1|1000000|{body}|x"
    mac = hmac.digest(b"live", message, "sha256").hex()
    sent = signed(b"{body}", mac, x_time="1000000", x_id="n-1")

    assert body_hmac.verify(sent, whole, expected("live", tolerance=0, public_url="https://h.example/in")) == 0


def test_a_stale_one_is_told_as_such_only_if_it_is_genuine() -> None:
    timed = Signature("body_hmac", "X-Signature", signed="{timestamp}.{body}", timestamp_header="X-Time")
    mac = hmac.digest(b"live", b"588.{}", "sha256").hex()

    with pytest.raises(StaleDelivery):
        body_hmac.verify(signed(b"{}", mac, x_time="588"), timed, expected("live", tolerance=300))
    with pytest.raises(BadSignature):
        body_hmac.verify(signed(b"{}", mac, x_time="589"), timed, expected("live", tolerance=300))
    with pytest.raises(MissingHeader):
        body_hmac.verify(signed(b"{}", mac), timed, expected("live", tolerance=300))


def test_errors_bear_neither_secret_nor_signature() -> None:
    signature = base64_hmac(b"{}", "guessed")

    with pytest.raises(BadSignature) as refused:
        body_hmac.verify(signed(b"{}", signature), SIGNATURE, expected("the-live-secret"))

    assert "the-live-secret" not in str(refused.value)
    assert signature not in str(refused.value)


# --- headers and queries ----------------------------------------------------------------------------------------------


def test_header_names_are_compared_without_case() -> None:
    delivery = Delivery("POST", {"x-a": ["1"]}, b"")

    assert delivery.header("X-A") == "1"
    assert delivery.optional_header("X-a") == "1"
    assert delivery.optional_header("X-B") == ""
    assert delivery.has_header("x-A")


def test_of_several_names_the_first_that_came_counts() -> None:
    old, both = Delivery("POST", {"x-a": ["1"]}, b""), Delivery("POST", {"x-a": ["1"], "a": ["2"]}, b"")

    assert (old.header("A, X-A"), both.header("A, X-A"), both.header("X-A, A")) == ("1", "2", "1")
    assert not old.has_header("A, B")
    with pytest.raises(MissingHeader):
        old.header("A, B")
    with pytest.raises(RepeatedHeader):
        Delivery("POST", {"a": ["1", "2"]}, b"").header("A, X-A")


def test_a_query_value_counts_only_if_it_came_once() -> None:
    delivery = Delivery("POST", {}, b"", "a=1&b=2&b=2&c=&d=%C3%BC+%2B")

    assert [delivery.query_value(name) for name in "abcde"] == ["1", "", "", "ü +", ""]


@pytest.mark.parametrize("query", ["&".join(["a=1"] * 20_000), "%ff=%ff", "\ud800=1", "a" * 100_000, "=&=&="])
def test_a_hostile_query_has_no_value(query: str) -> None:
    assert Delivery("GET", {}, b"", query).query_value("hub.mode") == ""
