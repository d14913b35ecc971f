"""The names that a stage's resources bear in AWS: one rule each, read by whoever makes and whoever looks for them."""

METRICS_NAMESPACE = "ErpHub"  # of everything that the functions count
DEAD = "-dead"  # no flow's name may end so, since its queue would bear the name of another's dead letter queue


def stack(stage: str) -> str:
    """The CloudFormation stack of a stage."""
    return f"hub-{stage}"


def queue(stage: str, flow: str) -> str:
    """The FIFO queue of a flow."""
    return f"hub-{stage}-{flow}.fifo"


def dead_letter_queue(stage: str, flow: str) -> str:
    """The FIFO dead letter queue of a flow."""
    return f"hub-{stage}-{flow}{DEAD}.fifo"


def webhook_function(stage: str, integration: str) -> str:
    """The Lambda that receives an integration's deliveries."""
    return f"hub-{stage}-webhook-{integration}"


def delivery_function(stage: str, flow: str) -> str:
    """The Lambda that applies a flow's events."""
    return f"hub-{stage}-delivery-{flow}"


def dlq_function(stage: str) -> str:
    """The Lambda that records dead letters."""
    return f"hub-{stage}-dlq"


def ledger_table(stage: str) -> str:
    """The DynamoDB table of outcomes."""
    return f"hub-{stage}-ledger"


def alarms_topic(stage: str) -> str:
    """The SNS topic that operators subscribe to."""
    return f"hub-{stage}-alarms"


def secret(stage: str, integration: str) -> str:
    """The secret of an integration: one JSON object of named values."""
    return f"hub/{stage}/{integration}"


def webhook_path(integration: str) -> str:
    """The path of the URL that an integration's provider sends to."""
    return f"/webhooks/{integration}"
