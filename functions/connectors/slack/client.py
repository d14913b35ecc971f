"""Slack's Web API: one call per method, every answer turned into its content or one of the hub's errors.

Slack answers HTTP 200 with `"ok": false` and an `error` for nearly everything; what each means stands at
https://docs.slack.dev/reference/methods/chat.postMessage (errors).
"""

import json
from collections.abc import Mapping
from typing import Any

from hub.connector import Answer, HttpClient
from hub.errors import Category, HubError, NoAnswer, Refused, Severity, Temporary, Unavailable

SLOW_DOWN = {"ratelimited", "rate_limited"}  # of the method; of the app's messages
PASSING = {"request_timeout", "team_added_to_org"}  # the request did not arrive whole; the workspace is being moved
DOWN = {"service_unavailable", "org_login_required"}
# The token, or what it may do: no message passes until a person mends it
OUR_KEY = {
    *("account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked", "two_factor_setup_required"),
    *("accesslimited", "ekm_access_denied", "missing_scope"),
    *("not_allowed_token_type", "team_access_not_granted"),
}
PERHAPS_ROTATED = {"account_inactive", "invalid_auth", "token_expired", "token_revoked"}
PERHAPS_DONE = {"fatal_error", "internal_error"}  # "it's possible some aspect of the operation succeeded"


class SlackRefused(Refused):
    """Slack refuses the message for good. `error` is its own name for the reason."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error

    @property
    def code(self) -> str:
        """Slack's own name, so that equal causes group together."""
        return self.error


class Slack:
    """A workspace, over Slack's Web API."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a method answers; raises what its `error` means, NoAnswer where it may have been carried out."""
        body = json.dumps(arguments).encode()
        answer = self._http.send("POST", f"/{method}", body=body)
        content = _content(method, answer)
        if content.get("error") in PERHAPS_ROTATED:
            self._http.renew_credentials()  # the token may be newer than the one that was read: once more with that
            answer = self._http.send("POST", f"/{method}", body=body)
            content = _content(method, answer)
        if content.get("ok") is True:
            return content
        raise _meaning(method, str(content.get("error") or "no error named"), answer)


def _content(method: str, answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; raises what an answer without one means."""
    if answer.status == 429:
        raise _slow_down(method, answer)
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    if isinstance(content, dict) and "ok" in content:
        return content
    told = f"{method}: HTTP {answer.status} without Slack's JSON"
    if 400 <= answer.status < 500 or 300 <= answer.status < 400:
        raise Unavailable(f"{told}: a proxy or a wrong URL answered, not Slack's API")
    raise NoAnswer(told)


def _meaning(method: str, error: str, answer: Answer) -> HubError:
    told = f"{method}: {error}"
    if error in SLOW_DOWN:
        return _slow_down(method, answer)
    if error in PASSING:
        return Temporary(told)
    if error in DOWN:
        return Unavailable(told)
    if error in PERHAPS_DONE:
        return NoAnswer(told)
    if error in OUR_KEY:
        return Unavailable(
            f"{told}: Slack refuses the app's bot token or what it may do; mend the app's scopes, or store another token "
            "with `hub secrets set`",
            category=Category.AUTHENTICATION_FAILED,
            severity=Severity.CRITICAL,
        )
    return SlackRefused(error, f"{told}; mend it, then replay the event (hub events replay)")


def _slow_down(method: str, answer: Answer) -> Temporary:
    """Slack limits each method by workspace and app, so the destination as a whole is not down."""
    wait = answer.headers.get("retry-after", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() else None
    told = f"{method}: Slack asks for a pause"
    return Temporary(told, category=Category.RATE_LIMIT_EXCEEDED, retry_after_seconds=seconds)
