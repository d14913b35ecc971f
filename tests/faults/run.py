"""Run a story through a world of faults and judge it: `make faults SEED=n`, on the local AWS `make faults LOCAL=1`."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import typer
from moto import mock_aws

from tests.faults import local as on_local_aws
from tests.faults.books import DOCTYPES
from tests.faults.judge import SUBMITTED, Judgement, Seen, judge
from tests.faults.ledger import ends_in
from tests.faults.mishaps import DeskUser, change_api_secret
from tests.faults.report import Progress, report
from tests.faults.story import BEGIN, Story, tell
from tests.faults.world import ERP_SECRET, SHOP_SECRET, TABLE, World

RETRY_OF_THE_SHOP = timedelta(minutes=1)
DOWN = ("maintenance", "drop_before_commit", "html_error")  # by its own word, unreachable, only its proxy answers
NEW_API_SECRET, NEW_SHOP_SECRET = "the second secret", "the app's second client secret"
DAY, BEFORE, END = "at the day's end", "before the ledger was lost", "in the end, all deliveries repeated"
WRITTEN = ("Sales Order", *DOCTYPES)
MOST_ROUNDS = 1_000_000


@dataclass
class Plan:
    """What happens at stated times of the day, soonest first."""

    steps: list[tuple[datetime, Callable[[], None]]]

    def play(self, now: datetime) -> None:
        """Do what is due."""
        while self.steps and self.steps[0][0] <= now:
            self.steps.pop(0)[1]()

    @property
    def next(self) -> datetime | None:
        """When the next step is due."""
        return self.steps[0][0] if self.steps else None


def plan_of(world: World) -> Plan:
    """The day's calamities: a revoked key, a twelve-hour outage, a secret of the shop that changes."""

    def revoke() -> None:
        world.struck["API key revoked for half an hour"] += 1
        change_api_secret(world.erp, NEW_API_SECRET)

    def store_api_secret() -> None:
        world.safe.secrets[ERP_SECRET]["api_secret"] = NEW_API_SECRET

    def down() -> None:
        kind = world.dice.choice(DOWN)
        world.struck[f"ERPNext down for 12 hours: {kind}"] += 1
        world.take_down(kind)

    def shop_changes() -> None:
        world.struck["secret of the webhook changed"] += 1
        world.shop_signs_with.append(NEW_SHOP_SECRET)

    def store_shop_secret() -> None:
        world.safe.secrets[SHOP_SECRET] = {
            "webhook": NEW_SHOP_SECRET,
            "webhook_previous": world.shop_signs_with[0],
            "webhook_previous_until": (world.clock.now() + timedelta(hours=2)).isoformat(),
        }

    def shop_has_changed() -> None:
        world.shop_signs_with.remove(world.shop_signs_with[0])

    minutes = {
        45: revoke,
        75: store_api_secret,
        120: down,
        120 + 720: world.erp.behave,
        960: shop_changes,
        975: store_shop_secret,
        1020: shop_has_changed,
    }
    return Plan([(BEGIN + timedelta(minutes=minute), step) for minute, step in minutes.items()])


def live_through(world: World, story: Story, plan: Plan, progress: Progress) -> None:
    """Play the story to its end: until nothing is to be sent, nothing waits and everything flows."""
    arrivals = sorted(story.deliveries, key=lambda each: each.at)
    due = [each.at for each in arrivals]
    tended = world.clock.moment
    for _ in range(MOST_ROUNDS):
        now = world.clock.now()
        progress.tell(lambda: _where(world, len(arrivals)))
        plan.play(now)
        while arrivals and due[0] <= now:
            delivery = arrivals.pop(0)
            due.pop(0)
            if not world.send(delivery):
                again = now + RETRY_OF_THE_SHOP
                place = sum(moment <= again for moment in due)
                arrivals.insert(place, delivery)
                due.insert(place, again)
        if now - tended >= timedelta(minutes=1):
            world.tend()
            tended = now
        if world.deliver() or world.bury():
            continue
        if not arrivals and not plan.next and world.at_rest:
            return
        moments = [due[0] if due else None, plan.next, world.waits_until(), tended + timedelta(minutes=1)]
        ahead = [moment for moment in moments if moment and moment > world.clock.moment]
        world.clock.moment = min(ahead, default=now + timedelta(minutes=1))
    raise AssertionError("the world does not come to rest")


def _where(world: World, left: int) -> str:
    orders = len(world.erp.documents("Sales Order"))
    state = "paused" if world.paused else "flowing"
    waiting = len(world.queue.messages)
    return f"{world.clock.moment:%d %H:%M}  {left} deliveries to come, {waiting} events wait, {state}, {orders} Sales Orders"


def run(
    seed: int,
    events: int,
    entities: int,
    *,
    share: float = 1.0,
    calamities: bool = True,
    progress: Progress | None = None,
) -> tuple[World, Story, dict[str, Judgement]]:
    """One story in one world; then everything dead twice more; then the ledger lost and every delivery repeated.

    The judgements are of the day's end, of the moment before the loss and of the end. Every third seed takes payments from
    the transactions' events, which are claimed; the others from the orders.
    """
    progress = progress or Progress(lambda _: None)
    world = World(seed, share, "order" if seed % 3 else "transactions")
    nothing = Plan([])
    try:
        story = tell(world.dice, events, entities)
        live_through(world, story, plan_of(world) if calamities else nothing, progress)
        day = judge(story, seen(world))
        for name, again in (("redriven", world.redrive), ("replayed", world.replay)):
            world.struck[f"dead letters {name}"] += again()
            live_through(world, Story(story.lives, story.buyers, [], story.told), nothing, progress)
        before = judge(story, seen(world))
        standing = standing_documents(world, story)
        bodies_lost = bool(world.bodies_lost)
        world.lose_the_ledger()
        world.bodies_lost.clear()
        world.clock.moment += timedelta(minutes=10)  # else SQS takes what comes again for what it has just had
        for delivery in story.deliveries:
            delivery.at = world.clock.moment
        live_through(world, story, nothing, progress)
        end = judge(story, seen(world))
        if not bodies_lost:  # else what could not be read then was written now
            end.doubled += sorted(standing ^ standing_documents(world, story))  # what stood was written again
        return world, story, {DAY: day, BEFORE: before, END: end}
    finally:
        world.stop()


def standing_documents(world: World, story: Story) -> set[str]:
    """The names of the documents that count.

    Without Sales Orders of orders that came to say again what they had said before: a document that says so already is not
    written for that, and bears the older version. Once the ledger is lost what was said in between is written, and undone.
    """
    left_out = {f"shop-eu:order:{life.number}" for life in story.lives if life.repeats_itself}
    written = [each for doctype in WRITTEN for each in world.erp.documents(doctype)]
    counting = [each for each in written if each["docstatus"] == SUBMITTED]
    return {each["name"] for each in counting if str(each.get("hub_external_id")).split("~")[0] not in left_out}


def seen(world: World) -> Seen:
    """What the oracle may look at."""
    return Seen(
        documents=world.erp.documents,
        ends=ends_in(world.dynamodb, TABLE),
        accepted=world.accepted,
        uncertain=frozenset(world.bodies_lost),
        notes={key: (DeskUser.NOTE, note) for key, note in world.desk.notes.items()},
    )


def main(seed: int = 1, events: int = 5_000, entities: int = 500, local: bool = False) -> None:
    """Run the faults; exit code 1 unless nothing was lost, doubled, misordered or unaccounted."""
    began = time.monotonic()
    struck: Mapping[str, int]
    if local:
        story, struck, judgements = on_local_aws.run(seed, events, entities, Progress())
    else:
        with mock_aws():
            world, story, judgements = run(seed, events, entities, progress=Progress())
        struck = world.struck
    print(f"seed         {seed}\n{report(story, struck, judgements)}")
    print(f"time         {time.monotonic() - began:.0f} s")
    sys.exit(0 if all(found.good for found in judgements.values()) else 1)


if __name__ == "__main__":
    typer.run(main)
