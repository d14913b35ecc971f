"""Notes what an operator is about to do, before it is done: `noted` stands in every command that changes something."""

import getpass
import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError

from adapters.trail import DynamoTrail
from cli.failure import Failed
from cli.stage import Stage
from hub import names
from hub.trail import TrailUnavailable

WhyOption = Annotated[
    str, typer.Option("--reason", help="Why, for those who come after you; `hub audit report` tells it.")
]


def noted(opened: Stage, action: str, about: str, reason: str, **details: str) -> None:
    """Record who does what and why; raises Failed where that is impossible. Then nothing may be done: call it last, after
    all questions and checks, and before the first change. `details` bear no secrets."""
    try:
        trail(opened).note(action, about, reason.strip(), details)
    except TrailUnavailable as error:
        if isinstance(error.__cause__, BotoCoreError):
            raise error.__cause__ from error  # no answer, no login: told as every command tells it
        if getattr(error.__cause__, "response", {}).get("Error", {}).get("Code") == "ResourceNotFoundException":
            what = f"stage {opened.name} is not deployed, or not since the trail exists"
            raise Failed(
                f"Nothing was done, since it could not be recorded: {what}; {opened.how_to_deploy()}."
            ) from error
        raise Failed(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def user() -> str:
    """The account on this machine; "unknown" in a container that knows no names."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def trail(opened: Stage) -> DynamoTrail:
    """The trail of a stage."""
    return DynamoTrail(
        opened.dynamodb(),
        names.trail_table(opened.name),
        opened.caller,
        user,
        lambda: datetime.now(UTC),
        lambda: uuid.uuid4().hex,
    )
