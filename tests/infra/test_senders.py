"""What an integration states of its senders fits its connector, or is told with its remedy."""

from typing import Any

import pytest

from hub.config import Integration
from hub.manifest import Manifest
from infra.senders import senders

PUSH = {
    "signature": {"scheme": "body_hmac", "header": "X-Signature", "tolerance_seconds": 300},
    "facts": {"account": "header:X-Account"},
    "addresses": ["203.0.113.0/24", "2001:db8::/32"],
}
STATED = {"audience": "https://hooks.example.com", "origins": ["a.example.com", "b.example.com"]}


def told(webhook: dict[str, Any] | None = None, **stated: Any) -> list[str]:
    """What is told of an integration that states this, of a connector that expects an audience and origins."""
    facts = Manifest.model_validate(
        {
            "name": "push",
            "title": "Push",
            "summary": "A push.",
            "tier": "bronze",
            "confirmed_by": "nothing but our own code",
            "secrets": {"webhook": "signs"},
            "expects": {
                "audience": "the URL that tokens are for",
                "origins": "the hosts that may ask",
                "prefix": "Optional: what stands before the signature",
            },
            "webhook": webhook or PUSH,
            "topic": [{"name": "thing"}],
        }
    )
    integration = Integration(connector="push", **({"expects": STATED} | stated))
    mistakes = senders(("here",), integration, facts)
    return [f"{'.'.join(map(str, place))}: {what}; {remedy}" for place, what, remedy in mistakes]


def test_what_fits_is_no_mistake() -> None:
    assert told(account="a", tolerance_seconds=60, token_header="X-Token", allowed_addresses=["published"]) == []
    assert told(allowed_addresses=["198.51.100.7", "2001:db8::/48", "published"]) == []


def test_everything_that_is_expected_must_be_stated() -> None:
    assert told(expects={}) == [
        "here.expects.audience: is missing, so that every delivery is refused; add it: the URL that tokens are for",
        "here.expects.origins: is missing, so that every delivery is refused; add it: the hosts that may ask",
    ]


def test_what_the_manifest_calls_optional_may_be_left_out_or_empty() -> None:
    assert told(expects=STATED | {"prefix": ""}) == []


@pytest.mark.parametrize("nothing", ["", [], ["a", ""]])
def test_and_not_with_nothing(nothing: str | list[str]) -> None:
    assert told(expects=STATED | {"audience": nothing}) == [
        "here.expects.audience: is empty, so that every delivery is refused; state the URL that tokens are for"
    ]


def test_nothing_else_is_expected() -> None:
    assert told(expects=STATED | {"audiences": "x"}) == [
        (
            "here.expects.audiences: Push holds deliveries against nothing of this name; "
            "remove it; Push expects: audience, origins, prefix"
        )
    ]


def test_an_account_can_only_be_bound_where_deliveries_name_one() -> None:
    assert told(PUSH | {"facts": {}}, account="a") == [
        "here.account: Push does not say which account a delivery comes from, so none can be bound; remove it"
    ]


def test_a_header_with_a_signed_time_gives_a_delivery_its_age() -> None:
    signature = {"scheme": "body_hmac", "header": "X-Signature", "timestamp_header": "X-Time"}

    assert told(PUSH | {"signature": signature}, tolerance_seconds=60) == []
