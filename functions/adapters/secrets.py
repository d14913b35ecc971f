"""Secrets Manager: one JSON object of named secrets per integration, kept for a bounded time."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from hub.errors import SecretUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE_SECONDS = 300.0  # a rotated secret is in use everywhere after this; one read per container and 5 minutes


class IntegrationSecrets:
    """The secrets of one integration. Values never appear in messages or in repr."""

    def __init__(
        self,
        client: "SecretsManagerClient",
        secret_id: str,
        monotonic: Callable[[], float],
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._monotonic = monotonic
        self._max_age_seconds = max_age_seconds
        self._values: dict[str, str] = {}
        self._read_at: float | None = None

    def live(self, name: str) -> tuple[str, ...]:
        """The values of a secret that count now: the current one, and the previous one while a rotation lasts.

        Empty where none is stored, which is not remembered: it counts as soon as it is stored. Raises
        SecretUnavailable where Secrets Manager does not answer.
        """
        values = self._current()
        live = tuple(value for value in (values.get(name, ""), values.get(f"{name}_previous", "")) if value)
        if not live:
            self.forget()
        return live

    def forget(self) -> None:
        """Read the secrets anew at the next use: the ones in hand were refused."""
        self._read_at = None

    def _current(self) -> dict[str, str]:
        now = self._monotonic()
        if self._read_at is None or now - self._read_at > self._max_age_seconds:
            self._values = self._read()
            self._read_at = now
        return self._values

    def _read(self) -> dict[str, str]:
        try:
            text = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
        except (BotoCoreError, ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            raise SecretUnavailable(f"the secret {self._secret_id} cannot be read: {code}") from error
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise SecretUnavailable(
                f"the secret {self._secret_id} is not a JSON object; store it with `hub secrets set`"
            )
        return {name: value for name, value in values.items() if isinstance(value, str)}
