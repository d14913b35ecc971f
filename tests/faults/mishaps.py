"""What goes wrong at the calls that the functions make: before it, after it, instead of it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from urllib.parse import quote

import httpx
from botocore.exceptions import ReadTimeoutError

from adapters.dynamodb import DynamoLedger
from hub.errors import Temporary
from hub.events import Event
from hub.ledger import Entry, Head, Known
from infra.local.erpnext.faults import Fault
from infra.local.erpnext.requests import Request
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.stand_in import TOKEN
from tests.faults.clock import Clock
from tests.faults.imitated_services import refusal
from tests.faults.turns import Turns

PATIENCE_SECONDS = 60  # of the hub with one call to ERPNext
ANSWERS = (
    "deadlock",
    "lock_timeout",
    "drop_after_commit",
    "drop_before_commit",
    "rate_limit",
    "rate_limit_exceeded",
    "maintenance",
    "read_only",
    "html_error",
    "truncated",
)
STALL = "ERPNext: 60 s stall, commits after the client gave up"
SHARES: Final[Mapping[str, float]] = {  # of the occasions for it at which a mishap strikes
    "ERPNext: race for a Bin": 0.02,
    STALL: 0.003,
    "desk user edits": 0.01,
    "killed before ERPNext's commit": 0.003,
    "killed after ERPNext's commit": 0.003,
    "killed before the ledger's write": 0.01,
    "killed after the ledger's write": 0.01,
    "killed before the answer to the shop": 0.005,
    "killed while recording dead letters": 0.1,
    "killed while tending dead letters": 0.01,
    "killed while tending the breaker": 0.005,
    "visibility timeout while at work": 0.05,
    "DynamoDB left a write undone": 0.02,
    "DynamoDB left a read undone": 0.02,
    "DynamoDB read refused": 0.01,
    "DynamoDB write refused": 0.01,
    "DynamoDB write's answer lost": 0.01,
    "DynamoDB: item's read refused": 0.02,
    "DynamoDB: item's write refused": 0.1,
    "DynamoDB: item's write's answer lost": 0.1,
    "SQS send refused": 0.01,
    "SQS send's answer lost": 0.01,
    "SQS hide refused": 0.05,
    "SQS hide's answer lost": 0.05,
    "S3 put refused": 0.1,
    "S3 get refused": 0.1,
    "S3 lost a body": 0.3,
    "Secrets Manager read refused": 0.05,
    "SNS refused": 0.05,
}


class Killed(BaseException):
    """The death of a function's process."""


class Fate:
    """Decides what strikes, counts it, and gives the turn to others. `share` scales all; 0 is a world without faults."""

    def __init__(self, dice: Random, share: float, clock: Clock) -> None:
        self.dice = dice
        self.share = share
        self.clock = clock
        self.turns = Turns(dice)
        self.struck: Counter[str] = Counter()

    def strikes(self, kind: str) -> bool:
        """Whether it happens now."""
        if self.dice.random() >= SHARES[kind] * self.share:
            return False
        self.struck[kind] += 1
        return True

    def may_kill(self, moment: str) -> None:
        """Raises Killed now and then."""
        if self.strikes(f"killed {moment}"):
            raise Killed

    def may_refuse(self, service: str, what: str) -> None:
        """An AWS service that says no now and then; others may go on before."""
        self.turns.change()
        if self.strikes(f"{service} {what} refused"):
            raise refusal("ThrottlingException", what)

    def may_lose(self, service: str, what: str) -> None:
        """The answer of an AWS service that did what it was asked gets lost now and then."""
        if self.strikes(f"{service} {what}'s answer lost"):
            raise ReadTimeoutError(endpoint_url=service)


class ErpNextWire(httpx.BaseTransport):
    """The network between the hub and ERPNext, and ERPNext's own moods."""

    def __init__(self, erp: ErpNextStandIn, fate: Fate, meanwhile: Callable[[], None]) -> None:
        self._erp = erp
        self._fate = fate
        self._meanwhile = meanwhile  # what others do at ERPNext
        self._late: list[tuple[datetime, Request]] = []  # ERPNext is still at these; nobody waits for them

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a call there and its answer back."""
        fate = self._fate
        fate.turns.change()
        self._meanwhile()
        self.finish_late()
        asked = asked_of(request)
        fate.may_kill("before ERPNext's commit")
        if fate.strikes(STALL):
            fate.clock.pass_seconds(PATIENCE_SECONDS)
            self._late.append((fate.clock.now() + timedelta(seconds=fate.dice.randrange(120)), asked))
            raise httpx.ReadTimeout("ERPNext stalls")
        self._mood(asked)
        answer = answer_of(self._erp, asked)
        fate.may_kill("after ERPNext's commit")
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def busy(self) -> bool:
        """Whether ERPNext is still at something that stalled."""
        return bool(self._late)

    def finish_late(self) -> None:
        """ERPNext comes to the end of what stalled."""
        now = self._fate.clock.moment
        due = [request for at, request in self._late if at <= now]
        self._late = [(at, request) for at, request in self._late if at > now]
        for request in due:
            self._erp.answer(request)

    def _mood(self, asked: Request) -> None:
        fate = self._fate
        if fate.dice.random() < 0.03 * fate.share:
            kind = fate.dice.choice(ANSWERS)
            if kind == "read_only" and not asked.writes:
                return  # it refuses writes alone
            fate.struck[f"ERPNext: {kind}"] += 1
            self._erp.misbehave(Fault(kind, seconds=5 if kind == "rate_limit" else 0))
        elif asked.writes and "Sales Order" in asked.path and fate.strikes("ERPNext: race for a Bin"):
            self._erp.misbehave(Fault("bin_race"))


def asked_of(request: httpx.Request) -> Request:
    """A request as ERPNext reads it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, request.url.raw_path.decode("ascii"), headers, request.read())


def answer_of(erp: ErpNextStandIn, asked: Request) -> httpx.Response | httpx.TransportError:
    """ERPNext's answer as the network hands it over, or how it breaks off."""
    answer = erp.answer(asked)
    if answer is None:
        return httpx.ReadError("connection reset")
    if ("X-Standin-Truncate", "1") in answer.headers:
        return httpx.RemoteProtocolError("the answer breaks off")
    headers = [("Content-Type", answer.content_type), *answer.headers]
    return httpx.Response(answer.status, headers=headers, content=answer.body)


class DeskUser:
    """A person at ERPNext's desk who writes into the hub's documents what belongs to the desk."""

    TOKEN = "desk-key:desk-secret"
    NOTE = "desk_note"  # a field of the company's own
    DOCTYPES = ("Customer", "Sales Order")

    def __init__(self, erp: ErpNextStandIn, dice: Random, now: Callable[[], datetime]) -> None:
        self._erp = erp
        self._dice = dice
        self._now = now
        self.notes: dict[tuple[str, str], str] = {}  # (DocType, the hub's external id without revision) → last note
        erp.add_user("desk@example.com", self.TOKEN)
        for doctype in self.DOCTYPES:
            names = {"doctype": "Custom Field", "dt": doctype, "fieldname": self.NOTE, "label": "Desk Note"}
            made = self._ask(
                "POST", "/api/resource/Custom%20Field", {**names, "fieldtype": "Small Text", "allow_on_submit": 1}
            )
            assert made == 200, f"no desk note in {doctype}: {made}"

    def edit(self) -> bool:
        """A note in some document; False where there is none yet, or ERPNext refused."""
        doctype = self._dice.choice(self.DOCTYPES)
        status = 1 if doctype == "Sales Order" else 0  # drafts are the hub's own, cancelled ones nobody's
        with self._erp.site.lock:  # uncopied: copies of thousands of orders take longer than the whole day
            documents = self._erp.site.store.all(doctype)
            open_ones = [each for each in documents if each["docstatus"] == status and each.get("hub_external_id")]
        if not open_ones:
            return False
        chosen = self._dice.choice(open_ones)
        note = f"noted at {self._now():%d %H:%M:%S.%f}"
        path = f"/api/resource/{quote(doctype)}/{quote(chosen['name'], safe='')}"
        if self._ask("PUT", path, {self.NOTE: note}) != 200:
            return False
        self.notes[doctype, chosen["hub_external_id"].split("~")[0]] = note
        return True

    def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> int:
        headers = {"authorization": f"token {self.TOKEN}", "content-type": "application/json"}
        answer = self._erp.answer(Request(method, path, headers, json.dumps(body).encode()))
        return answer.status if answer else 0


def change_api_secret(erp: ErpNextStandIn, secret: str) -> None:
    """ERPNext generates a new API secret for the hub's user; the old one ends at once."""
    with erp.site.transaction("Administrator") as tx:
        user = next(each for each in tx.store.all("User") if each["api_key"] == TOKEN.split(":")[0])
        tx.store.put("User", user["name"], {**user, "api_secret": secret})


class MortalLedger:
    """The ledger, where the process may die before or after it is written."""

    def __init__(self, ledger: DynamoLedger, fate: Fate) -> None:
        self._ledger, self._fate = ledger, fate

    def known(self, flow: str, events: Sequence[Event]) -> list[Known]:
        return self._ledger.known(flow, events)

    def heads_of(self, entities: Sequence[tuple[str, str]]) -> list[Head]:
        return self._ledger.heads_of(entities)

    def record(self, entries: Sequence[Entry], heads: Sequence[tuple[str, str, Head]]) -> None:
        self._fate.may_kill("before the ledger's write")
        self._ledger.record(entries, heads)
        self._fate.may_kill("after the ledger's write")


class MoodyDynamo:
    """DynamoDB that refuses now and then, leaves a part undone, or does what it is asked and does not say so.

    What the hub does not call on the ledger's way goes through as it is.
    """

    def __init__(self, client: Any, fate: Fate) -> None:
        self._client, self._fate = client, fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's own name
        self._fate.may_refuse("DynamoDB", "read")
        if self._fate.strikes("DynamoDB left a read undone"):
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        return self._client.batch_get_item(RequestItems=RequestItems)

    def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's own name
        self._fate.may_refuse("DynamoDB", "write")
        if self._fate.strikes("DynamoDB left a write undone"):
            return {"UnprocessedItems": RequestItems}
        answer = self._client.batch_write_item(RequestItems=RequestItems)
        self._fate.may_lose("DynamoDB", "write")
        return answer

    def transact_write_items(self, **request: Any) -> Any:
        self._fate.may_refuse("DynamoDB", "write")
        return self._client.transact_write_items(**request)

    def get_item(self, **request: Any) -> Any:
        self._fate.may_refuse("DynamoDB:", "item's read")
        return self._client.get_item(**request)

    def query(self, **request: Any) -> Any:
        self._fate.may_refuse("DynamoDB:", "item's read")
        return self._client.query(**request)

    def put_item(self, **request: Any) -> Any:
        return self._written(self._client.put_item, request)

    def update_item(self, **request: Any) -> Any:
        return self._written(self._client.update_item, request)

    def delete_item(self, **request: Any) -> Any:
        return self._written(self._client.delete_item, request)

    def _written(self, operation: Callable[..., Any], request: Mapping[str, Any]) -> Any:
        self._fate.may_refuse("DynamoDB:", "item's write")
        answer = operation(**request)
        self._fate.may_lose("DynamoDB:", "item's write")
        return answer


class MoodyNotices:
    """Notices to operators, which SNS refuses now and then."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.told: Counter[str] = Counter()

    def tell(self, subject: str, text: str) -> None:
        self._fate.turns.change()
        if self._fate.strikes("SNS refused"):
            raise Temporary("SNS refused")
        self.told[subject] += 1
