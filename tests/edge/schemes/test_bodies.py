"""Proof that stands in the body: Adyen's items and Mailgun's tokens."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from cli.signing import Draft, Sender
from cli.signing.documents import adyen
from cli.signing.macs import base64_text
from hub.deliveries import Delivery
from hub.errors import BadSignature, MalformedBody, NoSecret, RepeatedHeader, StaleDelivery
from hub.schemes import mailgun, one_time_token, scheme
from hub.webhook_spec import Signature
from tests.edge.schemes.requests import AT, delivery, expected

ADYEN = Signature("adyen", "HmacSignature", encoding="base64", key="hex")
KEY, OTHER_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056", "AB" * 32


def item(**fields: Any) -> dict[str, Any]:
    whole = {"pspReference": "p", "merchantReference": "r", "eventCode": "CAPTURE", "success": "true"} | fields
    return {"NotificationRequestItem": {name: value for name, value in whole.items() if value is not None}}


def notification(*items: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    content = {"live": "false", "notificationItems": list(items)}
    signed = adyen(Draft("POST", "", {}, json.dumps(content).encode()), ADYEN, Sender(key, AT))
    found: dict[str, Any] = json.loads(signed.body)
    return found


def check_adyen(content: Any, *keys: str, **headers: Any) -> int:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return scheme("adyen")(delivery(body, **headers), ADYEN, expected(*(keys or (KEY,))))


def test_adyens_fields_are_signed_as_they_are() -> None:
    assert check_adyen(notification(item(merchantReference="a\\b:c"))) == 0
    assert check_adyen(notification(item(amount={"value": 1000, "currency": "EUR"}))) == 0
    assert check_adyen(notification(item(merchantReference=None, success=None))) == 0
    assert check_adyen(notification(item()), KEY.lower()) == 0

    escaped = notification(item(merchantReference="a\\\\b\\:c"))
    escaped["notificationItems"][0]["NotificationRequestItem"]["merchantReference"] = "a\\b:c"
    with pytest.raises(BadSignature):
        check_adyen(escaped)


def test_null_counts_as_missing_and_a_truth_as_json_writes_it() -> None:
    content = notification(item(originalReference="", success="true"))
    fields = content["notificationItems"][0]["NotificationRequestItem"]
    fields["originalReference"], fields["success"] = None, True

    assert check_adyen(content) == 0


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_item_is_verified(place: int) -> None:
    content = notification(item(), item(pspReference="q"), item(pspReference="s"))
    assert check_adyen(content) == 0

    content["notificationItems"][place]["NotificationRequestItem"]["eventCode"] = "REFUND"
    with pytest.raises(BadSignature):
        check_adyen(content)


def test_one_items_signature_vouches_for_no_other() -> None:
    content = notification(item(), item(pspReference="q"))
    items = content["notificationItems"]
    del items[1]["NotificationRequestItem"]["additionalData"]
    with pytest.raises(MalformedBody):
        check_adyen(content)

    items[1]["NotificationRequestItem"]["additionalData"] = items[0]["NotificationRequestItem"]["additionalData"]
    with pytest.raises(BadSignature):
        check_adyen(content)


def test_the_oldest_key_that_an_item_needs_is_told() -> None:
    new, old = notification(item()), notification(item(pspReference="q"), key=OTHER_KEY)

    assert check_adyen(new, KEY, OTHER_KEY) == 0
    assert check_adyen(old, KEY, OTHER_KEY) == 1
    assert check_adyen({"notificationItems": new["notificationItems"] + old["notificationItems"]}, KEY, OTHER_KEY) == 1


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        {"notificationItems": []},
        {"notificationItems": {}},
        {"notificationItems": [None]},
        {"notificationItems": [{"NotificationRequestItem": "text"}]},
        {"notificationItems": [{"NotificationRequestItem": {"additionalData": {"hmacSignature": 1}}}]},
        {"notificationItems": [{"NotificationRequestItem": {"additionalData": {"hmacSignature": "ü"}}}]},
        {"notificationItems": [item(pspReference=["p"], additionalData={"hmacSignature": "A" * 43 + "="})]},
        b"not JSON",
    ],
)
def test_a_body_without_signed_items_is_refused(content: Any) -> None:
    with pytest.raises(MalformedBody):
        check_adyen(content)


def test_a_header_covers_the_whole_body_and_is_not_gone_round_by_items() -> None:
    body = b'{"type": "balancePlatform.transfer.created"}'
    mac = base64_text(hmac.digest(bytes.fromhex(KEY), body, hashlib.sha256))
    assert check_adyen(body, HmacSignature=mac) == 0

    with pytest.raises(BadSignature):
        check_adyen(body + b" ", HmacSignature=mac)
    with pytest.raises(BadSignature):
        check_adyen(notification(item()), HmacSignature=mac)
    with pytest.raises(RepeatedHeader):
        check_adyen(body, HmacSignature=[mac, mac])


@pytest.mark.parametrize("key", ["", "not hex", "ABC"])
def test_a_key_that_is_not_hex_is_none(key: str) -> None:
    with pytest.raises(NoSecret):
        check_adyen(notification(item()), key)


# --- Mailgun ----------------------------------------------------------------------------------------------------------

MAILGUN = Signature("mailgun", tolerance_seconds=86_400, one_time_token=True, covers="nothing")
TOKEN = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
FORM = "application/x-www-form-urlencoded"


def proof(timestamp: str = str(AT), token: str = TOKEN, key: str = "key") -> dict[str, Any]:
    mac = hmac.digest(key.encode(), (timestamp + token).encode(), hashlib.sha256).hex()
    return {"timestamp": timestamp, "token": token, "signature": mac}


def check_mailgun(sent: Delivery, *keys: str, now: float = AT, tolerance: float = 86_400) -> int:
    return mailgun.verify(sent, MAILGUN, expected(*(keys or ("key",)), now=now, tolerance=tolerance))


def as_json(**content: Any) -> Delivery:
    return delivery(json.dumps({"event-data": {"id": "e"}} | content).encode(), Content_Type="application/json")


def multipart(*fields: tuple[str, str], boundary: str = "x-7") -> Delivery:
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    )
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="token"; filename="token"\r\n'
        "Content-Type: application/octet-stream\r\n\r\nforeign\r\n"
    )
    body = f"preamble\r\n{parts}{file}--{boundary}--\r\n".encode()
    return delivery(body, Content_Type=f'multipart/form-data; charset=utf-8; boundary="{boundary}"')


def test_mailgun_signs_timestamp_and_token_wherever_they_stand() -> None:
    assert check_mailgun(as_json(signature=proof())) == 0
    assert check_mailgun(as_json(signature=proof() | {"timestamp": AT})) == 0
    assert check_mailgun(delivery(urlencode(proof()).encode(), Content_Type=FORM)) == 0
    assert check_mailgun(multipart(*proof().items(), ("body-plain", "--x-7 in the text\r\n--x-8"))) == 0


def test_of_several_fields_of_one_name_the_last_counts() -> None:
    forged = {"timestamp": "1", "token": "forged", "signature": "00" * 32}

    assert check_mailgun(delivery(urlencode([*forged.items(), *proof().items()]).encode(), Content_Type=FORM)) == 0
    assert check_mailgun(multipart(*forged.items(), *proof().items())) == 0
    with pytest.raises(BadSignature):
        check_mailgun(delivery(urlencode([*proof().items(), *forged.items()]).encode(), Content_Type=FORM))


def test_the_key_of_the_account_above_counts_for_a_subaccount() -> None:
    both = {"signature": proof(key="subaccount", token="one"), "parent-signature": proof(key="parent", token="two")}

    for key, token in (("subaccount", "one"), ("parent", "two")):
        assert check_mailgun(as_json(**both), key) == 0
        assert one_time_token("mailgun")(as_json(**both), expected(key)) == token
    with pytest.raises(BadSignature):
        check_mailgun(as_json(**both), "another")


def test_the_token_that_counts_once_is_the_one_that_was_verified() -> None:
    """Else a stranger would write a fresh one beside it."""
    forged = {"signature": proof(key="no", token="fresh"), "parent-signature": proof(token="used")}

    assert one_time_token("mailgun")(as_json(**forged), expected("key")) == "used"


def test_digits_moved_between_timestamp_and_token_fall_out_of_the_window() -> None:
    genuine = proof(token="5" + TOKEN)
    later = genuine | {"timestamp": genuine["timestamp"] + "5", "token": TOKEN}
    earlier = genuine | {"timestamp": genuine["timestamp"][:-1], "token": genuine["timestamp"][-1] + genuine["token"]}

    for shifted in (later, earlier):
        with pytest.raises(StaleDelivery):
            check_mailgun(as_json(signature=shifted))


def test_the_window_has_two_sides() -> None:
    for now in (AT + 86_400, AT - 86_400):
        assert check_mailgun(as_json(signature=proof()), now=now) == 0
    for now in (AT + 86_401, AT - 86_401):
        with pytest.raises(StaleDelivery):
            check_mailgun(as_json(signature=proof()), now=now)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"timestamp": True},
        {"timestamp": None},
        {"timestamp": 1.5},
        {"timestamp": "٣"},
        {"timestamp": "9" * 5_000},
        {"token": ""},
        {"token": None},
        {"token": ["t"]},
        {"signature": None},
        {"signature": "ü" * 64},
        {"signature": "0" * 63},
        {"signature": "A" * 64},
    ],
)
def test_a_body_without_proof_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedBody):
        check_mailgun(as_json(signature=proof() | wrong if wrong else {}))


def test_a_body_that_is_nothing_is_refused() -> None:
    for body in (b"", b"\xff", b"[]", b"null", b'{"signature": []}', b"--x", b"a=1&" * 20_000):
        for content_type in ("application/json", FORM, "multipart/form-data; boundary=x", "multipart/form-data", ""):
            with pytest.raises(MalformedBody):
                check_mailgun(delivery(body, Content_Type=content_type))
