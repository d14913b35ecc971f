"""The secrets of the local environment: fixed, known to everybody, and good for nothing anywhere else."""

import base64
import json
from typing import Any

from connectors import manifest_path
from hub import names
from hub.config import Config
from hub.manifest import read_manifest
from hub.webhook_spec import Signature
from infra.local.stand_in import TOKEN

KEY, SECRET = TOKEN.split(":")
SIGNING = "local-only-signing-secret-of-"


def store_local_secrets(client: Any, config: Config, stand_ins: set[str]) -> list[str]:
    """Give each integration that has no secrets yet its local ones; return the names of those that got some.

    `stand_ins` are the integrations whose system is a stand-in of ours. Another destination's keys only its owner has.
    What a person stored stays.
    """
    stored = []
    for name, integration in config.integrations.items():
        secret_id = names.secret(config.stage, name)
        if json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"]):
            continue
        webhook = read_manifest(manifest_path(integration.connector)).webhook
        values = {}
        if webhook and webhook.signature.secret:
            values[webhook.signature.secret] = written(signing_secret(name), webhook.signature)
        if name in stand_ins:
            values |= {"api_key": KEY, "api_secret": SECRET}
        if values:
            client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(values))
            stored.append(name)
    return stored


def written(secret: str, signature: Signature) -> str:
    """A text as a scheme reads keys."""
    if signature.key == "hex":
        return secret.encode().hex()
    if signature.key == "base64" or signature.scheme == "standard_webhooks":
        return base64.b64encode(secret.encode()).decode("ascii")
    return secret


def signing_secret(integration: str) -> str:
    """The secret that an integration's deliveries are signed with here, unless a person stored another."""
    return SIGNING + integration
