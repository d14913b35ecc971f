"""`python -m infra.local up` is `make run`, `python -m infra.local demo` is `make demo`."""

import argparse
import os
import sys


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description="The hub on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start the hub and stay up until Ctrl-C"), ("demo", "send, show and compare, then end")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--aws-port", type=int, default=_port("HUB_LOCAL_AWS_PORT"), help="of the local AWS")
        command.add_argument(
            "--erp-port", type=int, default=_port("HUB_LOCAL_ERP_PORT"), help="of the ERPNext stand-in"
        )
    options = parser.parse_args(arguments)
    if options.command == "up":
        from infra.local.up import up

        return up(options.aws_port, options.erp_port)
    from infra.local.demo import demo

    return demo(options.aws_port, options.erp_port)


def _port(variable: str) -> int | None:
    value = os.environ.get(variable, "")
    if value and not value.isdigit():
        sys.exit(f"{variable} is {value!r}; it must be a port number.")
    return int(value) if value else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
