"""`hub signature`: says what the webhook Lambda would say to recorded requests, and why."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.diagnosis import told_with_remedy
from cli.vectors import Unreadable, Vector, read_vectors
from hub.deliveries import Expected
from hub.errors import BadSignature, HubError, MalformedBody, MalformedHeader, NoSecret, NotStated
from hub.receive import Accepted, receive

ACCEPT, REJECT = "accept", "reject"
WORTH_A_DIAGNOSIS = (BadSignature, MalformedHeader, MalformedBody)

app = typer.Typer(help="Find out why deliveries are refused.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one request."""

    name: str
    result: str
    reason: str

    def line(self) -> str:
        """It as one line of JSON."""
        return json.dumps({"id": self.name, "result": self.result, "reason": self.reason}, ensure_ascii=False)


@app.callback()
def _group() -> None:
    """Find out why deliveries are refused."""


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="One recorded request, or several, as JSON.")],
) -> None:
    """Judge recorded requests as the webhook Lambda would: one JSON line {"id", "result", "reason"} for each.

    The least that a request needs: {"provider": "stripe", "headers": {"Stripe-Signature": "t=…"}, "body": "{…}",
    "secrets": ["whsec_…"]}; or "lambda_event" in place of headers and body. Further: "url" and "config":
    {"public_url": "…"} where the URL is signed, "config" for what the integration states under `expects`,
    "body_base64", "now", "tolerance_s", and "expect": "accept" or "reject".

    Exit code 1 if a result differs from the request's `expect`, or a request cannot be read. Secrets are never printed.
    """
    vectors = read_vectors(file)
    verdicts = [verdict(vector) for vector in vectors]
    for each in verdicts:
        typer.echo(each.line())
    if any(differs(vector, each) for vector, each in zip(vectors, verdicts, strict=True)):
        raise typer.Exit(1)


def differs(vector: Vector | Unreadable, told: Verdict) -> bool:
    """Whether a result is not the one that the file expects; that of a request that cannot be read never is."""
    return isinstance(vector, Unreadable) or vector.expect not in {"", told.result}


def verdict(vector: Vector | Unreadable) -> Verdict:
    """What the Lambda would do with a request, with a reason that teaches."""
    if isinstance(vector, Unreadable):
        return Verdict(vector.name, REJECT, f"the request cannot be read: {vector.why}")
    receiver, outside = vector.receiver(), vector.outside()
    try:
        accepted = receive(vector.delivery, receiver, outside, datetime.fromtimestamp(vector.now, UTC))
    except HubError as error:
        signature = receiver.spec.signature
        expected = Expected(
            secrets=outside.secrets.live(signature.secret),
            now=vector.now,
            tolerance_seconds=signature.tolerance_seconds,
            public_url=receiver.public_url,
            states=receiver.states or {},
            fetch=outside.fetch,
        )
        reason = str(error)
        if isinstance(error, WORTH_A_DIAGNOSIS):
            reason = told_with_remedy(error, vector.delivery, signature, expected)
        return Verdict(vector.name, REJECT, f"{error.code}: {without(vector.secrets, reason + hint(error, vector))}")
    if accepted.answer.unproven:
        reason = f"nothing proves who sent it: answered {accepted.answer.status} as the provider wants, nothing is kept"
        return Verdict(vector.name, REJECT, reason)
    return Verdict(vector.name, ACCEPT, without(vector.secrets, _accepted(accepted)))


def hint(error: HubError, vector: Vector) -> str:
    """What to add to the file, where the refusal is about what it lacks."""
    if isinstance(error, NoSecret) and not any(vector.secrets):
        return " (the file states none under `secrets`)"
    if isinstance(error, NotStated):
        return " (state it in the file under `config`)"
    return ""


def _accepted(accepted: Accepted) -> str:
    if not accepted.events:
        return f"a handshake, answered with {accepted.answer.status}"
    first = accepted.events[0]
    more = f" and {len(accepted.events) - 1} more" if len(accepted.events) > 1 else ""
    by = "; signed with a previous secret" if accepted.by_previous_secret else ""
    return f"{first.type} {first.id} about {first.subject.partition('/')[2]}{more}{by}"


def without(secrets: tuple[str, ...], text: str) -> str:
    """A text in which no secret stands: a token in a delivery may be part of what a reason quotes."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, "…")
    return text
