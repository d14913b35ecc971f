"""The `hub` command: what an operator of the hub does from a terminal."""

import typer

from cli import configuration, events, files, flow, ledger, secrets, setup, signature, sync
from cli.approve import approve
from cli.audit import audit
from cli.backfill import backfill
from cli.failure import ToldGroup
from cli.find import find_events
from cli.reconcile import reconcile
from cli.report import report
from cli.rotation import rotate, status
from cli.send import send
from cli.settle import settle
from cli.smoke import smoke

app = typer.Typer(
    name="hub",
    help="Operate the ERP integration hub.",
    cls=ToldGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks would show local variables, and secrets are among them
    add_completion=False,
)
app.add_typer(configuration.app, name="config")
app.add_typer(events.app, name="events")
app.add_typer(files.app, name="files")
app.add_typer(flow.app, name="flow")
app.add_typer(ledger.app, name="ledger")
app.add_typer(secrets.app, name="secrets")
app.add_typer(setup.app, name="setup")
app.add_typer(signature.app, name="signature")
app.add_typer(sync.app, name="sync")
events.app.command("settle")(settle)
secrets.app.command("rotate")(rotate)
secrets.app.command("status")(status)
events.app.command("find")(find_events)
sync.app.command("approve")(approve)
sync.app.command("backfill")(backfill)
audits = typer.Typer(invoke_without_command=True)
audits.callback()(audit)
audits.command("report")(report)
app.add_typer(audits, name="audit")
app.command("reconcile")(reconcile)
app.command("send")(send)
app.command("smoke")(smoke)


if __name__ == "__main__":
    app()
