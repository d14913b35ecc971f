"""A Redis of a suite's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from adapters.databases import client_at
from tests.servers.process import Account, binary, folder_of, free_port, running

PASSWORD = "made up: it's safe"


@dataclass
class RedisServer:
    """A running Redis, and a client of the suite's own."""

    port: int
    own: Any

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/3"

    def client(self, password: str = PASSWORD) -> Any:
        """The hub's."""
        return client_at(self.url, lambda name: (password,) if name == "password" else (), lambda: None)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """An empty Redis that asks for a password."""
    account, port = Account.ordinary(), free_port()
    with folder_of(account) as folder:
        command = [binary("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--requirepass", PASSWORD, "--save", "", "--appendonly", "no"]
        own = redis.Redis(port=port, db=3, password=PASSWORD)

        def serves() -> bool:
            try:
                return bool(own.ping())
            except redis.ConnectionError:
                return False

        with running(command, account, folder, serves):
            yield RedisServer(port, own)
