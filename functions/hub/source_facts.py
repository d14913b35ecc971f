"""What a connector's events are about, as the delivery Lambda needs it: the part of a manifest that names them.

Standard library only, for a manifest that hub.manifest has accepted: to build its strict models takes a tenth of a cold
start.
"""

import tomllib
from pathlib import Path
from typing import NamedTuple

from hub.webhook_spec import Topic


class StreamName(NamedTuple):
    """A stream of the manifest: its name, the type of its rows' entities, and what its rows are read as."""

    name: str
    entity: str
    record: str


class SourceFacts(NamedTuple):
    """As hub.manifest.Manifest has them."""

    name: str
    topic: tuple[Topic, ...]
    stream: tuple[StreamName, ...]

    @property
    def pulled_too(self) -> frozenset[str]:
        """The types of the events that streams make of entities of which webhooks tell as well."""
        told = {topic.entity for topic in self.topic}
        types = [self.event_type(stream.name) for stream in self.stream if stream.entity in told]
        return frozenset([*types, *(f"{each}/deleted" for each in types)])

    def event_type(self, topic: str) -> str:
        """The CloudEvents `type` of an event with this topic."""
        return f"{self.name}.{topic}"


def read_source(manifest: Path) -> SourceFacts:
    """The topics and streams of a manifest."""
    stated = tomllib.loads(manifest.read_text("utf-8"))
    topics = tuple(Topic(**topic) for topic in stated.get("topic", ()))
    streams = stated.get("stream", ())
    names = tuple(StreamName(stream["name"], stream["entity"], stream["record"]) for stream in streams)
    return SourceFacts(stated["name"], topics, names)
