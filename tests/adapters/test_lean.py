"""The webhook Lambda's own client of AWS: what botocore bears it bears, and what it cannot do it says."""

import json
import socket
import zlib
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

import botocore.retries.standard
import botocore.session
import pytest

from adapters import aws_calls
from adapters.aws_calls import Patience
from adapters.aws_credentials import FULL_URI, LambdaCredentials, NoCredentials
from adapters.aws_endpoints import endpoint
from adapters.connection import AnswerBroken, NoAnswerInTime, NotReached
from adapters.lean import LeanAws, quick
from adapters.refusals import AwsRefused, AwsSilent
from adapters.s3 import S3Bodies
from adapters.secrets import IntegrationSecrets
from adapters.sending import SqsSender
from adapters.tokens import DynamoTokens
from hub.errors import (
    BodyUnavailable,
    HubError,
    NotConfigured,
    QueueUnavailable,
    SecretUnavailable,
    Temporary,
    TokensUnavailable,
)
from hub.events import to_json
from tests.fakes import NOW, an_event
from tests.servers.process import free_port
from tests.servers.scripted import (
    Behaviour,
    ScriptedServer,
    answer,
    hang_up,
    reset,
    scripted,
    stall,
    then_hang_up,
)

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-central-1"}
SENT = answer(200, b'{"Successful": [{"Id": "0"}]}')
THROTTLED = answer(400, b'{"__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow"}')
PATIENCE = Patience(connect_seconds=1.0, read_seconds=0.15, attempts=2)


class Waits(list[float]):
    """The waits between tries, which take no time here; the longest that chance can bring."""

    def clocks(self, now: float = NOW.timestamp()) -> dict[str, Any]:
        return {"now": lambda: now, "sleep": self.append, "draw": lambda: 1.0}


def put(url: str, waits: Waits | None = None, environment: dict[str, str] | None = None, times: int = 1) -> None:
    """Put an event on a queue at an endpoint."""
    variables = {**KEYS, "AWS_ENDPOINT_URL": url, **(environment or {})}
    aws = LeanAws(variables, PATIENCE, **(Waits() if waits is None else waits).clocks())
    queue = SqsSender(aws.sqs(), "https://sqs.eu-central-1.amazonaws.com/1/q.fifo")
    for _ in range(times):
        queue.put([(an_event("e-1"), to_json(an_event("e-1")))])


def refusal(url: str) -> str:
    with pytest.raises(QueueUnavailable) as raised:
        put(url)
    return str(raised.value)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PASSING: dict[str, Sequence[Behaviour]] = {
    "nothing": [],
    "a reset": [reset],
    "an end without an answer": [hang_up],
    "silence": [stall],
    "500": [answer(500, b"oops")],
    "503 of a proxy": [answer(503, b"<html>", "Connection: close")],
    "a throttling code": [THROTTLED],
    "half a head": [then_hang_up(b"HTTP/1.1 200 OK\r\nContent-Le")],
    "half an answer": [then_hang_up(SENT[:-9])],
    "garbage": [b"220 smtp.example.com ESMTP\r\n\r\n"],
    "a length that is none": [b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"],
    "200 that is not JSON": [answer(200, b"<html>")],
    "200 that is no object": [answer(200, b"[]")],
    "a chunk without its end": [then_hang_up(CHUNKED + b"5\r\n{}")],
    "a checksum of other bytes": [answer(200, b"{}", "x-amz-crc32: 1")],
}


@pytest.mark.parametrize("trouble", PASSING)
def test_what_passes_is_tried_again_at_once_and_once(trouble: str) -> None:
    with scripted([*PASSING[trouble], SENT]) as server:
        waits = Waits()
        put(server.url, waits)

    assert len(server.requests) == len(PASSING[trouble]) + 1
    assert all(0 < wait <= 1.0 for wait in waits)


@pytest.mark.parametrize("trouble", [name for name in PASSING if PASSING[name]])
def test_what_does_not_pass_is_our_trouble_and_never_the_senders(trouble: str) -> None:
    with scripted([*PASSING[trouble], *PASSING[trouble], SENT]) as server:
        told = refusal(server.url)

    assert len(server.requests) == 2
    assert told.startswith("SQS did not confirm the event: ")


def test_what_is_refused_for_good_is_not_tried_again_and_told_by_its_code() -> None:
    missing = answer(
        400,
        b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}',
        "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender",
    )
    denied = answer(403, b'{"__type": "AccessDeniedException"}')
    with scripted([missing, denied]) as server:
        assert refusal(server.url).endswith(": AWS.SimpleQueueService.NonExistentQueue")
        assert refusal(server.url).endswith(": AccessDeniedException")

    assert len(server.requests) == 2


def test_where_nothing_listens_it_is_tried_twice_and_told() -> None:
    waits = Waits()
    with pytest.raises(QueueUnavailable, match="NotReached"):
        put(f"http://127.0.0.1:{free_port()}", waits)

    assert len(waits) == 1


def test_the_connection_is_kept_and_its_end_while_idle_costs_nothing() -> None:
    kept = answer(200, b'{"Successful": [{"Id": "0"}]}')
    with scripted([kept, kept, then_hang_up(kept), kept, reset, kept]) as server:
        waits = Waits()
        put(server.url, waits, times=5)

    assert len(server.requests) == 6  # one was asked on a connection that was just being closed
    assert server.connections == 3
    assert waits == []


def test_an_answer_that_no_one_asked_for_is_not_taken_for_the_next() -> None:
    """Servers tell an idle client that they hang up."""
    late = SENT + answer(408, b"{}")
    with scripted([late, SENT]) as server:
        put(server.url, times=2)

    assert (len(server.requests), server.connections) == (2, 2)


def test_answers_come_in_chunks_or_up_to_the_end_or_after_a_continue() -> None:
    body = b'{"Successful": [{"Id": "0"}]}'
    chunks = CHUNKED + b"%x;ext=1\r\n%s\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n" % (len(body) - 1, body[:-1])
    to_the_end = then_hang_up(b"HTTP/1.0 200 OK\r\n\r\n" + body)
    continued = b"HTTP/1.1 100 Continue\r\n\r\n" + SENT
    with scripted([chunks, continued, to_the_end]) as server:
        waits = Waits()
        put(server.url, waits, times=3)

    assert (len(server.requests), server.connections, waits) == (3, 1, [])


def test_an_answer_that_trickles_is_not_waited_for_longer_than_any_other() -> None:
    def trickle(connection: socket.socket) -> None:
        import time

        try:
            for byte in SENT * 3:
                connection.sendall(bytes([byte]))
                time.sleep(0.03)
        except OSError:
            pass
        connection.close()

    with scripted([trickle, trickle]) as server:
        assert refusal(server.url).endswith("NoAnswerInTime")


def test_a_clock_that_is_wrong_is_set_right_by_aws_own() -> None:
    ahead = 3_600
    date = f"Date: {formatdate(NOW.timestamp() + ahead, usegmt=True)}"
    skewed = answer(400, b'{"__type": "InvalidSignatureException", "message": "Signature expired"}', date)
    with scripted([skewed, SENT, SENT]) as server:
        put(server.url, times=2)

    stamps = [server.headers(place)["x-amz-date"] for place in range(3)]
    assert stamps == ["20260101T120000Z", "20260101T130000Z", "20260101T130000Z"]


def test_a_signature_that_is_refused_while_the_clock_is_right_is_not_tried_again() -> None:
    date = f"Date: {formatdate(NOW.timestamp() + 30, usegmt=True)}"
    with scripted([answer(403, b'{"__type": "SignatureDoesNotMatch"}', date)]) as server:
        assert refusal(server.url).endswith("SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("trouble", "after", "longest"),
    [
        (answer(500), [], [0.05, 0.1, 0.2]),
        (THROTTLED, [], [1.0, 2.0, 4.0]),
        (answer(503, b"{}", "x-amz-retry-after: 3000"), [], [3.0, 3.0, 3.0]),
        (answer(503, b"{}", "x-amz-retry-after: 900000"), [], [5.05, 5.1, 5.2]),
    ],
)
def test_the_waits_are_botocores(trouble: bytes, after: list[bytes], longest: list[float]) -> None:
    waits = Waits()
    with scripted([trouble] * 4) as server:
        aws = LeanAws({**KEYS, "AWS_ENDPOINT_URL": server.url}, PATIENCE._replace(attempts=4), **waits.clocks())
        with pytest.raises(AwsRefused):
            aws.sqs().send_message_batch(QueueUrl="q", Entries=[])

    assert waits == pytest.approx(longest)


def test_what_is_tried_again_is_what_botocore_tries_again() -> None:
    standard: Any = botocore.retries.standard

    assert set(standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES) == aws_calls.THROTTLED
    assert set(standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES) == aws_calls.TRANSIENT
    assert set(standard.TransientRetryableChecker._TRANSIENT_STATUS_CODES) == aws_calls.TRANSIENT_STATUS


def test_two_slow_tries_of_two_calls_fit_into_the_functions_time() -> None:
    for seconds in (1.0, 2.0, 4.0, 9.0):
        patience = quick(seconds)

        assert (patience.connect_seconds + patience.read_seconds) * patience.attempts <= seconds
        assert patience.attempts == 2


def test_credentials_are_read_anew_for_each_request() -> None:
    variables = {**KEYS, "AWS_SESSION_TOKEN": "token-1"}
    with scripted([SENT, SENT]) as server:
        variables["AWS_ENDPOINT_URL"] = server.url
        sqs = LeanAws(variables, PATIENCE, **Waits().clocks()).sqs()
        sqs.send_message_batch(QueueUrl="q", Entries=[])
        variables |= {"AWS_ACCESS_KEY_ID": "AKID2", "AWS_SESSION_TOKEN": "token-2"}
        sqs.send_message_batch(QueueUrl="q", Entries=[])

    assert [server.headers(place)["x-amz-security-token"] for place in (0, 1)] == ["token-1", "token-2"]
    assert "Credential=AKID2/20260101/eu-central-1/sqs/aws4_request" in server.headers(1)["authorization"]


def fetched(key: str, ends: str) -> bytes:
    told = {"AccessKeyId": key, "SecretAccessKey": "s", "Token": "t", "Expiration": ends}
    return answer(200, json.dumps(told).encode())


def test_a_restored_snapshot_fetches_its_credentials_and_renews_them_before_they_end() -> None:
    now = [NOW.timestamp()]
    script = [fetched("ONE", "2026-01-01T12:30:00Z"), fetched("TWO", "2026-01-01T18:00:00Z")]
    with scripted(script) as server:
        variables = {FULL_URI: f"{server.url}/creds?x=1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let me in"}
        credentials = LambdaCredentials(variables, lambda: now[0])
        keys = [credentials.current().access_key, credentials.current().access_key]
        now[0] += 16 * 60
        keys += [credentials.current().access_key]

    assert keys == ["ONE", "ONE", "TWO"]
    assert server.requests[0].startswith(b"GET /creds?x=1 HTTP/1.1\r\n")
    assert server.headers(0)["authorization"] == "let me in"


def test_old_credentials_serve_while_no_new_ones_are_to_be_had_until_shortly_before_their_end() -> None:
    now = [NOW.timestamp()]
    with scripted([fetched("ONE", "2026-01-01T12:30:00Z"), answer(500), answer(500)]) as server:
        credentials = LambdaCredentials({FULL_URI: server.url}, lambda: now[0])
        credentials.current()
        now[0] += 16 * 60
        assert credentials.current().access_key == "ONE"
        now[0] += 5 * 60
        with pytest.raises(NoCredentials):
            credentials.current()


def test_credentials_that_aws_calls_expired_are_fetched_anew() -> None:
    expired = answer(403, b'{"__type": "ExpiredTokenException"}')
    bound = "2026-01-01T18:00:00Z"
    with scripted([fetched("ONE", bound), fetched("TWO", bound)]) as keys, scripted([expired, SENT]) as server:
        put(server.url, environment={"AWS_ACCESS_KEY_ID": "", FULL_URI: keys.url})

    assert ["Credential=TWO/" in server.headers(place)["authorization"] for place in (0, 1)] == [False, True]


def test_expired_credentials_of_the_environment_are_told() -> None:
    with scripted([answer(403, b'{"__type": "com.amazon.coral.service#ExpiredTokenException"}')]) as server:
        assert refusal(server.url).endswith("ExpiredTokenException")


@pytest.mark.parametrize(
    "uri", ["http://169.254.169.254/latest", "http://example.com/", "ftp://127.0.0.1/", "127.0.0.1"]
)
def test_credentials_are_taken_from_nowhere_else(uri: str) -> None:
    with pytest.raises(NoCredentials):
        LambdaCredentials({FULL_URI: uri}).current()


def test_without_any_credentials_the_provider_is_asked_to_send_again() -> None:
    with pytest.raises(QueueUnavailable, match="NoCredentials"):
        put("http://127.0.0.1:1", environment={"AWS_ACCESS_KEY_ID": ""})


def test_a_request_bears_the_trace_of_its_invocation() -> None:
    trace = {
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1\r\nx: y",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
    }
    with scripted([SENT]) as server:
        put(server.url, environment=trace)

    sent = server.headers(0)
    assert sent["x-amzn-trace-id"] == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1%0D%0Ax:%20y"
    assert "x" not in sent
    assert "x-amzn-trace-id" not in sent["authorization"]


def secrets(server: ScriptedServer) -> IntegrationSecrets:
    client = LeanAws({**KEYS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": server.url}, PATIENCE, **Waits().clocks())
    return IntegrationSecrets(client.secretsmanager(), "hub/test/shop", lambda: 0.0, lambda: NOW)


def test_secrets_are_read() -> None:
    with scripted([answer(200, json.dumps({"SecretString": '{"webhook": "live"}'}).encode())]) as server:
        assert secrets(server).live("webhook") == ("live",)

    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"SecretId": "hub/test/shop"}
    assert server.headers(0)["x-amz-target"] == "secretsmanager.GetSecretValue"


def test_tokens_are_looked_up_and_kept() -> None:
    item = json.dumps({"Item": {"event": {"S": "e-1"}}}).encode()
    script = [answer(200, item, f"x-amz-crc32: {zlib.crc32(item)}"), answer(200, b"{}"), answer(200)]
    with scripted(script) as server:
        aws = LeanAws({**KEYS, "AWS_ENDPOINT_URL_DYNAMODB": server.url}, PATIENCE, **Waits().clocks())
        tokens = DynamoTokens(aws.dynamodb(), "ledger", "shop-eu", lambda: NOW)
        found = tokens.event_of("t-1"), tokens.event_of("t-2")
        tokens.keep("t-2", "e-2")

    assert found == ("e-1", None)
    operations = [server.headers(place)["x-amz-target"] for place in range(3)]
    assert operations == [f"DynamoDB_20120810.{name}" for name in ("GetItem", "GetItem", "PutItem")]
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2])["ConsistentRead"] is True


def test_a_large_body_is_kept() -> None:
    with scripted([answer(200, b"")]) as server:
        aws: Any = LeanAws({**KEYS, "AWS_ENDPOINT_URL": server.url}, PATIENCE, **Waits().clocks())
        reference = S3Bodies(aws.s3(), "bodies").keep(b"x" * 3_000_000)

    assert reference.startswith("s3://bodies/bodies/")
    assert server.requests[0].startswith(b"PUT /bodies/bodies/")
    assert len(server.requests[0].partition(b"\r\n\r\n")[2]) == 3_000_000


def test_all_services_trouble_is_temporary() -> None:
    refused = answer(500, b"<Error><Code>InternalError</Code></Error>")
    with scripted([refused] * 9) as server:
        aws: Any = LeanAws({**KEYS, "AWS_ENDPOINT_URL": server.url}, PATIENCE, **Waits().clocks())
        tokens = DynamoTokens(aws.dynamodb(), "ledger", "shop-eu", lambda: NOW)
        kept = IntegrationSecrets(aws.secretsmanager(), "id", lambda: 0.0, lambda: NOW)
        calls: list[tuple[type[HubError], Any]] = [
            (BodyUnavailable, lambda: S3Bodies(aws.s3(), "bodies").keep(b"x")),
            (TokensUnavailable, lambda: tokens.event_of("t")),
            (TokensUnavailable, lambda: tokens.keep("t", "e")),
            (SecretUnavailable, lambda: kept.live("webhook")),
        ]
        for kind, call in calls:
            with pytest.raises(kind, match="InternalError") as raised:
                call()
            assert isinstance(raised.value, Temporary)


REGIONS = [
    *botocore.session.get_session().get_available_regions("sqs"),
    "cn-north-1",
    "cn-northwest-1",
    "us-gov-west-1",
]


@pytest.mark.parametrize("service", ["sqs", "secretsmanager", "dynamodb", "s3"])
def test_endpoints_are_botocores(service: str) -> None:
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    from botocore.endpoint_provider import EndpointProvider

    provider = EndpointProvider(
        loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions")
    )
    extra = {"Bucket": "bodies"} if service == "s3" else {}
    for region in REGIONS:
        theirs = provider.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False, **extra).url
        ours = endpoint(service, {"AWS_REGION": region}, "bodies" if extra else "")

        assert f"https://{ours.authority}" == theirs


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_REGION": ""},
        {"AWS_REGION": "us-iso-east-1"},
        {"AWS_REGION": "us-isob-east-1"},
        {"AWS_REGION": "eu-isoe-west-1"},
        {"AWS_REGION": "eusc-de-east-1"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "True"},
        {"HTTPS_PROXY": "http://proxy:3128"},
        {"AWS_ENDPOINT_URL": "not a url"},
    ],
)
def test_what_no_rule_covers_is_refused_at_the_start(variables: dict[str, str]) -> None:
    with pytest.raises(NotConfigured):
        LeanAws({"AWS_REGION": "us-east-1", **variables}, PATIENCE).sqs()


def test_a_services_own_endpoint_counts_before_the_common_one_and_none_where_they_are_off() -> None:
    stated = {
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "https://all:8443/x/",
        "AWS_ENDPOINT_URL_SQS": "http://one",
    }

    assert endpoint("sqs", stated).authority == "one"
    assert endpoint("s3", stated)[:4] == (True, "all", 8443, "/x")
    assert (
        endpoint("sqs", {**stated, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}).host == "sqs.us-east-1.amazonaws.com"
    )


def test_the_kinds_of_silence_are_told_apart() -> None:
    assert {issubclass(kind, AwsSilent) for kind in (AnswerBroken, NoAnswerInTime, NotReached, NoCredentials)} == {True}
