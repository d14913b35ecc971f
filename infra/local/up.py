"""`make run`: starts the hub on this machine and stays up, telling what arrives and what becomes of it, until Ctrl-C."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hub.config import Config
from hub.manifest import ManifestError
from infra.configuration import CONFIG, load_stage
from infra.local.environment import CannotStart, Environment, tell, with_erp_port
from infra.local.running import DEFAULT_AWS_PORT, ROOT, STATE
from infra.local.tail import Tail
from infra.mistakes import ConfigurationError

LOOK_EVERY_SECONDS = 0.5
STAGE = "local"


def up(aws_port: int | None, erp_port: int | None) -> int:
    """Start, stay up, stop; the exit code is 0 after Ctrl-C or SIGTERM, 1 where it could not start or something fell."""
    with stopped_by_signals():
        try:
            environment = opened(aws_port, erp_port)
        except (ConfigurationError, ManifestError) as error:
            tell(str(error))
            return 1
        is_up = False
        try:
            tell("Starting the hub on this machine.")
            began = time.monotonic()
            environment.start()
            is_up = True
            tell(f"Up after {time.monotonic() - began:.1f} s.\n")
            tell(guide(environment))
            return _stay(environment)
        except KeyboardInterrupt:
            if not is_up:
                tell("\nStopped before it was up.")
            return 0
        except CannotStart as error:
            tell(str(error))
            return 1
        finally:
            if is_up:
                _stop(environment)


def opened(aws_port: int | None, erp_port: int | None) -> Environment:
    """The environment of `config/local.yaml`, not yet started; raises ConfigurationError."""
    config, folder = load_stage(STAGE), CONFIG
    if erp_port:
        folder = STATE / "config"
        config = with_erp_port(config, erp_port, folder)
    return Environment(config, folder, aws_port or DEFAULT_AWS_PORT)


def _stay(environment: Environment) -> int:
    """Tell what happens, until something falls; then 1."""
    tail = Tail(environment.client("logs"), environment.config)
    while not (fallen := environment.fallen()):
        for line in tail.news():
            tell(line)
        time.sleep(LOOK_EVERY_SECONDS)
    tell(fallen)
    return 1


def _stop(environment: Environment) -> None:
    with deaf_to_signals():  # a second Ctrl-C must not leave half of it running
        tell("\nStopping.")
        began = time.monotonic()
        clean = environment.stop()
        found = "finds everything as it is now" if clean else "finds what the last clean stop has saved"
        tell(f"Stopped after {time.monotonic() - began:.1f} s; the next `make run` {found}.")


def guide(environment: Environment) -> str:
    """What a person wants to know once it is up: addresses, and what to try."""
    config = environment.config
    lines = ["Webhook URLs"]
    senders = _senders(config)
    lines += [f"  {name:<10} {environment.webhook_url(name)}" for name in senders]
    if environment.stand_in:
        lines += [
            "",
            "ERPNext stand-in",
            f"  {environment.stand_in.url}   (its documents, for example: {environment.stand_in.url}/app/sales-order)",
        ]
    else:
        lines += ["", "ERPNext", *(f"  {each.url}" for each in config.integrations.values() if each.url)]
    own = environment.folder / f"{config.stage}.yaml"
    shown = own.relative_to(ROOT) if own.is_relative_to(ROOT) else own
    option = "" if environment.folder == CONFIG else f" --config {shown}"
    lines += ["", "Try, in another terminal", "  make demo", *_tries(senders, option)]
    lines += ["", "Ctrl-C stops it; everything is kept. What happens now:"]
    return "\n".join(lines)


def _senders(config: Config) -> list[str]:
    return [name for name in config.integrations if config.flows_from(name)]


def _tries(senders: list[str], option: str) -> list[str]:
    if not senders:
        return []
    return [
        f"  .venv/bin/hub send {senders[0]} orders/create{option}",
        f"  .venv/bin/hub events show 820982911946154508{option}",
    ]


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within: SIGTERM and a closed terminal end us as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deaf_to_signals() -> Iterator[None]:
    """Within: the signals that end us are passed over."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
