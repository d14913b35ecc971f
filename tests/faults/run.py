"""Run a story through a world of faults and judge its end: `make faults SEED=n`."""

import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import typer
from moto import mock_aws

from infra.local.shopify import Body
from tests.faults.story import Life, Story, tell
from tests.faults.world import BEGIN, World

CANCELLED, SUBMITTED = 2, 1
RETRY_OF_THE_SHOP = timedelta(minutes=1)
ENDS = {"applied", "unchanged", "stale", "ignored", "dead", "discarded"}
OUTAGE = (BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=14))  # twelve hours
REVOKED = (BEGIN + timedelta(hours=15), BEGIN + timedelta(hours=16))
MOST_ROUNDS = 400_000


@dataclass
class Judgement:
    """What is wrong in the end; all lists are empty in a good world."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    misordered: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    dead_by_fault: list[str] = field(default_factory=list)  # dead though they could be written

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.misordered or self.unaccounted or self.dead_by_fault)


def live_through(world: World, story: Story, *, outages: bool) -> None:
    """Play the story to its end: until nothing is to be sent, nothing waits and everything flows."""
    arrivals = sorted(story.deliveries, key=lambda each: each.at)
    tended = world.clock.moment
    if not outages and (world.outage or world.revoked):
        world.outage = world.revoked = False
        world.erp.behave()
    for _ in range(MOST_ROUNDS):
        now = world.clock.now()
        if outages:
            _weather(world, now)
        while arrivals and arrivals[0].at <= now:
            delivery = arrivals.pop(0)
            if not world.send(delivery):
                delivery.at = now + RETRY_OF_THE_SHOP
                arrivals.append(delivery)
                arrivals.sort(key=lambda each: each.at)
        if now - tended >= timedelta(minutes=1):
            world.tend()
            tended = now
        if world.deliver() or world.bury():
            continue
        if not (arrivals or world.queue.messages or world.dead.messages or world.paused):
            return
        moments = [arrivals[0].at if arrivals else None, world.dead.next_visible(), tended + timedelta(minutes=1)]
        if not world.paused:
            moments.append(world.queue.next_visible())
        ahead = [moment for moment in moments if moment and moment > now]
        world.clock.moment = min(ahead, default=now + timedelta(minutes=1))
    raise AssertionError("the world does not come to rest")


def _weather(world: World, now: Any) -> None:
    down = OUTAGE[0] <= now < OUTAGE[1]
    if down != world.outage:
        world.outage = down
        world.erp.behave()
        if down:
            world.struck["ERPNext down for 12 hours"] += 1
            world.erp.misbehave(world.maintenance())
    revoked = REVOKED[0] <= now < REVOKED[1]
    if revoked and not world.revoked:
        world.struck["API key revoked for an hour"] += 1
    world.revoked = revoked


def judge(world: World, story: Story) -> Judgement:
    """Hold ERPNext's documents and the ledger against the story."""
    found = Judgement()
    by_order: dict[str, list[dict[str, Any]]] = {}
    for document in world.erp.documents("Sales Order"):
        by_order.setdefault(str(document["hub_external_id"]).split("~")[0], []).append(document)
    for life in story.lives:
        _judge_order(life, by_order.pop(f"shop-eu:order:{life.number}", []), found)
    found.doubled += by_order  # documents of orders that nobody placed
    _judge_customers(world, story, found)
    _judge_ledger(world, story, found)
    return found


def _judge_order(life: Life, documents: list[dict[str, Any]], found: Judgement) -> None:
    writable = [body for body, can in life.versions if can]
    live = [document for document in documents if document["docstatus"] != CANCELLED]
    name = f"order {life.number}"
    if not writable or writable[-1]["cancelled_at"]:
        found.misordered += [name] if live else []
        return
    if not live:
        found.lost.append(name)
    elif len(live) > 1:
        found.doubled.append(name)
    elif live[0]["docstatus"] != SUBMITTED or not _says(live[0], writable[-1]):
        found.misordered.append(name)


def _says(document: dict[str, Any], body: Body) -> bool:
    wanted = [(line["sku"], Decimal(line["quantity"]), Decimal(line["price"])) for line in body["line_items"]]
    said = [(row["item_code"], Decimal(str(row["qty"])), Decimal(str(row["rate"]))) for row in document["items"]]
    return wanted == said and Decimal(str(document["grand_total"])) == Decimal(body["total_price"])


def _judge_customers(world: World, story: Story, found: Judgement) -> None:
    by_id = Counter(document["hub_external_id"] for document in world.erp.documents("Customer"))
    found.doubled += [key for key, count in by_id.items() if count > 1]
    names = {document["hub_external_id"]: document["customer_name"] for document in world.erp.documents("Customer")}
    for number, versions in story.buyers.items():
        if len(versions) == 1:
            continue  # known by orders only, perhaps by none that could be written
        name = f"{versions[-1]['first_name']} {versions[-1]['last_name']}"
        key = f"shop-eu:customer:{number}"
        if key not in names:
            found.lost.append(key)
        elif names[key] != name:
            found.misordered.append(key)


def _judge_ledger(world: World, story: Story, found: Judgement) -> None:
    bad = {f"order-{life.number}-{n}" for life in story.lives for n, (_, can) in enumerate(life.versions) if not can}
    ends = {entity: world.ends_of(entity) for entity in set(world.accepted.values())}
    for event, entity in world.accepted.items():
        outcome = ends[entity].get(event, "")
        found.outcomes[outcome] += 1
        if outcome not in ENDS:
            found.unaccounted.append(event)
        elif outcome == "dead" and event not in bad:
            found.dead_by_fault.append(event)
    sent = {delivery.webhook_id for delivery in story.deliveries}
    found.unaccounted += sorted(sent - set(world.accepted))


def report(world: World, story: Story, found: Judgement) -> str:
    """What happened and what is wrong, for a person."""
    lines = [
        f"events       {story.facts} ({len(story.deliveries)} deliveries)",
        f"entities     {len(story.lives) + len(story.buyers)}",
        f"time         {world.clock.moment - BEGIN}",
        "outcomes     " + ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.most_common()),
        "faults",
        *(f"  {count:5}  {kind}" for kind, count in sorted(world.struck.items())),
    ]
    for name in ("lost", "doubled", "misordered", "unaccounted", "dead_by_fault"):
        wrong = getattr(found, name)
        lines.append(f"{name.replace('_', ' '):<13}{len(wrong)}" + (f"  {', '.join(wrong[:5])} …" if wrong else ""))
    return "\n".join(lines)


def run(seed: int, events: int, entities: int, *, outages: bool = True) -> tuple[World, Story, Judgement]:
    """One story in one world, then everything dead twice more, then the ledger lost and every delivery repeated."""
    world = World(seed)
    try:
        story = tell(world.dice, events, entities)
        live_through(world, story, outages=outages)
        for _ in range(2):
            world.struck["dead letters redriven"] += world.redrive()
            live_through(world, Story(story.lives, story.buyers, [], 0), outages=False)
        before = world.erp.documents("Sales Order")
        world.lose_the_ledger()
        world.clock.moment += timedelta(minutes=10)  # else SQS takes what comes again for what it has just had
        for delivery in story.deliveries:
            delivery.at = world.clock.moment
        live_through(world, story, outages=False)
        found = judge(world, story)
        if len(world.erp.documents("Sales Order")) != len(before):
            found.doubled.append("orders written again after the ledger was lost")
        return world, story, found
    finally:
        world.stop()


def main(seed: int = 1, events: int = 5_000, entities: int = 500) -> None:
    """Run the faults; exit code 1 unless nothing was lost, doubled, misordered or unaccounted."""
    with mock_aws():
        world, story, found = run(seed, events, entities)
    print(f"seed         {seed}\n{report(world, story, found)}")
    sys.exit(0 if found.good else 1)


if __name__ == "__main__":
    typer.run(main)
