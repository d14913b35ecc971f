"""The signature is botocore's own, to the byte."""

import hashlib
import itertools
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from adapters.sigv4 import Credentials, Signer

TOKENS = st.text("ABCDEFabcdef0123456789+/=", min_size=1, max_size=80)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20).map(lambda name: f"x-amz-{name}")
VALUES = st.lists(st.text("!#$%&'()*+,-./0123456789:;=?@ABCXYZ[]^_abcxyz{|}~", min_size=1), min_size=1).map(" ".join)
MOMENTS = st.integers(1_577_836_800, 4_102_444_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def by_botocore(
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    credentials: Credentials,
    where: tuple[str, str],
    at: datetime,
) -> dict[str, str]:
    """The headers that botocore makes of a request; of S3, with a payload hash where the url is http."""
    service, region = where
    kind = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    keys = BotocoreCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    request = AWSRequest(method, url, headers=dict(headers), data=body)
    with patch("botocore.auth.get_current_datetime", lambda: at):
        kind(keys, service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    service=st.sampled_from(["sqs", "secretsmanager", "dynamodb"]),
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1"]),
    headers=st.dictionaries(
        NAMES.filter(lambda name: name not in {"x-amz-date", "x-amz-security-token"}), VALUES, max_size=5
    ),
    body=st.binary(max_size=2_000),
    keys=st.tuples(TOKENS, TOKENS, st.just("") | TOKENS),
    at=MOMENTS,
)
def test_an_authorization_is_botocores(
    service: str, region: str, headers: dict[str, str], body: bytes, keys: tuple[str, str, str], at: datetime
) -> None:
    credentials, host = Credentials(*keys), f"{service}.{region}.amazonaws.com"
    theirs = by_botocore("POST", f"https://{host}/", headers, body, credentials, (service, region), at)

    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "host": host, "x-amz-date": stamp}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    ours = Signer(service, region).authorization("POST", "/", signed, body, credentials, stamp)

    assert ours == theirs["authorization"]
    assert stamp == theirs["x-amz-date"]
    assert credentials.token == theirs.get("x-amz-security-token", "")


@given(key=st.text("abcXYZ019/-_.~ +ü", min_size=1), body=st.binary(max_size=100), at=MOMENTS)
def test_an_object_is_kept_under_botocores_signature(key: str, body: bytes, at: datetime) -> None:
    credentials = Credentials("AKID", "secret", "token")
    path, host = f"/{quote(key)}", "bodies.s3.us-east-1.amazonaws.com"
    theirs = by_botocore("PUT", f"http://{host}{path}", {}, body, credentials, ("s3", "us-east-1"), at)

    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    signed = {
        "host": host,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": stamp,
        "x-amz-security-token": "token",
    }
    ours = Signer("s3", "us-east-1").authorization("PUT", path, signed, body, credentials, stamp)

    assert ours == theirs["authorization"]
    assert signed["x-amz-content-sha256"] == theirs["x-amz-content-sha256"]


def test_the_kept_key_is_another_for_another_day_and_other_credentials() -> None:
    signer = Signer("sqs", "us-east-1")
    days = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (20, 21, 20)]
    people = [Credentials("A", "one"), Credentials("A", "two")]
    for at, credentials in itertools.product(days, people):
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        signed = {"host": "sqs.us-east-1.amazonaws.com", "x-amz-date": stamp}
        url, where = "https://sqs.us-east-1.amazonaws.com/", ("sqs", "us-east-1")
        theirs = by_botocore("POST", url, {}, b"{}", credentials, where, at)

        assert signer.authorization("POST", "/", signed, b"{}", credentials, stamp) == theirs["authorization"]


@pytest.mark.parametrize("shown", [repr, str])
def test_credentials_do_not_show_themselves(shown: type) -> None:
    assert "hidden" not in shown(Credentials("AKID", "hidden-key", "hidden-token"))
