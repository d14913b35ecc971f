"""The local AWS's own process: MiniStack, with two defects of the pinned version mended and an end when its owner ends.

Run by infra.local.ministack with the Python of .venv-aws, which holds MiniStack and nothing of ours; settings come by
environment variables. Raising MiniStack's version: see tests/local/test_ministack.py for what must still hold.
"""

import os
import signal
import sys
import threading
from typing import Any

from ministack.app import main
from ministack.core import iam_actions
from ministack.services import cloudformation
from ministack.services.cloudformation import provisioners

_update_resource = provisioners._update_resource
_extract_iam_action = iam_actions.extract_iam_action


def _update_keeping_attributes(
    resource_type: str,
    physical_id: str,
    old_props: dict[str, Any],
    new_props: dict[str, Any],
    stack_name: str,
    logical_id: str | None = None,
    old_attrs: dict[str, Any] | None = None,
) -> Any:
    """Update one resource of a stack, remembering the attributes of one that did not change.

    MiniStack 1.5.33 forgets them in nested stacks, so that every `Fn::GetAtt` on an unchanged resource fails an update
    with "Requested attribute Arn does not exist in schema".
    """
    if old_attrs is None:
        stack = cloudformation._stacks.get(stack_name) or {}
        old_attrs = stack.get("_resources", {}).get(logical_id, {}).get("Attributes")
    return _update_resource(resource_type, physical_id, old_props, new_props, stack_name, logical_id, old_attrs)


def _action_of_aws(service: str, *request: Any) -> str | None:
    """The action that a request needs the right to.

    SQS's batch calls have none of their own: ChangeMessageVisibilityBatch needs sqs:ChangeMessageVisibility
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html).
    MiniStack 1.5.33 asks for a right that does not exist, so that the least privilege of AWS is too little here.
    """
    action: str | None = _extract_iam_action(service, *request)
    return action.removesuffix("Batch") if service == "sqs" and action else action


def _end_with_owner() -> None:
    """Stop cleanly, saving the state, when the process that started this one is gone: its end of our input closes."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    provisioners._update_resource = _update_keeping_attributes
    iam_actions.extract_iam_action = _action_of_aws
    threading.Thread(target=_end_with_owner, daemon=True).start()
    main()
