"""Reads the one fact of a GitHub delivery: which event with which action, on which thing of which repository."""

from typing import Any

from hub.deliveries import Delivery
from hub.facts import Fact, Stated, at, fact_of, json_of, time_of, version_of

# event → where the body holds the thing that it is about, where that is not the event's own name
HELD_AT = {
    "issues": "issue",
    "issue_comment": "comment",
    "commit_comment": "comment",
    "discussion_comment": "comment",
    "pull_request_review": "review",
    "pull_request_review_comment": "comment",
}


def facts(delivery: Delivery) -> list[Fact]:
    """The event's name stands in a header, its action in the body; both together are the topic."""
    body = json_of(delivery, "payload")
    stated = Stated(delivery, body, body)
    event, action = stated.text("header:X-GitHub-Event"), stated.text("body:action")
    kind, key, version = _entity(event, body, stated)
    return [
        fact_of(
            f"{event}/{action}" if event and action else event,
            [stated.text("header:X-GitHub-Delivery")],  # the same when it is delivered again
            kind,
            key,
            delivery.body,
            version=version,
            time=time_of(at(body, f"{kind}.updated_at")),
            content_type=delivery.optional_header("content-type"),
        )
    ]


def _entity(event: str, body: Any, stated: Stated) -> tuple[str, str, str]:
    """What kind of thing it is, its id within the repository, and its version."""
    repository = stated.text("body:repository.id")
    ref = stated.text("body:ref")
    if event == "push" and ref:
        return "ref", f"{repository}/{ref}", version_of(at(body, "repository.pushed_at"), "unix_seconds")
    kind = HELD_AT.get(event, event)
    number = stated.text(f"body:{kind}.number|body:{kind}.id")
    if number:
        return kind, f"{repository}/{number}", version_of(at(body, f"{kind}.updated_at"), "timestamp")
    if repository:
        return "repository", repository, ""
    return "organization", stated.text("body:organization.id|body:hook_id|body:sender.id"), ""
