"""Example deliveries of a connector: what `hub send` sends where no file is named, and what the contract suite sends.

A file of a connector's examples/ holds

    {"topic": "orders/create",            what it is about, as the provider writes it; or "handshake": "slack_challenge"
     "description": "…",
     "method": "POST",                    the manifest's first one if left out
     "query": "a=b",                      what the provider appends to the registered URL, raw
     "headers": {"X-GitHub-Event": "…"},  those that are not part of the proof and not named by simple expressions
     "payload": {…} or "body": "…",       JSON; or the text as it is, for forms, XML and the like; or neither
     "expects": {"mode": "basic"},        what the integration states, where that matters to this example
     "expected": {…}}                     see tests/edge/test_contract.py

The proof (signature, timestamp, token, organisation) is never in the file: the signer puts it there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.signing import Draft
from connectors import manifest_path
from hub.webhook_spec import WebhookSpec

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Example:
    """One file of examples/."""

    connector: str
    name: str
    topic: str
    handshake: str = ""
    method: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: Any = None
    text: str | None = None
    raw: bytes | None = None  # of a person's own file
    expects: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """Its bytes; JSON compact and with slashes escaped, which is valid and which no re-serialising reproduces."""
        if self.raw is not None:
            return self.raw
        if self.text is not None:
            return self.text.encode("utf-8")
        if self.payload is None:
            return b""
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode("utf-8")


def examples(connector: str) -> Iterator[Example]:
    """The examples of a connector, by file name."""
    for path in sorted((manifest_path(connector).parent / "examples").glob("*.json")):
        yield read_example(connector, path)


def read_example(connector: str, path: Path) -> Example:
    """One example; raises KeyError or TypeError for a file of another form."""
    content = json.loads(path.read_text("utf-8"))
    content.pop("description")
    return Example(connector, path.stem, content.pop("topic", ""), text=content.pop("body", None), **content)


def drafted(example: Example, spec: WebhookSpec, url: str, event_id: str, time: str, account: str = "") -> Draft:
    """The request before it is signed. Topic, event id, time and account stand in headers where the manifest finds them
    in headers, unless the example states those headers itself."""
    headers = {"Content-Type": JSON} if example.body else {}
    facts = spec.facts
    named = {facts.topic: example.topic, facts.time: time, facts.account: account}
    if len(facts.event_id) == 1:
        named[facts.event_id[0]] = event_id
    for expression, value in named.items():
        for alternative in expression.split("|")[:1]:
            if value and alternative.startswith("header:"):
                headers[alternative.removeprefix("header:").partition(",")[0]] = value
    for name in spec.required_headers:
        headers.setdefault(name.partition(",")[0], account or "sample")
    draft = Draft(
        example.method or spec.methods[0], f"{url}?{example.query}" if example.query else url, headers, example.body
    )
    return draft.adding(example.headers)
