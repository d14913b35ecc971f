"""Secrets: read once, kept for a bounded time, and never shown."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from adapters.secrets import MAX_AGE_SECONDS, RENEW_AFTER_SECONDS, IntegrationSecrets
from hub.errors import SecretUnavailable
from tests.fakes import NOW

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Counted:
    """Secrets Manager with one secret, counting how often it is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reads = 0

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        self.reads += 1
        return {"SecretString": self.text}


def counted(**values: Any) -> tuple[Any, Clock, IntegrationSecrets]:
    client: Any = Counted(json.dumps(values))
    clock = Clock()
    return client, clock, IntegrationSecrets(client, "hub/test/shop-eu", clock, lambda: NOW)


def test_a_secret_is_read_from_secrets_manager(secretsmanager: "SecretsManagerClient", name: str) -> None:
    secretsmanager.create_secret(Name=name, SecretString='{"webhook": "live"}')

    assert IntegrationSecrets(secretsmanager, name, Clock(), lambda: NOW).live("webhook") == ("live",)


def test_during_a_rotation_the_previous_one_counts_too() -> None:
    _, _, secrets = counted(
        webhook="new", webhook_previous="old", webhook_previous_until="2026-01-01T12:00:01Z", api_key="other"
    )

    assert secrets.live("webhook") == ("new", "old")
    assert secrets.live("api_key") == ("other",)


@pytest.mark.parametrize("until", [None, "", "soon", "2026-01-01T12:00:00Z", "2026-01-01T12:00:00", 12])
def test_a_rotation_that_has_ended_or_never_says_when_is_over(until: Any) -> None:
    _, _, secrets = counted(webhook="new", webhook_previous="old", webhook_previous_until=until)

    assert secrets.live("webhook") == ("new",)


def test_refused_secrets_are_read_anew_once_and_not_at_a_strangers_pace() -> None:
    client, clock, secrets = counted(webhook="old")
    assert secrets.live("webhook") == ("old",)
    client.text = '{"webhook": "new"}'

    assert not secrets.renewed()  # read a moment ago
    clock.seconds += RENEW_AFTER_SECONDS
    assert secrets.renewed()
    assert not secrets.renewed()

    assert secrets.live("webhook") == ("new",)
    assert client.reads == 2


def test_without_a_secret_a_flood_reads_no_more_often_either() -> None:
    client, clock, secrets = counted()

    for _ in range(100):
        assert secrets.live("webhook") == ()
        clock.seconds += 0.5

    assert client.reads <= 1 + 50 / RENEW_AFTER_SECONDS


@pytest.mark.parametrize("values", [{}, {"webhook": ""}, {"webhook": None}, {"webhook": 12}, {"webhook": ["x"]}])
def test_a_secret_that_is_none_is_no_live_one(values: dict[str, Any]) -> None:
    _, _, secrets = counted(**values)

    assert secrets.live("webhook") == ()


def test_secrets_manager_is_asked_once_in_five_minutes() -> None:
    client, clock, secrets = counted(webhook="old")
    secrets.live("webhook")
    client.text = '{"webhook": "new"}'

    clock.seconds += MAX_AGE_SECONDS
    assert secrets.live("webhook") == ("old",)
    clock.seconds += 0.1
    assert secrets.live("webhook") == ("new",)
    assert client.reads == 2
    assert MAX_AGE_SECONDS == 300


def test_a_secret_counts_as_soon_as_it_is_stored() -> None:
    """Within seconds: strangers who know the URL must not make us ask Secrets Manager at their pace."""
    client, clock, secrets = counted()
    secrets.live("webhook")
    client.text = '{"webhook": "live"}'
    clock.seconds += RENEW_AFTER_SECONDS

    assert secrets.live("webhook") == ("live",)


def test_what_was_refused_is_read_again_at_once() -> None:
    client, _, secrets = counted(api_key="old")
    secrets.live("api_key")
    client.text = '{"api_key": "new"}'

    secrets.forget()

    assert secrets.live("api_key") == ("new",)


def test_a_missing_secret_is_our_trouble(secretsmanager: "SecretsManagerClient") -> None:
    with pytest.raises(SecretUnavailable, match="the secret hub/test/gone cannot be read: ResourceNotFoundException"):
        IntegrationSecrets(secretsmanager, "hub/test/gone", Clock(), lambda: NOW).live("webhook")


def test_no_answer_is_our_trouble_and_the_next_call_asks_again() -> None:
    client, _, secrets = counted(webhook="live")

    def silent(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://secretsmanager")

    answering, client.get_secret_value = client.get_secret_value, silent
    with pytest.raises(SecretUnavailable, match="EndpointConnectionError"):
        secrets.live("webhook")
    client.get_secret_value = answering

    assert secrets.live("webhook") == ("live",)


@pytest.mark.parametrize("text", ["", "live", '"live"', "[1]", "null"])
def test_a_secret_that_is_no_object_is_told_without_its_value(text: str) -> None:
    client: Any = Counted(text)

    with pytest.raises(SecretUnavailable, match="is not a JSON object; store it with `hub secrets set`") as told:
        IntegrationSecrets(client, "hub/test/shop-eu", Clock(), lambda: NOW).live("webhook")

    assert "live" not in str(told.value)


def test_values_are_not_shown() -> None:
    _, _, secrets = counted(webhook="the-live-secret")
    secrets.live("webhook")

    assert "the-live-secret" not in repr(secrets)
