"""GitLab: a signing token where the integration has one (Standard Webhooks), else the older secret token.

A signing token begins with `whsec_`, so the secret itself says which of the two is meant; nothing in the delivery does.
As long as one signing token is live, only signed deliveries count: otherwise whoever learned an old secret token could
go round the signature.
https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944 and /231325
"""

from dataclasses import replace

from hub.deliveries import Delivery, Expected
from hub.schemes import standard_webhooks, static_token
from hub.webhook_spec import Signature

SIGNING_TOKEN = "whsec_"  # noqa: S105 - what one begins with
TOLERANCE_SECONDS = 300.0  # of Standard Webhooks; a secret token knows no time, so that the manifest states none


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the signature and its time, or that the header holds the secret token."""
    signing = [secret if secret.startswith(SIGNING_TOKEN) else "" for secret in expected.secrets]
    if any(signing):  # the others stay in their places as "", which matches nothing
        window = TOLERANCE_SECONDS if expected.tolerance_seconds is None else expected.tolerance_seconds
        signed = replace(expected, secrets=signing, tolerance_seconds=window)
        return standard_webhooks.verify(delivery, signature, signed)
    return static_token.verify(delivery, signature, expected)
