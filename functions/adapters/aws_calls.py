"""Signed calls to one AWS service, with botocore's patience and without its start-up time.

What it keeps of botocore's "standard" retry mode: which errors are tried again, how often, and after which wait. What
it adds: a wrong clock is corrected by AWS's own. The tests hold both against botocore.
"""

import base64
import json
import random
import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from adapters.aws_credentials import LambdaCredentials
from adapters.aws_endpoints import Endpoint
from adapters.connection import Answer, AnswerBroken, Connection, Trust
from adapters.refusals import AwsRefused, AwsSilent
from adapters.sigv4 import Signer

THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "TooManyRequestsException",
    "ProvisionedThroughputExceededException", "TransactionInProgressException", "RequestLimitExceeded",
    "BandwidthLimitExceeded", "LimitExceededException", "RequestThrottled", "SlowDown", "PriorRequestNotComplete",
    "EC2ThrottledException",
})  # fmt: skip
TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
TRANSIENT_STATUS = frozenset({500, 502, 503, 504})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"})
WRONG_TIME = frozenset({
    "RequestTimeTooSkewed", "RequestExpired", "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure",
})  # fmt: skip
SKEW_SECONDS = 240.0  # AWS refuses times that are five minutes off
MAX_WAIT_SECONDS = 20.0
MAX_ASKED_WAIT_SECONDS = 5.0  # beyond our own, that x-amz-retry-after can ask for
TRACE = "_X_AMZN_TRACE_ID"


class Patience(NamedTuple):
    """How long and how often a call is tried."""

    connect_seconds: float
    read_seconds: float
    attempts: int


class AwsService:
    """The calls to one service, by any number of threads: each call has a connection to itself."""

    def __init__(
        self,
        service: str,
        endpoint: Endpoint,
        credentials: LambdaCredentials,
        patience: Patience,
        trust: tuple[Trust, ...],
        environment: Mapping[str, str],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._attempts = patience.attempts
        self._environment = environment
        self._now = now
        self._sleep = sleep
        self._draw = draw
        self._wait_scale = 0.025 if service == "dynamodb" else 0.05  # seconds; as botocore
        self._signer = Signer(service, endpoint.region)
        self._connect = partial(
            Connection,
            endpoint.host,
            endpoint.port,
            trust if endpoint.secure else (),
            patience.connect_seconds,
            patience.read_seconds,
        )
        self._idle: list[Connection] = []
        self._ahead = 0.0  # seconds that AWS's clock is ahead of ours, where that is too much

    def call(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        """What an answer with status 2xx says; raises AwsRefused or AwsSilent for anything else, after the tries that
        it is worth. Whatever is called must be safe to repeat."""
        attempt = 1
        while True:
            error: AwsRefused | AwsSilent
            answer: Answer | None = None
            try:
                answer = self._exchange(self._request(method, path, headers, body))
                if 200 <= answer.status < 300:
                    return self._read(answer)
                error = AwsRefused(code_of(answer), answer.status, self._told(answer))
            except AwsSilent as silent:
                error = silent
            if attempt >= self._attempts or not self._worth_another(error, answer):
                raise error
            self._sleep(self._wait_seconds(error, answer, attempt))
            attempt += 1

    def _exchange(self, request: bytes) -> Answer:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            return connection.exchange(request)
        finally:
            self._idle.append(connection)

    def _read(self, answer: Answer) -> Any:
        """What an answer says; raises AnswerBroken where that is nothing."""
        return answer.body

    def _told(self, _answer: Answer) -> dict[str, Any]:
        """What a refusal says beside its code."""
        return {}

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        credentials = self._credentials.current()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now() + self._ahead))
        path = self._endpoint.base + path
        signed = {**headers, "host": self._endpoint.authority, "x-amz-date": stamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        authorization = self._signer.authorization(method, path, signed, body, credentials, stamp)
        lines = [f"{name}: {value}" for name, value in signed.items()]
        lines += [f"authorization: {authorization}", f"content-length: {len(body)}", "user-agent: erp-integration-hub"]
        if (trace := self._environment.get(TRACE)) and "AWS_LAMBDA_FUNCTION_NAME" in self._environment:
            trace = quote(trace, safe="-=;:+&[]{}\"',")
            lines.append(f"x-amzn-trace-id: {trace}")
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        return head.encode("latin-1") + body

    def _worth_another(self, error: AwsRefused | AwsSilent, answer: Answer | None) -> bool:
        if isinstance(error, AwsSilent):
            return True
        if error.status in TRANSIENT_STATUS or error.code in THROTTLED or error.code in TRANSIENT:
            return True
        if error.code in EXPIRED:
            return self._credentials.renewed()
        return error.code in WRONG_TIME and answer is not None and self._clock_corrected(answer)

    def _clock_corrected(self, answer: Answer) -> bool:
        """Whether AWS's clock is another than ours was taken to be, so that the time was the mistake."""
        from email.utils import parsedate_to_datetime  # loads much, and is seldom needed

        try:
            theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except (ValueError, TypeError):
            return False
        ahead = theirs - self._now()
        if abs(ahead - self._ahead) < SKEW_SECONDS:
            return False
        self._ahead = ahead
        return True

    def _wait_seconds(self, error: AwsRefused | AwsSilent, answer: Answer | None, attempt: int) -> float:
        scale = 1.0 if isinstance(error, AwsRefused) and error.code in THROTTLED else self._wait_scale
        wait = self._draw() * min(scale * 2.0 ** (attempt - 1), MAX_WAIT_SECONDS)
        asked = answer.headers.get("x-amz-retry-after", "") if answer else ""
        if asked.isascii() and asked.isdigit():  # milliseconds
            wait = max(wait, min(int(asked) / 1000, MAX_ASKED_WAIT_SECONDS + wait))
        return wait


class JsonService(AwsService):
    """A service that takes and gives JSON, with the operation's name in a header."""

    def __init__(self, target: str, version: str, *wired: Any, **clocks: Any) -> None:
        super().__init__(*wired, **clocks)
        self._target = target
        self._has_bytes = target.startswith("DynamoDB")
        self._content_type = f"application/x-amz-json-{version}"

    def ask(self, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one operation; raises AwsRefused or AwsSilent."""
        headers = {
            "content-type": self._content_type,
            "x-amz-target": f"{self._target}.{operation}",
            "x-amzn-query-mode": "true",  # errors bear the codes that they always had, where a service changed them
        }
        told: dict[str, Any] = self.call("POST", "/", headers, json.dumps(asked, default=_as_text).encode())
        return told

    def _read(self, answer: Answer) -> Any:
        stated = answer.headers.get("x-amz-crc32")  # DynamoDB's
        if stated and stated != str(zlib.crc32(answer.body)):
            raise AnswerBroken("its checksum is another than stated")
        return self._parsed(answer.body) if answer.body else {}

    def _told(self, answer: Answer) -> dict[str, Any]:
        try:
            return self._parsed(answer.body)
        except AnswerBroken:  # of a proxy, say
            return {}

    def _parsed(self, body: bytes) -> dict[str, Any]:
        try:
            told = json.loads(body, object_hook=_with_bytes if self._has_bytes else None)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise AnswerBroken("not a JSON object")
        return told


def _as_text(value: Any) -> str:
    """Bytes as AWS's JSON has them."""
    return base64.b64encode(value).decode("ascii")


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """An attribute of DynamoDB's that holds bytes, as bytes."""
    if len(value) == 1 and isinstance(value.get("B"), str):
        return {"B": base64.b64decode(value["B"])}
    return value


def code_of(answer: Answer) -> str:
    """The service's name for its error: in a header, in JSON, or in S3's XML; else the HTTP status."""
    query, _, kind = answer.headers.get("x-amzn-query-error", "").partition(";")
    if query and kind:
        return query
    code = answer.headers.get("x-amzn-errortype", "")
    try:
        told = json.loads(answer.body)
        code = code or told.get("__type") or told.get("code")
    except (ValueError, AttributeError):
        _, _, rest = answer.body.partition(b"<Code>")
        code = code or rest.partition(b"</Code>")[0].decode("latin-1")
    code = str(code or "").partition(":")[0].rpartition("#")[2]
    return code if code.isascii() and code.isprintable() and 0 < len(code) <= 100 else str(answer.status)
