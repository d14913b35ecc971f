"""Which authorities AWS's certificates are held against.

Reading the machine's hundred and forty takes five times as long as all the rest of TLS, so those of Amazon Trust
Services come first (https://www.amazontrust.com/repository/); all of the machine's are read only where they do not
vouch for an endpoint, which AWS does not promise for all partitions and times.
"""

import ssl
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from adapters.connection import Trust

AMAZON = Path(__file__).with_name("amazon_roots.pem")


def trust(environment: Mapping[str, str]) -> tuple[Trust, ...]:
    """The ways to verify an endpoint, in this order; only the operator's own where AWS_CA_BUNDLE names one."""
    if stated := environment.get("AWS_CA_BUNDLE"):
        return (partial(_context, stated),)
    return (partial(_context, str(AMAZON)), _machines)


@cache
def _context(authorities: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authorities)


@cache
def _machines() -> ssl.SSLContext:
    return ssl.create_default_context()
