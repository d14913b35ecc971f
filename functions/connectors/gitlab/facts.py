"""Reads the one fact of a GitLab delivery: what it is about depends on its kind."""

import hashlib

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, fact_of, json_of, version_of

ABOUT = "body:object_attributes.id|body:build_id|body:deployment_id|body:id"


def facts(delivery: Delivery) -> list[Fact]:
    """The kind is the body's `object_kind`, which a signing token covers; the header that names it is not covered."""
    body = json_of(delivery)
    stated = Stated(delivery, body, body)
    kind = stated.text("body:object_kind|body:event_name")
    return [
        fact_of(
            kind,
            _ids(delivery),
            *_about(stated, kind),
            delivery.body,
            version=version_of(_zoned(stated.text("body:object_attributes.updated_at")), "timestamp"),
            content_type=delivery.optional_header("content-type"),
        )
    ]


def _ids(delivery: Delivery) -> list[str]:
    """GitLab's key for a delivery and its repetitions; `webhook-id` is the same one, signed. Before 17.4 there was
    neither: one push of several branches, and hooks that trigger hooks, share an X-Gitlab-Event-UUID."""
    key = delivery.optional_header("webhook-id") or delivery.optional_header("Idempotency-Key")
    if key:
        return [key]
    event = delivery.optional_header("X-Gitlab-Event-UUID")
    return [event, hashlib.sha256(delivery.body).hexdigest()] if event else []


def _about(stated: Stated, kind: str) -> tuple[str, str]:
    """A push is about a branch or tag of a project; most others are about something with a number of its own."""
    project, ref = stated.text("body:project_id|body:project.id"), stated.text("body:ref")
    if kind in {"push", "tag_push"} and project and ref:
        return "ref", f"{project}/{ref}"
    own = stated.text(ABOUT)
    return (kind, own) if own else ("project", project)


def _zoned(time: str) -> str:
    """Older versions write `2013-12-03 17:23:34 UTC`."""
    return time.removesuffix(" UTC") + "Z" if time.endswith(" UTC") else time
