"""What a person can call an entity, and the keys under which the ledger has it."""

from adapters.ledger_history import LedgerHistory
from cli.stage import Stage
from hub.facts import UNREADABLE
from hub.ledger import searchable

UNKNOWN_TOPIC = "other"  # the entity type of an event whose topic the manifest does not state (hub.facts)


def subjects(word: str, stage: Stage, history: LedgerHistory) -> list[str]:
    """The entities that `word` can mean: itself where it is one in full, else what people call so, and the id under
    each entity type that an integration sends."""
    if word.split("/", 1)[0] in stage.config.integrations and word.count("/") >= 2:
        return [word]
    found = history.labelled(label) if (label := searchable(word)) else []
    for integration in sorted({flow.source for flow in stage.config.flows.values()}):
        entities = {topic.entity for topic in stage.manifest(integration).topic} | {UNKNOWN_TOPIC, UNREADABLE}
        found += [f"{integration}/{each}/{word}" for each in sorted(entities)]
    return list(dict.fromkeys(found))
