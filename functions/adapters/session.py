"""The AWS clients of the functions behind the edge, by name as botocore's session makes them.

Queues, tables and secrets are called by our own client, which starts at once and takes a tenth of the processor time of
a call; whatever else is asked for is botocore's, loaded at its first use. Errors are botocore's in both cases.
"""

import os
from collections.abc import Mapping
from functools import partial
from threading import RLock
from typing import Any

from adapters.aws_calls import JsonService, Patience
from adapters.aws_credentials import LambdaCredentials
from adapters.aws_endpoints import endpoint
from adapters.connection import AnswerBroken, NoAnswerInTime
from adapters.lean import TARGETS
from adapters.refusals import AwsRefused, AwsSilent
from adapters.trust import trust

BOTOCORES = frozenset({"can_paginate", "exceptions", "get_paginator", "get_waiter", "meta"})  # of a client


class Session:
    """Makes clients that share the Lambda's credentials; they serve any number of threads."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._credentials = LambdaCredentials(environment)
        self._trust = trust(environment)
        self._lock = RLock()  # botocore makes no clients in several threads at once
        self._botocore: Any = None

    def create_client(self, service: str, config: Patience) -> Any:
        """A client for "sqs", "dynamodb" …"""
        late = LateClient(partial(self._botocores, service, config), self._lock)
        if service not in TARGETS:
            return late
        target, version = TARGETS[service]
        where = endpoint(service, self._environment)
        wired = (service, where, self._credentials, config, self._trust, self._environment)
        return JsonClient(JsonService(target, version, *wired), where.authority, late)

    def _botocores(self, service: str, patience: Patience) -> Any:
        import botocore.session
        from botocore.config import Config

        self._botocore = self._botocore or botocore.session.get_session()
        config = Config(
            connect_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
            retries={"total_max_attempts": patience.attempts, "mode": "standard"},
        )
        return self._botocore.create_client(service, config=config)


class LateClient:
    """A client of botocore's that is made when it is first used."""

    def __init__(self, make: Any, lock: Any) -> None:
        self._make = make
        self._lock = lock
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        with self._lock:
            self._made = self._made or self._make()
        return getattr(self._made, name)


class JsonClient:
    """A client whose operations are what JSON carries as it is, or with bytes in base64."""

    def __init__(self, service: JsonService, where: str, late: LateClient) -> None:
        self._service = service
        self._where = where
        self._late = late

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in BOTOCORES:
            return getattr(self._late, name)
        return partial(self._ask, "".join(part.capitalize() for part in name.split("_")))

    def _ask(self, operation: str, /, **asked: Any) -> dict[str, Any]:
        try:
            return self._service.ask(operation, asked)
        except AwsRefused as error:
            raise _refusal(error, operation) from error
        except AwsSilent as error:
            raise _silence(error, self._where) from error


def _refusal(error: AwsRefused, operation: str) -> Exception:
    from botocore.exceptions import ClientError

    told = dict(error.told)
    message = str(told.pop("message", "") or told.pop("Message", ""))
    response: Any = {
        **told,
        "Error": {"Code": error.code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": error.status},
    }
    return ClientError(response, operation)


def _silence(error: AwsSilent, where: str) -> Exception:
    from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

    kinds = {NoAnswerInTime: ReadTimeoutError, AnswerBroken: ConnectionClosedError}
    return kinds.get(type(error), EndpointConnectionError)(endpoint_url=where, error=error)
