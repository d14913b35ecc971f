"""The deployed hub between two shops and an ERPNext, its schedules run by hand, its alarms and its operator."""

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import yaml

from hub import names
from infra.configuration import CONFIG
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.secrets import signing_secret
from infra.local.shopify import Answer, Body, Shop
from infra.local.shopify_admin_rest import ShopifyRest
from infra.local.stand_in import TOKEN, client, stock
from tests.incident.alarms import Alarms, Clock
from tests.incident.judging import demand
from tests.incident.operator import Operator
from tests.local_aws.deployment import ADMIN_TOKEN, deployed
from tests.local_aws.hub import (
    FLOW,
    INTEGRATION,
    OTHER_FLOW,
    OTHER_INTEGRATION,
    STAGE,
    LocalHub,
    wait_for,
)

RETRY = {"base_seconds": 0.5, "cap_seconds": 2, "give_up_after_hours": 0.1}  # nobody waits for minutes here
PROBES = {"first_probe_seconds": 1, "longest_probe_seconds": 1}
DESK = "desk-key:desk-secret"  # of a person at ERPNext's desk, with a key of their own
MINUTE, FIVE_MINUTES = 60, 300


@dataclass
class World:
    """All that an incident needs."""

    hub: LocalHub
    store: ShopifyRest
    alarms: Alarms
    operator: Operator
    erp_secret: str = TOKEN.partition(":")[2]
    shop_secrets: dict[str, str] = field(
        default_factory=lambda: {name: signing_secret(name) for name in (INTEGRATION, OTHER_INTEGRATION)}
    )

    # The shops

    def order(self, body: Body, shop: str = INTEGRATION) -> Answer:
        """A shop sends an order; how the hub answered."""
        there = Shop(self.hub.shop(shop).url, f"{shop}.myshopify.com", self.shop_secrets[shop])
        return there.deliver("orders/create", body, client=self.hub.http)

    def orders(self, bodies: list[Body], shop: str = INTEGRATION) -> list[Answer]:
        """A shop sends orders; raises NotAsPromised where one is not acknowledged."""
        answers = [self.order(body, shop) for body in bodies]
        refused = {each.status for each in answers} - {httpx.codes.OK}
        demand(not refused, f"{shop}: orders were answered {refused}, not acknowledged")
        return answers

    def must_end(self, bodies: list[Body], answers: list[Answer], outcome: str, shop: str = INTEGRATION) -> None:
        """Wait until each order has ended; raises NotAsPromised where one did so otherwise."""
        for body, answer in zip(bodies, answers, strict=True):
            end = self.hub.end_of(f"{shop}/order/{body['id']}", answer)
            demand(end.outcome == outcome, f"{body['name']} ended {end.outcome}, not {outcome}: {end.failure}")

    # The schedules

    def check(self, *integrations: str) -> list[dict[str, Any]]:
        """What the schedules of their health checks start."""
        return [self._invoke(names.health_function(STAGE, each)) for each in integrations]

    def checks(self, integration: str, count: int) -> None:
        """So many checks of an integration, one in each five minutes."""
        for _ in range(count):
            self.alarms.clock.leap(FIVE_MINUTES)
            self.check(integration)

    def tend_breaker(self, minutes: int) -> None:
        """What the schedule of ERPNext's breaker starts every minute."""
        for _ in range(minutes):
            self.alarms.clock.leap(MINUTE)
            self._invoke(names.breaker_function(STAGE, "erp"))

    def _invoke(self, function: str) -> dict[str, Any]:
        answer = self.hub.aws.client("lambda").invoke(FunctionName=function, Payload=b"{}")
        told: Any = json.loads(answer["Payload"].read() or b"null")
        demand("FunctionError" not in answer, f"{function} failed: {told}")
        return told if isinstance(told, dict) else {}

    # What people are told

    def notices(self) -> list[str]:
        """All that operators were told since somebody last looked: subject and message."""
        sqs, found = self.hub.aws.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.hub.notices_queue, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                sqs.delete_message(QueueUrl=self.hub.notices_queue, ReceiptHandle=each["ReceiptHandle"])
                notice = json.loads(each["Body"])
                found.append(f"{notice['Subject']}\n{notice['Message']}")
        return found

    # At ERPNext

    def make_item(self, code: str) -> None:
        """Somebody at ERPNext's desk makes an Item."""
        with client(self.hub.erp.url, DESK) as desk:
            item = {"item_code": code, "item_name": code, "item_group": "Products", "stock_uom": "Nos"}
            desk.post("/api/resource/Item", json=item).raise_for_status()

    # In the end

    def must_balance(self, since: datetime, expected: dict[str, int]) -> str:
        """Everything accepted since then has an end, as `hub audit` finds; raises NotAsPromised else. What it says."""
        self.hub.settle()

        def look() -> dict[str, dict[str, Any]] | None:
            flows = {each["flow"]: each for each in self.operator.balance(since)}
            return flows if {flow: flows[flow]["in"] for flow in expected} == expected else None

        flows = wait_for(look, f"`hub audit` does not find the {expected} that were accepted")
        demand(not any(each["unaccounted"] or each["waiting"] for each in flows.values()), f"unaccounted for: {flows}")
        ends = Counter(dict.fromkeys(("applied", "dead"), 0))
        for each in flows.values():
            ends.update({name: each[name] for name in ("applied", "unchanged", "ignored", "dead")})
        told = ", ".join(f"{count} {outcome}" for outcome, count in ends.items() if count)
        return f"{sum(expected.values())} in, {told}, 0 unaccounted for"

    def must_name(self, since: datetime, *deeds: tuple[str, str]) -> str:
        """`hub audit report` names each deed (action, about), who did it and why; raises NotAsPromised else."""
        found = self.operator.deeds(since)
        for action, about in deeds:
            fitting = [each for each in found if each["action"] == action and about in each["about"]]
            demand(fitting, f"`hub audit report` does not tell of {action} {about}: {found}")
            demand(all(each["who"] and each["reason"] for each in fitting), f"who, or why, is missing: {fitting}")
        return ", ".join(" ".join(each) for each in deeds)


def configuration(folder: Path, store: ShopifyRest) -> Path:
    """The folder of the shipped local configuration with a second shop, expected traffic, and short waits."""
    content: dict[str, Any] = yaml.safe_load((CONFIG / f"{STAGE}.yaml").read_text())
    shop, flow = content["integrations"][INTEGRATION] | {"expects_traffic": True}, content["flows"][FLOW]
    content["integrations"] |= {
        INTEGRATION: shop | {"url": store.url, "streams": {"orders": {}}},
        OTHER_INTEGRATION: shop | {"account": f"{OTHER_INTEGRATION}.myshopify.com"},
        "erp": content["integrations"]["erp"] | {"breaker": PROBES},
    }
    content["flows"] = {
        FLOW: flow | {"retry": RETRY},
        OTHER_FLOW: flow | {"source": OTHER_INTEGRATION, "retry": RETRY},
    }
    folder.mkdir()
    (folder / f"{STAGE}.yaml").write_text(yaml.safe_dump(content))
    return folder


@contextmanager
def stands(say: Callable[[str], None]) -> Iterator[World]:
    """Within: everything runs. It is gone afterwards, without a trace."""
    with (
        tempfile.TemporaryDirectory(prefix="hub-incident-") as folder,
        ShopifyRest(ADMIN_TOKEN) as store,
        ErpNextStandIn(token=TOKEN) as erp,
    ):
        stock(erp.url)
        erp.add_user("desk@example.com", DESK)
        config = configuration(Path(folder, "config"), store)
        say("building and deploying the hub on a local AWS")
        with deployed(Path(folder), config, erp) as hub, _typed_here(hub):
            say("deployed")
            yield World(hub, store, Alarms(hub.aws, STAGE, Clock(time.time)), Operator(config / f"{STAGE}.yaml"))


@contextmanager
def _typed_here(hub: LocalHub) -> Iterator[None]:
    """Within: the `hub` command finds this local AWS, and its audit leaves no minute out."""
    with (
        patch.dict(os.environ, {"AWS_ENDPOINT_URL": hub.aws.endpoint, "COLUMNS": "200", "NO_COLOR": "1"}),
        patch("cli.audit.GRACE", timedelta(0)),
        patch("cli.audit.LOOK_AGAIN_SECONDS", 1),
    ):
        yield


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)
