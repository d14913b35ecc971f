"""How providers sign what they send: one function per scheme, written from their documentation and not from hub.schemes.

`hub send` signs with them, and the contract suite sends every connector's examples with them, so that two pieces of
code must agree before a delivery is accepted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub.webhook_spec import Signature


@dataclass(frozen=True, slots=True)
class Draft:
    """A request before or after it is signed. `url` is the one that the provider calls, with its query."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def with_headers(self, **headers: str) -> "Draft":
        """The same with more headers; `_` in a keyword stands for `-`."""
        return self.adding({name.replace("_", "-"): value for name, value in headers.items()})

    def adding(self, headers: Mapping[str, str]) -> "Draft":
        """The same with more headers, which replace those of the same name."""
        new = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in new}
        return replace(self, headers=kept | dict(headers))

    def header(self, name: str) -> str:
        """The value of a header, "" where there is none."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Sender:
    """What a provider knows of one integration. `private_key` (PEM) is had by nobody but the provider, and by tests."""

    secret: str
    now: float  # Unix seconds
    states: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    private_key: bytes = b""

    def stated(self, name: str, otherwise: str = "") -> str:
        """What the integration's `expects` says, the first of several."""
        value = self.states.get(name, otherwise)
        return value if isinstance(value, str) else next(iter(value), otherwise)


Sign = Callable[[Draft, Signature, Sender], Draft]


class OnlyTheProvider(Exception):
    """A delivery that can be signed with the provider's own private key alone."""


def signers() -> Mapping[str, Sign]:
    """Every scheme's signer by the scheme's name."""
    from cli.signing import documents, keys, macs, tokens

    return {**macs.SIGNERS, **tokens.SIGNERS, **documents.SIGNERS, **keys.SIGNERS}
