"""The names that a stage's resources bear in AWS: one rule each, read by whoever makes and whoever looks for them."""

METRICS_NAMESPACE = "ErpHub"  # of everything that the functions count
REJECTED = "-rejected"  # ends the name of a file with rejected rows
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


class FlowsByDeadLetterQueue(dict[str, str]):
    """Name of a dead letter queue → name of its flow, worked out instead of listed: a stage may have hundreds, and a
    Lambda's environment holds 4 KB. Raises KeyError for what is no dead letter queue of the stage."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._head, self._tail = f"hub-{stage}-", f"{DEAD}.fifo"

    def __missing__(self, queue: str) -> str:
        flow = queue.removeprefix(self._head).removesuffix(self._tail)
        if not flow or queue != f"{self._head}{flow}{self._tail}":
            raise KeyError(queue)
        return flow


def webhook_function(stage: str, integration: str) -> str:
    """The Lambda that receives an integration's deliveries."""
    return f"hub-{stage}-webhook-{integration}"


def delivery_function(stage: str, flow: str) -> str:
    """The Lambda that applies a flow's events."""
    return f"hub-{stage}-delivery-{flow}"


def dlq_function(stage: str) -> str:
    """The Lambda that records dead letters."""
    return f"hub-{stage}-dlq"


def breaker_function(stage: str, destination: str) -> str:
    """The Lambda that tends a destination's breaker."""
    return f"hub-{stage}-breaker-{destination}"


def sync_function(stage: str, integration: str) -> str:
    """The Lambda that reads an integration's streams."""
    return f"hub-{stage}-sync-{integration}"


def files_function(stage: str, integration: str) -> str:
    """The Lambda that takes an integration's files in."""
    return f"hub-{stage}-files-{integration}"


def files_queue(stage: str, integration: str) -> str:
    """The queue of an integration's files that wait to be taken in."""
    return f"hub-{stage}-files-{integration}"


def lost_files_queue(stage: str, integration: str) -> str:
    """The dead letter queue of it."""
    return f"hub-{stage}-lost-files-{integration}"


def ledger_table(stage: str) -> str:
    """The DynamoDB table of outcomes."""
    return f"hub-{stage}-ledger"


def trail_table(stage: str) -> str:
    """The DynamoDB table of what operators did."""
    return f"hub-{stage}-trail"


def bodies_bucket(stage: str, account: str, region: str) -> str:
    """The S3 bucket of bodies that are too large for a queue; bucket names are shared by all of AWS's customers."""
    return f"hub-{stage}-bodies-{account}-{region}"


def files_bucket(stage: str, account: str, region: str) -> str:
    """The S3 bucket that files are dropped into."""
    return f"hub-{stage}-files-{account}-{region}"


def inbox(integration: str) -> str:
    """The folder of the bucket that an integration's files are dropped into."""
    return f"inbox/{integration}/"


def file_processed(integration: str, folder: str, name: str) -> str:
    """Where a file lies whose rows were taken in; `folder` is that of one upload."""
    return f"processed/{integration}/{folder}/{name}"


def file_refused(integration: str, folder: str, name: str) -> str:
    """Where a file lies that could not be read."""
    return f"rejected/{integration}/{folder}/{name}"


def file_rejected(integration: str, folder: str, stem: str) -> str:
    """Where the rows of a file lie that were not taken in."""
    return f"rejected/{integration}/{folder}/{stem}{REJECTED}.csv"


def file_part(integration: str, identity: str, number: int) -> str:
    """A piece of such a file while the work on it goes on; `*` names all of an integration."""
    return f"parts/{integration}/{identity}/{number:06d}.csv"


def body(digest: str) -> str:
    """The key of a body in the bucket, by the hash of its bytes; `*` names all of them."""
    return f"bodies/{digest}"


def stream_files(integration: str, stream: str) -> str:
    """How the keys begin of what is kept of a stream in the same bucket."""
    return f"streams/{integration}/{stream}/"


def streams(integration: str) -> str:
    """All that is kept of an integration's streams, as a pattern of keys."""
    return stream_files(integration, "*").removesuffix("/")


def token(integration: str, digest: str) -> str:
    """The entity under which the ledger's table keeps an integration's one-time token, by its hash; `*` names all."""
    return f"{integration}/token/{digest}"


def parked(destination: str) -> str:
    """The entity under which the ledger's table lists the events that are parked for a destination."""
    return f"parked/{destination}"


def claims(flow: str, action: str) -> str:
    """How the records begin under which an entity's claims of a `once` action lie. No flow's name holds a slash."""
    return f"once/{flow}/{action}"


def alarms_topic(stage: str) -> str:
    """The SNS topic that operators subscribe to."""
    return f"hub-{stage}-alarms"


def secret(stage: str, integration: str) -> str:
    """The secret of an integration: one JSON object of named values."""
    return f"hub/{stage}/{integration}"


def webhook_path(integration: str) -> str:
    """The path of the URL that an integration's provider sends to."""
    return f"/webhooks/{integration}"
