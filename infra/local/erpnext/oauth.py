"""ERPNext as an OAuth 2 provider: authorize, get_token, introspect, revoke, as recorded (reusable refresh tokens included)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from infra.local.erpnext import documents
from infra.local.erpnext.errors import FrappeError, no_permission
from infra.local.erpnext.requests import Answer, Request, json_answer
from infra.local.erpnext.sessions import Sessions, bearer_token
from infra.local.erpnext.site import Hook, Transaction
from infra.local.erpnext.store import Doc

ACCESS_SECONDS = 3600
PREFIX = "/api/method/frappe.integrations.oauth2."
ROLES = [
    "Stock Manager", "Item Manager", "Stock User", "Accounts User", "Sales Master Manager", "Sales User", "System Manager",
    "Accounts Manager", "Purchase User", "Sales Manager", "Purchase Manager", "All", "Guest", "Desk User",
]  # fmt: skip


def respond(tx: Transaction, request: Request, sessions: Sessions) -> Answer | None:
    """The answer of login and of the OAuth endpoints; None for every other path."""
    path = request.path
    if path == "/api/method/login" and request.form.get("usr"):
        return _login(tx, request, sessions)
    if path == "/.well-known/openid-configuration":
        headers = [("X-Page-Name", ".well-known/openid-configuration"), ("X-From-Cache", "False")]
        headers += [
            ("Location", PREFIX + "openid_configuration"),
            ("Cache-Control", "no-store, no-cache, must-revalidate"),
        ]
        return Answer(301, b"", "text/html; charset=utf-8", headers)
    if not path.startswith(PREFIX):
        return None
    endpoint = path.removeprefix(PREFIX)
    if endpoint == "authorize":
        return _authorize(tx, request)
    if endpoint == "approve":
        return _approve(tx, request)
    if endpoint == "get_token":
        return _get_token(tx, request.form)
    if endpoint == "revoke_token":
        return _revoke(tx, request.form)
    if endpoint == "introspect_token":
        return json_answer(200, _introspect(tx, request.form))
    if endpoint == "openid_profile":
        return json_answer(200, profile(tx, tx.user))
    if endpoint == "openid_configuration":
        return json_answer(200, _configuration(tx))
    return None


def _login(tx: Transaction, request: Request, sessions: Sessions) -> Answer:
    user = tx.store.peek("User", request.form["usr"])
    if user is None or not user["password"] or user["password"] != request.form.get("pwd") or not user["enabled"]:
        raise FrappeError(
            "AuthenticationError", messages=[{"message": "Invalid login credentials", "title": "Message"}]
        )
    answer = json_answer(200, {"message": "Logged In", "home_page": "/app/home", "full_name": user["full_name"]})
    answer.session = (sessions.open(user["name"]), user["full_name"])
    return answer


def _redirect(location: str) -> Answer:
    shown = html.escape(location)
    page = (
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n"
        f'<p>You should be redirected automatically to the target URL: <a href="{shown}">{shown}</a>. If not, click the link.\n'
    )
    return Answer(302, page.encode(), "text/html; charset=utf-8", [("Location", location)])


def _client(tx: Transaction, client_id: Any) -> Doc:
    """The client, or what 15.105 answers for an unknown one: 403, not 400."""
    client = tx.store.peek("OAuth Client", client_id or "")
    if client is None:
        raise no_permission("Guest", "OAuth Client", shows_traceback=False)
    return client


def _authorize(tx: Transaction, request: Request) -> Answer:
    if tx.user == "Guest":
        return _redirect("/login?" + urlencode({"redirect-to": request.raw_path}))
    _client(tx, request.form.get("client_id"))
    return _redirect(f"{PREFIX}approve?{urlencode(request.form, quote_via=quote, safe='')}")


def _approve(tx: Transaction, request: Request) -> Answer:
    client = _client(tx, request.form.get("client_id"))
    code = tx.random_name(30)
    documents.insert(
        tx,
        {
            "doctype": "OAuth Authorization Code",
            "authorization_code": code,
            "client": client["name"],
            "user": tx.user,
            "scopes": request.form.get("scope") or client["scopes"],
            "redirect_uri_bound_to_authorization_code": request.form.get("redirect_uri"),
        },
    )
    query = urlencode({"code": code, **({"state": request.form["state"]} if "state" in request.form else {})})
    return _redirect(f"{request.form.get('redirect_uri') or client['default_redirect_uri']}?{query}")


def _get_token(tx: Transaction, form: dict[str, Any]) -> Answer:
    grant = form.get("grant_type")
    if grant == "client_credentials":
        return json_answer(400, {"error": "unauthorized_client"})
    client = _client(tx, form.get("client_id"))
    if grant == "authorization_code":
        code = tx.store.get("OAuth Authorization Code", form.get("code") or "")
        if code is None or code["validity"] != "Valid" or code["client"] != client["name"]:
            return json_answer(400, {"error": "invalid_grant"})
        documents.set_directly(tx, "OAuth Authorization Code", code["name"], {"validity": "Invalid"})
        return json_answer(200, _tokens(tx, client, code["user"], code["scopes"], with_id=True))
    if grant == "refresh_token":
        wanted = form.get("refresh_token")
        old = next((each for each in tx.store.all("OAuth Bearer Token") if each["refresh_token"] == wanted), None)
        if old is None:
            raise no_permission("Guest", "OAuth Bearer Token", shows_traceback=False)
        return json_answer(200, _tokens(tx, client, old["user"], old["scopes"], with_id=True))
    if grant == "password":
        user = tx.store.peek("User", form.get("username") or "")
        if user is None or not user["password"] or user["password"] != form.get("password"):
            return json_answer(400, {"error": "invalid_grant"})
        return json_answer(200, _tokens(tx, client, user["name"], form.get("scope") or client["scopes"], with_id=False))
    return json_answer(400, {"error": "unsupported_grant_type"})


def _tokens(tx: Transaction, client: Doc, user: str, scopes: str, *, with_id: bool) -> Doc:
    access, refresh = tx.random_name(30), tx.random_name(30)
    expires = tx.site.clock.now() + timedelta(seconds=ACCESS_SECONDS)
    values = {
        "doctype": "OAuth Bearer Token",
        "access_token": access,
        "refresh_token": refresh,
        "client": client["name"],
    }
    values.update(user=user, scopes=scopes, expires_in=ACCESS_SECONDS, expiration_time=tx.site.clock.stamp(expires))
    documents.insert(tx, values)
    body: Doc = {"access_token": access, "expires_in": ACCESS_SECONDS, "token_type": "Bearer", "scope": scopes}
    body["refresh_token"] = refresh
    if with_id and "openid" in scopes.split():
        body["id_token"] = _id_token(tx, client, user, access)
    return body


def _id_token(tx: Transaction, client: Doc, user: str, access_token: str) -> str:
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(tx.site.clock.now().timestamp())
    digest = hashlib.sha256(access_token.encode()).digest()
    claims = {"aud": client["name"], "iat": now, "at_hash": encoded(digest[:16]), "exp": now + ACCESS_SECONDS}
    claims.update(profile(tx, user))
    head = encoded(json.dumps({"alg": "HS256", "typ": "jwt"}, separators=(",", ":")).encode())
    payload = f"{head}.{encoded(json.dumps(claims, separators=(',', ':')).encode())}"
    signature = hmac.new(client["client_secret"].encode(), payload.encode(), hashlib.sha256).digest()
    return f"{payload}.{encoded(signature)}"


def profile(tx: Transaction, name: str) -> Doc:
    user = tx.store.peek("User", name) or {}
    subject = hashlib.sha256(name.encode()).hexdigest()[:39]
    values: Doc = {
        "sub": subject,
        "name": user.get("full_name"),
        "given_name": user.get("first_name"),
        "family_name": None,
    }
    return {**values, "email": name, "picture": None, "roles": ROLES, "iss": tx.site.url}


def _introspect(tx: Transaction, form: dict[str, Any]) -> Doc:
    """`exp` is off by the site's UTC offset, as recorded: do not rely on it."""
    token = bearer_token(tx.site, form.get("token") or "")
    if token is None:
        return {"active": False}
    now = tx.site.clock.now()
    local = now.astimezone(tx.site.clock.zone)
    offset = local.utcoffset() or timedelta()
    expires = int((now + timedelta(seconds=ACCESS_SECONDS) + offset).timestamp())
    values: Doc = {
        "client_id": token["client"],
        "trusted_client": 1,
        "active": True,
        "exp": expires,
        "scope": token["scopes"],
    }
    return {**values, **profile(tx, token["user"])}


def _revoke(tx: Transaction, form: dict[str, Any]) -> Answer:
    token = tx.store.holder("OAuth Bearer Token", "access_token", form.get("token") or "")
    if token is not None:
        documents.set_directly(tx, "OAuth Bearer Token", token["name"], {"status": "Revoked"})
    return json_answer(200, {})


def _configuration(tx: Transaction) -> Doc:
    endpoints = {
        "authorization": "authorize",
        "token": "get_token",
        "userinfo": "openid_profile",
        "revocation": "revoke_token",
    }
    values: Doc = {
        "issuer": tx.site.url,
        **{f"{name}_endpoint": tx.site.url + PREFIX + path for name, path in endpoints.items()},
    }
    values.update(introspection_endpoint=tx.site.url + PREFIX + "introspect_token", subject_types_supported=["public"])
    return {**values, "response_types_supported": ["code", "token"], "id_token_signing_alg_values_supported": ["HS256"]}


def name_client(tx: Transaction, doc: Doc) -> None:
    doc["client_secret"] = doc.get("client_secret") or tx.random_name()
    if not doc["allowed_roles"]:
        doc["allowed_roles"] = [{**dict.fromkeys(("name", "owner", "creation")), "role": "Desk User"}]


def finish_client(_tx: Transaction, doc: Doc) -> None:
    doc["client_id"] = doc["name"]


HOOKS: dict[str, dict[str, Hook]] = {"OAuth Client": {"before_naming": name_client, "validate": finish_client}}
