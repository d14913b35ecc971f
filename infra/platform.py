"""What differs between AWS and the local AWS: this table, and nothing else in the template."""

import platform
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_


@dataclass(frozen=True)
class Platform:
    """Where a stage runs."""

    architecture: lambda_.Architecture
    enforce_tls: bool  # refuse plain HTTP by resource policy
    keep_ledger: bool  # the ledger outlives its stack, and so do the bodies that it refers to
    composite_alarms: bool  # one outage makes one page; without them each alarm tells for itself
    alarm_math: bool  # alarms may watch an expression

    @property
    def ledger_removal(self) -> cdk.RemovalPolicy:
        """What becomes of the ledger and its bodies when their stack goes."""
        return cdk.RemovalPolicy.RETAIN if self.keep_ledger else cdk.RemovalPolicy.DESTROY


AWS = Platform(
    architecture=lambda_.Architecture.ARM_64,  # costs a fifth less than x86 and starts faster
    enforce_tls=True,
    keep_ledger=True,
    composite_alarms=True,
    alarm_math=True,
)


def platform_of(stage: str) -> Platform:
    """AWS, except for the stage `local`: its emulator runs functions on this machine and speaks plain HTTP."""
    if stage != "local":
        return AWS
    host_is_arm = platform.machine() in ("aarch64", "arm64")
    return Platform(
        architecture=lambda_.Architecture.ARM_64 if host_is_arm else lambda_.Architecture.X86_64,
        enforce_tls=False,
        keep_ledger=False,
        composite_alarms=False,
        alarm_math=False,
    )
