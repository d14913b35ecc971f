"""Lambda: functions that the hub runs itself."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub.errors import Temporary

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def invoke(client: "LambdaClient", function: str, request: Mapping[str, Any]) -> Any:
    """A function's answer; raises Temporary where it is not run, or fails."""
    try:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(request).encode())
        content = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        raise Temporary(f"{function} could not be run: {reason(error)}") from error
    if answer.get("FunctionError"):
        raise Temporary(f"{function} failed; its log tells why")
    return content


def invoke_later(client: "LambdaClient", function: str, request: Mapping[str, Any]) -> None:
    """Have a function run with this request, without waiting for it; raises Temporary unless Lambda took the request."""
    try:
        client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(request).encode())
    except (BotoCoreError, ClientError) as error:
        raise Temporary(f"{function} could not be run: {reason(error)}") from error
