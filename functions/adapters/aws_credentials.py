"""The credentials of a Lambda: in its environment, or, where its snapshot was restored (SnapStart), from an address there."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from adapters.connection import Answer, Connection
from adapters.refusals import AwsRefused, AwsSilent
from adapters.sigv4 import Credentials

FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the variable's name
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - the variable's name
HOSTS = ("127.0.0.1", "localhost", "169.254.170.2", "169.254.170.23")  # those that may be asked without TLS
REFRESH_SECONDS = 900.0  # before their end new ones are wanted; botocore's own bounds
MUST_REFRESH_SECONDS = 600.0  # and needed
SECONDS = 1.0  # for an answer from the same machine


class NoCredentials(AwsSilent):
    """There are none, or they could not be fetched."""


class LambdaCredentials:
    """What to sign the next request with. The environment is read anew each time; fetched ones are kept until shortly
    before they end."""

    def __init__(self, environment: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        self._environment = environment
        self._now = now
        self._fetched: Credentials | None = None
        self._ends = 0.0  # Unix seconds

    def current(self) -> Credentials:
        """Raises NoCredentials."""
        here = self._environment
        if key := here.get("AWS_ACCESS_KEY_ID"):
            return Credentials(key, here.get("AWS_SECRET_ACCESS_KEY", ""), here.get("AWS_SESSION_TOKEN", ""))
        if not here.get(FULL_URI):
            raise NoCredentials("neither AWS_ACCESS_KEY_ID nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set")
        left = self._ends - self._now()
        if not self._fetched or left < REFRESH_SECONDS:
            try:
                self._fetch()
            except NoCredentials:
                if not self._fetched or left < MUST_REFRESH_SECONDS:
                    raise
        assert self._fetched  # noqa: S101 - else _fetch has raised
        return self._fetched

    def renewed(self) -> bool:
        """Forget what was fetched, since AWS calls it expired; says whether other credentials may come of it."""
        if self._environment.get("AWS_ACCESS_KEY_ID") or not self._fetched:
            return False
        self._fetched = None
        return True

    def _fetch(self) -> None:
        answer = self._asked(self._environment[FULL_URI])
        try:
            told = json.loads(answer.body)
            ends = datetime.fromisoformat(told["Expiration"]).timestamp()
            found = Credentials(told["AccessKeyId"], told["SecretAccessKey"], told.get("Token", ""))
        except (ValueError, KeyError, TypeError) as error:
            raise NoCredentials(f"{FULL_URI} answered {answer.status} without credentials") from error
        self._fetched, self._ends = found, ends

    def _asked(self, uri: str) -> Answer:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        if parts.scheme != "http" or host not in HOSTS:
            raise NoCredentials(f"{FULL_URI} names a host that credentials are not taken from")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {target or '/'} HTTP/1.1", f"Host: {parts.netloc}", "Accept: application/json"]
        if token := self._token():
            lines.append(f"Authorization: {token}")
        connection = Connection(host, parts.port or 80, (), SECONDS, SECONDS)
        try:
            return connection.exchange("\r\n".join([*lines, "", ""]).encode())
        except (AwsSilent, AwsRefused) as error:
            raise NoCredentials(f"{FULL_URI}: {type(error).__name__}") from error
        finally:
            connection.close()

    def _token(self) -> str:
        token = self._environment.get(TOKEN, "")
        if path := self._environment.get(TOKEN_FILE):
            try:
                with open(path, encoding="utf-8") as file:
                    token = file.read()
            except OSError as error:
                raise NoCredentials(f"{TOKEN_FILE} cannot be read") from error
        if "\r" in token or "\n" in token:
            raise NoCredentials("the authorization token has line breaks")
        return token
