"""The `hub` command: what an operator of the hub does from a terminal."""

import typer

from cli import configuration, events, flow, secrets, setup, signature
from cli.failure import ToldGroup
from cli.rotation import rotate, status
from cli.send import send

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
app.add_typer(flow.app, name="flow")
app.add_typer(secrets.app, name="secrets")
app.add_typer(setup.app, name="setup")
app.add_typer(signature.app, name="signature")
secrets.app.command("rotate")(rotate)
secrets.app.command("status")(status)
app.command("send")(send)


if __name__ == "__main__":
    app()
