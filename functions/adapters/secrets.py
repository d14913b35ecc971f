"""Secrets Manager: one JSON object of named secrets per integration, kept for a bounded time."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.refusals import aws_errors, reason
from hub.errors import SecretUnavailable
from hub.events import parse_instant

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from adapters.lean import SecretValues

MAX_AGE_SECONDS = 300.0  # a rotated secret is in use everywhere after this; one read per container and 5 minutes
RENEW_AFTER_SECONDS = 10.0  # they are read again at once where they were refused, but no more often than this


class IntegrationSecrets:
    """The secrets of one integration. Values never appear in messages or in repr."""

    def __init__(
        self,
        client: "SecretsManagerClient | SecretValues",
        secret_id: str,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._monotonic = monotonic
        self._now = now
        self._max_age_seconds = max_age_seconds
        self._values: dict[str, str] = {}
        self._read_at: float | None = None
        self._failed: tuple[float, str] | None = None  # when a read failed since, and why

    def live(self, name: str) -> tuple[str, ...]:
        """The values of a secret that count now: the current one, then the previous one while a rotation lasts.

        Empty where none is stored. Raises SecretUnavailable where Secrets Manager does not answer.
        """
        values = self._current()
        if not values.get(name) and self.renewed():  # it may have been stored a moment ago
            values = self._values
        return tuple(value for value in (values.get(name, ""), self._previous(values, name)) if value)

    def renewed(self) -> bool:
        """Read the secrets anew, unless that was done a moment ago; says whether they were. The bound keeps strangers
        from making us ask Secrets Manager at their pace."""
        age = self._age()
        if age is not None and age < RENEW_AFTER_SECONDS:
            return False
        if self._failed and self._monotonic() - self._failed[0] < RENEW_AFTER_SECONDS:
            raise SecretUnavailable(self._failed[1])
        self._load()
        return True

    def forget(self) -> None:
        """Read the secrets anew at the next use: the ones in hand were refused."""
        self._read_at = None

    def _previous(self, values: Mapping[str, str], name: str) -> str:
        """The value before a rotation, until the end that was stated for it; without an end it counts no longer."""
        try:
            until = parse_instant(values.get(f"{name}_previous_until", ""))
        except ValueError:
            return ""
        return values.get(f"{name}_previous", "") if self._now() < until else ""

    def _age(self) -> float | None:
        return None if self._read_at is None else self._monotonic() - self._read_at

    def _current(self) -> dict[str, str]:
        age = self._age()
        if age is None or age > self._max_age_seconds:
            self._load()
        return self._values

    def _load(self) -> None:
        try:
            self._values = self._read()
        except SecretUnavailable as error:
            self._failed = (self._monotonic(), str(error))
            raise
        self._read_at, self._failed = self._monotonic(), None

    def _read(self) -> dict[str, str]:
        try:
            text = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
        except aws_errors() as error:
            raise SecretUnavailable(f"the secret {self._secret_id} cannot be read: {reason(error)}") from error
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise SecretUnavailable(
                f"the secret {self._secret_id} is not a JSON object; store it with `hub secrets set`"
            )
        return {name: value for name, value in values.items() if isinstance(value, str)}
