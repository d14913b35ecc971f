"""Lambda: functions that the hub runs itself."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub.errors import Temporary

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def invoke_later(client: "LambdaClient", function: str, request: Mapping[str, Any]) -> None:
    """Have a function run with this request, without waiting for it; raises Temporary unless Lambda took the request."""
    try:
        client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(request).encode())
    except (BotoCoreError, ClientError) as error:
        raise Temporary(f"{function} could not be run: {reason(error)}") from error
