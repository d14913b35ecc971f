"""Redis: runs commands, and says what its troubles mean."""

from typing import TYPE_CHECKING, Any

from adapters.databases import CONNECT_SECONDS, VERIFIED, Address
from hub.errors import Category, HubError, Refused, Severity, Unavailable

if TYPE_CHECKING:
    import redis

PORT = 6379


def client(address: Address, statement_seconds: float) -> "RedisCommands":
    """The server at an address; nothing connects yet."""
    return RedisCommands(address, statement_seconds)


class RedisCommands:
    """Commands."""

    def __init__(self, address: Address, statement_seconds: float) -> None:
        self._address = address
        self._seconds = statement_seconds
        self._client: redis.Redis | None = None

    def call(self, *words: str | bytes | int) -> Any:
        """As Commands."""
        import redis

        try:
            self._client = self._client or self._connect()
            return self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            self._client = None
            raise self._meaning(error) from error

    def _connect(self) -> "redis.Redis":
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        address = self._address
        verified = {"ssl_ca_certs": address.authorities()} if address.tls in VERIFIED else {}
        tls: dict[str, Any] = {
            "ssl": True,
            "ssl_cert_reqs": "required" if address.tls in VERIFIED else "none",
            "ssl_check_hostname": address.tls == "verify-full",
            **verified,
        }
        return redis.Redis(
            host=address.host,
            port=address.port or PORT,
            db=int(address.name or 0),
            username=address.signed("username", "") or None,
            password=address.signed("password", "") or None,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=self._seconds,
            protocol=2,
            retry=Retry(NoBackoff(), 0),  # a command whose answer was lost may have taken effect
            **(tls if address.tls != "disable" else {}),
        )

    def _meaning(self, error: "redis.RedisError") -> HubError:
        """What to do next; the server's words may hold what was sent, so only their first, a code, is told."""
        import redis

        words = str(error).split(" ", 1)[0]
        said = f"Redis at {self._address.host}: {type(error).__name__}"
        if words.isupper() and words.isalpha():
            said += f" {words}"
        refused = (redis.AuthenticationError, redis.exceptions.NoPermissionError)
        if isinstance(error, refused) or words in ("NOAUTH", "WRONGPASS", "NOPERM"):
            self._address.forget()
            what = f"{said}; the server refuses the hub's user"
            return Unavailable(what, category=Category.AUTHENTICATION_FAILED, severity=Severity.CRITICAL)
        if isinstance(error, redis.ConnectionError | redis.TimeoutError) or words in (
            "LOADING",
            "BUSY",
            "OOM",
            "READONLY",
        ):
            return Unavailable(said)
        return Refused(said)
