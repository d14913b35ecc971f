"""Who is calling: API token, Basic, Bearer, or the cookie of a password login."""

from __future__ import annotations

import base64
import binascii
import secrets

from infra.local.erpnext.errors import FrappeError
from infra.local.erpnext.requests import Request
from infra.local.erpnext.site import Site
from infra.local.erpnext.store import Doc


class Sessions:
    """Cookie sessions, kept in memory only: a restart logs everybody out."""

    def __init__(self) -> None:
        self._users: dict[str, str] = {}

    def open(self, user: str) -> str:
        sid = secrets.token_hex(28)
        self._users[sid] = user
        return sid

    def user(self, sid: str) -> str | None:
        return self._users.get(sid)


def user_of(site: Site, sessions: Sessions, request: Request) -> str:
    """The caller's user, Guest without credentials; AuthenticationError (401) for bad ones."""
    authorization = request.header("authorization")
    if not authorization:
        return _user_of_cookie(sessions, request.header("cookie"))
    scheme, _, credentials = authorization.partition(" ")
    scheme = scheme.lower()
    if scheme == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise FrappeError("AuthenticationError") from None
    if scheme in ("basic", "token"):
        key, colon, secret = credentials.strip().partition(":")
        if colon and key and secret:
            with site.lock:
                for user in site.store.all("User"):
                    if user["api_key"] == key and user["api_secret"] == secret and user["enabled"]:
                        return str(user["name"])
    if scheme == "bearer":
        with site.lock:
            token = bearer_token(site, credentials.strip())
        if token is not None:
            return str(token["user"])
    raise FrappeError("AuthenticationError")


def bearer_token(site: Site, access_token: str) -> Doc | None:
    """The OAuth Bearer Token that is still good, or None."""
    token = site.store.holder("OAuth Bearer Token", "access_token", access_token)
    if token is None or token["access_token"] != access_token or token["status"] != "Active":
        return None
    return token if token["expiration_time"] > site.clock.stamp() else None


def _user_of_cookie(sessions: Sessions, cookie: str) -> str:
    for part in cookie.split(";"):
        name, _, value = part.strip().partition("=")
        if name == "sid" and (user := sessions.user(value)):
            return user
    return "Guest"
