"""What a provider has registered to send to the hub, and what of it is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription as the provider must have it. `document` is what else it must be told; it may hold the secret."""

    topic: str  # as the provider tells them apart
    url: str
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the provider has it."""

    topic: str
    url: str
    is_enabled: bool = True
    is_only: bool = False  # the system has one of each topic: making ours would take it from where it leads
    unsupported_version: str = ""  # of the provider's API, by which it sends; "" where that is supported


class Subscriptions(Protocol):
    """The subscriptions of one system; raises HubError."""

    def listed(self) -> Sequence[Subscription]:
        """All that it has for us, wherever they lead."""

    def register(self, wanted: Wanted) -> str:
        """Make it or renew it, and say which ("created", "renewed"). Safe to repeat."""


@dataclass(frozen=True, slots=True)
class Lacks:
    """What is wrong with what a provider has registered."""

    vanished: tuple[str, ...] = ()  # topics: registered once, and there no longer
    wrong: tuple[str, ...] = ()  # sentences about those that are there


def lacks(topics: Sequence[str], url: str, listed: Sequence[Subscription]) -> Lacks:
    """Hold what is listed against the topics that shall come to `url`."""
    vanished, wrong = [], []
    for topic in topics:
        there = [each for each in listed if each.topic == topic]
        here = [each for each in there if each.url == url]
        if not here and not any(each.is_only for each in there):
            vanished.append(topic)
        elif not here:
            wrong.append(f"{topic} is sent elsewhere, to {there[0].url}")
        elif not any(each.is_enabled for each in here):
            wrong.append(f"{topic} is switched off")
        elif here[0].unsupported_version:
            wrong.append(f"{topic} is sent by API version {here[0].unsupported_version}, which is supported no longer")
    return Lacks(tuple(vanished), tuple(wrong))
