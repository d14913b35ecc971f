"""A delivery: one HTTP request that a provider made to us, bytes until it is verified; and what it is held against."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from hub.errors import MissingHeader, NotStated, RepeatedHeader, StaleDelivery
from hub.forms import fields


@dataclass(frozen=True, slots=True)
class Delivery:
    """`headers` maps lower-case names to every value that came, in order of arrival. `query` is the raw query string."""

    method: str
    headers: Mapping[str, Sequence[str]]
    body: bytes
    query: str = ""
    source_ip: str = ""

    def header(self, name: str) -> str:
        """The one value of a header; raises MissingHeader or RepeatedHeader.

        Of several names ("X-Topic, Topic"), between which a provider is changing over, the first that came counts.
        """
        values = self._values(name)
        if len(values) > 1:
            raise RepeatedHeader(f"header {name} came {len(values)} times; the provider sends it once")
        if not values or not values[0].strip():
            raise MissingHeader(f"header {name} is missing; this is not a delivery of the provider")
        return values[0].strip()

    def optional_header(self, name: str) -> str:
        """The one value of a header, or "" where it is absent, empty or repeated."""
        values = self._values(name)
        return values[0].strip() if len(values) == 1 else ""

    def has_header(self, name: str) -> bool:
        """Whether a header came, be it empty."""
        return bool(self._values(name))

    def _values(self, name: str) -> Sequence[str]:
        names = [each.strip() for each in name.lower().split(",")]
        return next((self.headers[each] for each in names if self.headers.get(each)), ())

    def query_value(self, name: str) -> str:
        """The decoded value of a query parameter that came once, else ""."""
        values = [value for key, value in parse_qsl(self.query, keep_blank_values=True) if key == name]
        return values[0] if len(values) == 1 else ""

    def form(self) -> list[tuple[str, str]]:
        """The body read as an HTML form, url-encoded or multipart, in order, empty values kept; [] for one that is
        none."""
        return fields(self.body, self.optional_header("content-type"))


Fetch = Callable[[str], bytes]  # gets an https URL, from a cache where it can; raises Temporary where no answer comes


@dataclass(frozen=True, slots=True)
class Expected:
    """What a delivery is held against: the live secrets, the clock, and what the integration states of its provider."""

    secrets: Sequence[str]  # the current one first
    now: float  # Unix seconds
    tolerance_seconds: float | None  # how old a signed time may be; None where the provider signs no time
    public_url: str  # as registered at the provider; what some of them sign
    states: Mapping[str, str | Sequence[str]]  # the integration's `expects`
    fetch: Fetch

    def stated(self, name: str) -> str:
        """What the integration's `expects` says; raises NotStated where it says nothing: fail closed."""
        value = self.states.get(name, "")
        if not isinstance(value, str) or not value:
            raise NotStated(f"expects.{name} is not configured, so that nothing can be verified against it")
        return value

    def stated_list(self, name: str) -> Sequence[str]:
        """The values that the integration's `expects` allows; raises NotStated where it names none."""
        value = self.states.get(name, ())
        values = [value] if isinstance(value, str) else list(value)
        if not any(values):
            raise NotStated(f"expects.{name} is not configured, so that nothing can be verified against it")
        return [each for each in values if each]

    def registered_url(self) -> str:
        """The URL exactly as it is registered at the provider; raises NotStated where it is not configured."""
        if not self.public_url:
            raise NotStated("public_url is not configured, and this provider signs it")
        return self.public_url

    def signed_url(self, delivery: Delivery) -> str:
        """The URL that the provider called: the configured one, with the query that came. Never built from `Host`.

        A query that was registered too stands as it was registered, however the way to us spells it.
        """
        if not self.public_url:
            raise NotStated("public_url is not configured, and this provider signs it")
        base, _, registered = self.public_url.partition("?")
        if registered and _pairs(registered) == _pairs(delivery.query):
            return self.public_url
        return f"{base}?{delivery.query}" if delivery.query else base

    def check_age(self, signed_at: float, *, future_too: bool) -> None:
        """Raise StaleDelivery for a signed time (Unix seconds) outside the window; its edge still counts as inside."""
        if self.tolerance_seconds is None:
            return
        age = self.now - signed_at
        if age > self.tolerance_seconds:
            raise StaleDelivery(f"timestamp {round(age, 3):.15g} s old, window {self.tolerance_seconds:g} s")
        if future_too and -age > self.tolerance_seconds:
            raise StaleDelivery(f"timestamp {round(-age, 3):.15g} s in the future, window {self.tolerance_seconds:g} s")


def _pairs(query: str) -> list[tuple[str, str]]:
    return sorted(parse_qsl(query, keep_blank_values=True))
