"""How the hub signs in at a JSON API of which the configuration says how: for sources and destinations alike."""

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.connector import HttpClient, Reach
from hub.errors import Category, SecretUnavailable, Unavailable


class Auth(BaseModel):
    """How the hub signs in; the values are the integration's secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["none", "bearer", "header", "query", "basic", "oauth2"] = "none"
    name: str = Field(default="", description="The header or query parameter that bears the secret `token`.")
    token_url: str = Field(
        default="", description="Where oauth2 (client credentials) gets its token: a path or https://…."
    )
    scope: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.type in ("header", "query") and not self.name:
            raise ValueError(f"auth of type {self.type} needs name: the {self.type} that bears the token")
        if self.type == "oauth2" and not self.token_url.startswith(("/", "https://")):
            raise ValueError("auth of type oauth2 needs token_url: a path of the same system, or https://…")
        return self


class Signer:
    """The credentials of each request; `always` are headers that go with all of them."""

    def __init__(self, auth: Auth, always: Mapping[str, str], reach: Reach) -> None:
        self._auth, self._always, self._reach = auth, always, reach
        self._token, self._until = "", reach.now()

    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        headers = {"Accept": "application/json", **self._always}
        kind = self._auth.type
        if kind == "bearer":
            headers["Authorization"] = f"Bearer {self._secret('token')}"
        elif kind == "header":
            headers[self._auth.name] = self._secret("token")
        elif kind == "basic":
            pair = f"{self._secret('username')}:{self._secret('password')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        elif kind == "oauth2":
            headers["Authorization"] = f"Bearer {self._oauth()}"
        return headers

    def query(self) -> dict[str, str]:
        """The query parameters of each request."""
        return {self._auth.name: self._secret("token")} if self._auth.type == "query" else {}

    def forget(self) -> None:
        """Get a new token before the next request."""
        self._token = ""

    def _secret(self, name: str) -> str:
        values = self._reach.secret(name)
        if not values:
            raise SecretUnavailable(f"the secret {name} is not stored; run `hub secrets set`")
        return values[0]

    def _oauth(self) -> str:
        """A token by client credentials (RFC 6749, section 4.4), until a minute before it runs out."""
        if self._token and self._reach.now() < self._until:
            return self._token
        form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        fields = {
            "grant_type": "client_credentials",
            "client_id": self._secret("client_id"),
            "client_secret": self._secret("client_secret"),
        } | ({"scope": self._auth.scope} if self._auth.scope else {})
        client: HttpClient = self._reach.http(lambda: form)
        answer = client.send("POST", self._auth.token_url, body=urlencode(fields).encode())
        token, lasts = _granted(answer.body) if answer.status == 200 else ("", None)
        if not token:
            what = f"the token URL answered HTTP {answer.status} without an access_token"
            raise Unavailable(what, category=Category.AUTHENTICATION_FAILED)
        self._token = token
        self._until = self._reach.now() + timedelta(seconds=max((lasts or 300) - 60, 0))
        return token


def _granted(body: bytes) -> tuple[str, int | None]:
    """The token of an answer, "" where it holds none, and for how many seconds it lasts, if that is said."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "", None
    token = content.get("access_token") if isinstance(content, dict) else None
    lasts = content.get("expires_in") if isinstance(content, dict) else None
    return token if isinstance(token, str) else "", lasts if isinstance(lasts, int) else None
