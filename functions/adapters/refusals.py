"""What AWS says when it refuses, or that it said nothing, in one word for a message."""

import sys
from collections.abc import Mapping
from typing import Any


class AwsRefused(Exception):
    """AWS answered with an error; `code` is its name for it, `told` what else it said."""

    def __init__(self, code: str, status: int, told: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code} (HTTP {status})")
        self.told = told or {}
        self.code = code
        self.status = status


class AwsSilent(Exception):
    """No usable answer came from AWS; the class says how."""


def aws_errors() -> tuple[type[Exception], ...]:
    """What a call to AWS can raise, by either of our clients. An `except` asks for it only once something was raised;
    an error of botocore can only come where botocore is loaded, which the webhook Lambda does without."""
    botocore = sys.modules.get("botocore.exceptions")
    return (AwsRefused, AwsSilent, *((botocore.BotoCoreError, botocore.ClientError) if botocore else ()))


def reason(error: Exception) -> str:
    """AWS's error code; the error's class where AWS did not answer."""
    if isinstance(error, AwsRefused):
        return error.code
    response = getattr(error, "response", None)  # of botocore's ClientError
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
