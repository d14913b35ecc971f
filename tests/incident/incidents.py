"""The five incidents. Each ends detected, alarmed, repaired and audited, or raises."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from hub import names
from hub.breaker import State
from infra.configuration import ROOT
from infra.local.erpnext.faults import Fault
from infra.local.shopify import Answer
from tests.faults.mishaps import change_api_secret
from tests.incident.judging import Findings, demand
from tests.incident.runbooks import Page, runbook_of
from tests.incident.world import World, now
from tests.local_aws.hub import FLOW, INTEGRATION, OTHER_FLOW, OTHER_INTEGRATION, STAGE, a_line, an_order, wait_for

LOOK, MEND, OVER = "Look", "Mend", "Over when"
NEW_ERP_SECRET, NEW_SHOP_SECRET = "erp-secret-after-the-incident", "client-secret-after-the-incident"
UNKNOWN_ITEM = "POSTER-OF-TOMORROW"
MINUTES_OF_OUTAGE, CHECKS_OF_OUTAGE, QUARTERS_OF_SILENCE = 3, 3, 6
FLOOD, SENDERS = 300, 8
ERP_WORKERS, ERP_SECONDS = 4, 0.03  # of the small site that is flooded: so many requests at once, each for so long
DRAIN_SECONDS = 90.0
SHOP_WAITS_SECONDS = 1.0
SECRET_SECONDS = 60.0  # a function reads its secret again after refusals, though not at each

Incident = Callable[[World, Findings], None]


def erp_down(world: World, found: Findings) -> None:
    """ERPNext is in maintenance: events wait, one outage rings, and everything goes on once it is back."""
    began, names_here = now(), {"shop-eu": INTEGRATION, "shop-eu-to-erp": FLOW, "erp": "erp"}
    world.check(INTEGRATION, OTHER_INTEGRATION, "erp")
    quiet = [world.alarms.must("erp", kind, ring=False) for kind in ("unavailable", "unhealthy")]
    world.notices()
    world.hub.erp.misbehave(Fault("maintenance", times=None))
    bodies = [an_order() for _ in range(5)]
    answers = world.orders(bodies)
    found.saw("detected", _breaker_opens(world))
    world.tend_breaker(MINUTES_OF_OUTAGE)
    world.checks("erp", CHECKS_OF_OUTAGE)
    rang = [world.alarms.must("erp", kind, ring=True) for kind in ("unavailable", "unhealthy")]
    found.saw("alarmed", f"{' and '.join(rang)} ring; before, neither of {len(quiet)} did")
    found.saw("alarmed", _told_once(world, "erp is unavailable"))
    book = runbook_of(world.alarms.of("erp", "unavailable"))
    outage = book.leads_to(MEND, "outage.md")
    seen = world.operator.follows([*book.commands(LOOK), *outage.commands(LOOK)], names_here)
    demand("Session Stopped" in seen, f"{book}: what it looks at does not show ERPNext's own words: {seen}")
    found.saw(
        "detected", f"{outage}: `hub flow status` and `hub status` show ERPNext's words (Session Stopped), {FLOW} waits"
    )
    demand(not any(world.hub.ends(f"order/{body['id']}") for body in bodies), "an order ended while ERPNext was down")

    pause, resume = book.commands(MEND)
    world.operator.follows([pause], names_here)
    world.hub.erp.behave()
    world.hub.tend()
    demand(outage.advises(MEND, "down or in maintenance"), f"{outage} says nothing of a maintenance")
    world.operator.follows([resume], names_here, "--reason", "ERPNext is back")
    world.must_end(bodies, answers, "applied")
    world.hub.settle()
    over = world.operator.follows(book.commands(OVER), names_here)
    demand("flows" in over, f"{book}: {over}")
    found.saw("repaired", f"{book}: paused, resumed once it was back; {len(bodies)} orders are applied")
    _outage_is_over(world, found)
    world.operator.follows(outage.commands(OVER), names_here)
    found.saw("audited", world.must_balance(began, {FLOW: len(bodies), OTHER_FLOW: 0}))
    found.saw("audited", world.must_name(began, ("flow pause", FLOW), ("flow resume", FLOW)))


def secrets_wrong(world: World, found: Findings) -> None:
    """ERPNext's key is revoked, and a shop signs with a new secret: both are told, and mended by storing what is valid."""
    began, names_here = now(), {"shop-eu": OTHER_INTEGRATION, "shop-eu-to-erp": OTHER_FLOW, "erp": "erp"}
    bodies = [an_order() for _ in range(5)]
    answers = _revoked(world, found, names_here, bodies)
    world.must_end(bodies, answers, "applied")
    world.hub.settle()
    _outage_is_over(world, found)
    refused = _signs_anew(world, found, names_here)
    taken = wait_for(lambda: _taken(world, refused), f"{OTHER_INTEGRATION} is still refused", SECRET_SECONDS)
    world.must_end([refused], [taken], "applied", OTHER_INTEGRATION)
    world.alarms.must(OTHER_INTEGRATION, "silent", ring=False)
    found.saw("repaired", f"the refused order came again and is applied; {OTHER_INTEGRATION}'s alarm is silent again")
    found.saw("audited", world.must_balance(began, {FLOW: len(bodies), OTHER_FLOW: 2}))
    deeds = (("secrets set", "erp"), ("secrets rotate", OTHER_INTEGRATION))
    found.saw("audited", world.must_name(began, *deeds))


def poison(world: World, found: Findings) -> None:
    """Orders of an Item that ERPNext does not have: dead, told once, previewed and sent again once it is there."""
    began = now()
    world.alarms.must(INTEGRATION, "escalated", ring=False)
    world.notices()
    bodies = [an_order(a_line(UNKNOWN_ITEM)) for _ in range(3)]
    world.must_end(bodies, world.orders(bodies), "dead")
    world.hub.tend_letters()
    alarm = world.alarms.must(INTEGRATION, "escalated", ring=True)
    found.saw("alarmed", f"{alarm} rings")
    found.saw("alarmed", _told_once(world, UNKNOWN_ITEM))
    names_here = {"shop-eu": INTEGRATION, "shop-eu-to-erp": FLOW, "1042": bodies[0]["name"], "#1042": bodies[0]["name"]}
    book = runbook_of(world.alarms.of(INTEGRATION, "escalated"))
    seen = world.operator.follows(book.commands(LOOK), names_here)
    demand(UNKNOWN_ITEM in seen and bodies[0]["name"].strip("#") in seen, f"{book} does not show the cause: {seen}")
    found.saw("detected", f"{book}: `hub dlq stats`, `list` and `show` name the cause, {UNKNOWN_ITEM}")

    world.make_item(UNKNOWN_ITEM)
    only = ("--error", UNKNOWN_ITEM)
    preview, redrive = book.step(MEND, "See what would change")
    shown = world.operator.follows([preview], names_here, *only)
    demand(
        shown.count("missing → exists") == len(bodies), f"the preview does not show {len(bodies)} documents: {shown}"
    )
    demand(not any(world.hub.orders(body["id"]) for body in bodies), "the preview wrote something")
    found.saw("repaired", f"{book}: the preview shows {len(bodies)} documents that would be made, and makes none")
    world.operator.follows([redrive], names_here, *only, "--reason", f"{UNKNOWN_ITEM} is an Item now")
    for body in bodies:
        wait_for(lambda body=body: world.hub.orders(body["id"]) or None, f"{body['name']} was not written")  # type: ignore[misc]
    world.hub.settle()
    stats = book.commands(OVER)
    wait_for(
        lambda: "escalated" not in world.operator.follows(stats[:1], names_here).partition("Success")[0] or None,
        "`hub dlq stats` still shows escalated ones",
    )
    demand("applied" in world.operator.follows(stats[1:], names_here), f"{book}: {bodies[0]['name']} is not applied")
    demand([len(world.hub.orders(body["id"])) for body in bodies] == [1] * len(bodies), "an order was doubled")
    world.alarms.clock.leap(_period(world.alarms.of(INTEGRATION, "escalated")))
    world.alarms.must(INTEGRATION, "escalated", ring=False)
    found.saw("repaired", f"sent again: {len(bodies)} orders, one document each; letters resolved, the alarm is silent")
    found.saw("audited", world.must_balance(began, {FLOW: len(bodies), OTHER_FLOW: 0}))
    found.saw("audited", world.must_name(began, ("dlq redrive", FLOW)))


def subscription_gone(world: World, found: Findings) -> None:
    """The shop's webhooks vanish: nothing comes, which rings; a check registers them again, and the gap is read."""
    names_here = {"shop-eu": INTEGRATION, "shop-eu-to-erp": FLOW, "erp": "erp"}
    world.operator.types(
        ("hub", "sync", "run"), INTEGRATION, "orders", "--wait"
    )  # a gap is filled from where it was read
    world.operator.types(("hub", "setup", "webhooks"), INTEGRATION, "--reason", "let the hub watch them")
    world.check(INTEGRATION)
    began = now()
    topics = [each["topic"] for each in world.store.admin.subscriptions]
    body, missed_before = an_order(), world.alarms.total("MissedWebhooks", flow=FLOW)
    world.must_end([body], world.orders([body]), "applied")
    world.alarms.must(INTEGRATION, "silent", ring=False)
    world.notices()

    world.store.admin.subscriptions.clear()
    lost = [an_order() for _ in range(3)]
    for each in lost:
        world.store.say(each)  # and nobody is told: there is no subscription
    for _ in range(QUARTERS_OF_SILENCE):
        world.alarms.clock.leap(_period(world.alarms.of(INTEGRATION, "silent")))
    alarm = world.alarms.must(INTEGRATION, "silent", ring=True)
    found.saw("alarmed", f"{alarm} rings after half an hour without a delivery")
    book = runbook_of(world.alarms.of(INTEGRATION, "silent"))
    seen = world.operator.follows(book.commands(LOOK), names_here)
    demand("ORDERS_CREATE is registered no longer" in seen, f"{book}: it does not show what is missing: {seen}")
    found.saw("detected", f"{book}: `hub doctor` says that ORDERS_CREATE is registered no longer")

    (checked,) = world.check(INTEGRATION)
    demand(sorted(checked["mended"]) == sorted(topics), f"registered again were {checked}, not {topics}")
    found.saw("repaired", f"the next health check registered {len(topics)} topics again")
    found.saw("alarmed", _told_once(world, "had no longer registered"))
    world.operator.follows(book.step(MEND, "The subscription is gone")[1:], names_here, "--reason", "fill the gap now")
    for each in lost:
        wait_for(lambda each=each: world.hub.orders(each["id"]) or None, f"{each['name']} was not pulled")  # type: ignore[misc]
    world.hub.settle()
    missed = world.alarms.total("MissedWebhooks", flow=FLOW) - missed_before
    demand(missed == len(lost), f"{missed:g} missed webhooks were counted, not {len(lost)}")
    found.saw("detected", f"{len(lost)} missed webhooks are counted")
    world.operator.follows(book.commands(OVER), names_here)
    world.alarms.must(INTEGRATION, "silent", ring=False)
    found.saw(
        "repaired", f"the gap is pulled: {len(lost)} orders applied; `hub send` gets through, the alarm is silent"
    )
    found.saw("audited", world.must_balance(began, {FLOW: 1 + len(lost) + 1, OTHER_FLOW: 0}))
    found.saw("audited", world.must_name(began, ("sync run", f"{INTEGRATION}/orders")))


def flood(world: World, found: Findings) -> None:
    """A shop sends hundreds of orders at once to a small ERPNext: its queue rings, the other shop's flow goes on."""
    began, names_here = now(), {"shop-eu": OTHER_INTEGRATION, "shop-eu-to-erp": OTHER_FLOW, "erp": "erp"}
    queue = names.queue(STAGE, OTHER_FLOW)
    url, other = world.hub.queue_url(queue), names.queue(STAGE, FLOW)
    limit = float(world.alarms.of(OTHER_FLOW, "queue-long")["Threshold"])
    world.alarms.note_queue(queue, url)
    world.alarms.must(OTHER_FLOW, "queue-long", ring=False)
    world.hub.erp.serve_with(ERP_WORKERS, ERP_SECONDS)
    bodies = [an_order() for _ in range(FLOOD)]
    with ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(lambda body: world.order(body, OTHER_INTEGRATION), bodies))
    told = {each.status for each in answers}
    demand(told == {httpx.codes.OK}, f"of the flood some were answered {told - {httpx.codes.OK}}")
    lengths = []
    for _ in range(int(world.alarms.of(OTHER_FLOW, "queue-long")["EvaluationPeriods"])):
        world.alarms.clock.leap(_period(world.alarms.of(OTHER_FLOW, "queue-long")))
        lengths.append(world.alarms.note_queue(queue, url))
        world.alarms.note_queue(other, world.hub.queue_url(other))
    alarm = world.alarms.must(OTHER_FLOW, "queue-long", ring=True)
    world.alarms.must(FLOW, "queue-long", ring=False)
    found.saw("alarmed", f"{alarm} rings: {lengths[0]} wait, more than {limit:g}; that of {FLOW} is silent")

    single, sent = an_order(), time.monotonic()
    world.must_end([single], world.orders([single]), "applied")
    seconds, left = time.monotonic() - sent, world.hub.waiting(OTHER_FLOW)
    demand(left, f"the flood had drained before the other shop's order was applied, after {seconds:.1f} s")
    found.saw("detected", f"an order of {INTEGRATION} is applied in {seconds:.1f} s, while {left} of the flood wait")
    book = runbook_of(world.alarms.of(OTHER_FLOW, "queue-long"))
    strained = book.leads_to(MEND, "strained.md")
    seen = world.operator.follows([*book.commands(LOOK), *strained.commands(LOOK)], names_here)
    demand(OTHER_FLOW in seen, f"{book} does not show {OTHER_FLOW}: {seen}")
    found.saw("detected", f"{book}: `hub flow status` shows what waits")

    pause, resume = book.commands(MEND)
    world.operator.follows([pause], names_here)
    second, sent = an_order(), time.monotonic()
    world.must_end([second], world.orders([second]), "applied")
    seconds = time.monotonic() - sent
    world.operator.follows([resume], names_here, "--reason", "the others are through")
    world.operator.follows(strained.step(MEND, "A burst"), names_here)
    world.hub.settle(DRAIN_SECONDS)
    world.hub.erp.behave()
    world.must_end(bodies, answers, "applied", OTHER_INTEGRATION)
    world.alarms.clock.leap(_period(world.alarms.of(OTHER_FLOW, "queue-long")))
    world.alarms.note_queue(queue, url)
    world.alarms.must(OTHER_FLOW, "queue-long", ring=False)
    found.saw(
        "repaired", f"{book}: paused ({INTEGRATION} went first: {seconds:.1f} s), resumed; all {FLOOD} applied, silent"
    )
    found.saw("audited", world.must_balance(began, {FLOW: 2, OTHER_FLOW: FLOOD}))
    found.saw("audited", world.must_name(began, ("flow pause", OTHER_FLOW), ("flow resume", OTHER_FLOW)))


INCIDENTS: dict[str, Incident] = {
    "ERPNext down": erp_down,
    "secrets wrong": secrets_wrong,
    "poison orders": poison,
    "subscription gone": subscription_gone,
    "flood": flood,
}


def _revoked(world: World, found: Findings, names_here: dict[str, str], bodies: list[Any]) -> list[Any]:
    """ERPNext's key is revoked, told, and stored anew; the answers to the orders that were sent meanwhile."""
    world.alarms.must("erp", "unavailable", ring=False)
    world.notices()
    change_api_secret(world.hub.erp, NEW_ERP_SECRET)
    answers = world.orders(bodies)
    found.saw("detected", _breaker_opens(world))
    world.tend_breaker(MINUTES_OF_OUTAGE)
    found.saw("alarmed", f"{world.alarms.must('erp', 'unavailable', ring=True)} rings")
    found.saw("alarmed", _told_once(world, "erp is unavailable"))
    outage = runbook_of(world.alarms.of("erp", "unavailable")).leads_to(MEND, "outage.md")
    seen = world.operator.follows(outage.commands(LOOK), names_here)
    demand(
        "refuses the hub's API key" in seen, f"{outage}: what it looks at does not say that the key is refused: {seen}"
    )
    status, put, doctor = outage.step(MEND, "refuses our key")
    key = f'{{"api_secret": "{NEW_ERP_SECRET}"}}'
    world.operator.follows([status], names_here)
    world.operator.follows([put], names_here, "--reason", "ERPNext's key was replaced", stdin=key)
    world.hub.settle()
    world.check("erp")
    confirmed = world.operator.follows([doctor], names_here)
    demand(
        "refuses the hub's API key" not in confirmed,
        f"{outage}: `hub doctor` does not confirm the new key: {confirmed}",
    )
    found.saw(
        "repaired", f"{outage}: `hub secrets set erp`; `hub doctor` confirms it, {len(bodies)} waiting orders go on"
    )
    return answers


def _signs_anew(world: World, found: Findings, names_here: dict[str, str]) -> Any:
    """A shop's client secret is changed, its deliveries are refused, and the hub learns the secret; an order that was
    refused."""
    first = an_order()
    world.must_end([first], world.orders([first], OTHER_INTEGRATION), "applied", OTHER_INTEGRATION)
    world.alarms.must(OTHER_INTEGRATION, "silent", ring=False)
    world.shop_secrets[OTHER_INTEGRATION] = NEW_SHOP_SECRET
    refused = an_order()
    for _ in range(QUARTERS_OF_SILENCE):
        world.alarms.clock.leap(_period(world.alarms.of(OTHER_INTEGRATION, "silent")))
        answer = world.order(refused, OTHER_INTEGRATION)
        demand(
            answer.status == httpx.codes.UNAUTHORIZED, f"a delivery with a wrong signature is answered {answer.status}"
        )
    found.saw("detected", f"{QUARTERS_OF_SILENCE} deliveries of {OTHER_INTEGRATION} are refused: {answer.text}")
    found.saw("alarmed", f"{world.alarms.must(OTHER_INTEGRATION, 'silent', ring=True)} rings")
    counted = world.alarms.total("Refused", integration=OTHER_INTEGRATION)
    demand(counted == QUARTERS_OF_SILENCE, f"{counted:g} refusals are counted, not {QUARTERS_OF_SILENCE}")
    book = runbook_of(world.alarms.of(OTHER_INTEGRATION, "silent"))
    world.operator.follows(book.commands(LOOK), names_here)
    page = book.leads_to(MEND, "troubleshooting.md")
    demand(page == Page(ROOT / "docs/troubleshooting.md"), f"{book} leads to {page}")
    rotate = page.step("Authentication", "The provider's secret was changed")
    world.operator.follows(rotate, names_here, "--reason", "the shop's app has a new secret", stdin=NEW_SHOP_SECRET)
    found.saw("repaired", f"{page}: `hub secrets rotate {OTHER_INTEGRATION}`")
    return refused


def _taken(world: World, body: Any) -> Answer | None:
    """The answer to an order that its shop sends again, once it is acknowledged."""
    answer = world.order(body, OTHER_INTEGRATION)
    if answer.status == httpx.codes.OK:
        return answer
    time.sleep(SHOP_WAITS_SECONDS)
    return None


def _breaker_opens(world: World) -> str:
    wait_for(lambda: world.hub.breaker().state is State.OPEN or None, "the breaker has not opened")
    wait_for(lambda: world.hub.reading(FLOW) == "Disabled" or None, f"{FLOW} is not paused")
    return f"the breaker of erp is open, {FLOW} is not read: {world.hub.waiting()} events wait"


def _outage_is_over(world: World, found: Findings) -> None:
    world.tend_breaker(1)
    world.checks("erp", 1)
    for kind in ("unavailable", "unhealthy"):
        world.alarms.must("erp", kind, ring=False)
    found.saw("repaired", "the breaker is closed, the check passes, its alarms are silent again")


def _told_once(world: World, words: str) -> str:
    """That people were told of something once; raises NotAsPromised else."""
    told: list[str] = []

    def look() -> bool | None:
        told.extend(each for each in world.notices() if words in each)
        return bool(told) or None

    wait_for(look, f"nobody was told of {words}")
    world.hub.tend_letters()
    look()
    demand(len(told) == 1, f"people were told {len(told)} times of {words}")
    return f"one notice: {told[0].splitlines()[0]}"


def _period(alarm: dict[str, Any]) -> int:
    return int(alarm["Period"])
