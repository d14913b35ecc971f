"""Where AWS's services are, by the rules of botocore that a Lambda can meet; what these do not cover is refused."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from hub.errors import NotConfigured

SUFFIXES = {"cn": "amazonaws.com.cn"}  # by the region's first part; of all others that are known: amazonaws.com
COMMERCIAL = ("af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us", "cn")
APART = ("us-iso", "us-isob", "us-isof", "eu-isoe")  # partitions with suffixes of their own
ENDPOINT = "AWS_ENDPOINT_URL"
NOT_HERE = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")


class Endpoint(NamedTuple):
    """Where a service is. `shared`: one address for all its resources, as an emulator has it."""

    secure: bool
    host: str
    port: int
    base: str  # path before the service's own, without the last slash
    region: str
    shared: bool

    @property
    def authority(self) -> str:
        """The Host header: without the scheme's own port, as what is signed must be what arrives."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"


def endpoint(service: str, environment: Mapping[str, str], host: str = "") -> Endpoint:
    """The endpoint of a service ("sqs", "secretsmanager", "dynamodb", "s3") in the Lambda's region; of the virtual host
    `host` in it, if one is given. Raises NotConfigured for what no rule here covers."""
    region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION")
    if not region:
        raise NotConfigured("no region: set AWS_DEFAULT_REGION")
    if stated := _stated(service, environment):
        parts = urlsplit(stated)
        secure = parts.scheme == "https"
        if not parts.hostname or parts.scheme not in ("https", "http"):
            raise NotConfigured(f"{ENDPOINT} is not a URL: {stated}")
        port = parts.port or (443 if secure else 80)
        return Endpoint(secure, parts.hostname, port, parts.path.rstrip("/"), region, shared=True)
    for name in NOT_HERE:
        if environment.get(name, "").lower() == "true":
            raise NotConfigured(
                f"{name} is not known to the webhook Lambda: state the addresses as {ENDPOINT}_SQS etc."
            )
    if environment.get("HTTPS_PROXY") or environment.get("https_proxy"):
        raise NotConfigured("the webhook Lambda uses no proxy: take HTTPS_PROXY away, and give its VPC endpoints")
    part = region.partition("-")[0]
    if part not in COMMERCIAL or region.rpartition("-")[0].startswith(APART):
        raise NotConfigured(f"the endpoints of {region} are not known to the webhook Lambda: state them as {ENDPOINT}")
    name = f"{service}.{region}.{SUFFIXES.get(part, 'amazonaws.com')}"
    return Endpoint(True, f"{host}.{name}" if host else name, 443, "", region, shared=False)


def _stated(service: str, environment: Mapping[str, str]) -> str:
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    own = {"secretsmanager": "SECRETS_MANAGER"}.get(service, service.upper())
    return environment.get(f"{ENDPOINT}_{own}") or environment.get(ENDPOINT) or ""
