"""S3 and SQLite: what all rows of a stream were last queued as, and a journal of what is about to be queued.

The file is one SQLite database, in the function's own folder while it is used. Runs beside it only add to the journal,
so that nobody needs the file who does not compare; what the journal names since is doubted.
"""

import json
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.refusals import reason
from hub import names
from hub.compare import Entry
from hub.errors import Temporary
from hub.events import parse_instant
from hub.listed import News
from hub.runs import Run
from hub.streams import Row

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIVE, GONE, NAMELESS = 0, 1, 2  # how a row stands; one without a key cannot be missed
REPLICA_LAG_SECONDS = 60.0  # a row may be listed so long as it stood before its last change
TABLES = """
CREATE TABLE rows (key BLOB PRIMARY KEY, version TEXT, digest BLOB, listed INTEGER, state INTEGER) WITHOUT ROWID;
CREATE TABLE doubted (key BLOB, version TEXT, digest BLOB);
CREATE INDEX doubted_by_key ON doubted (key);
CREATE TABLE absorbed (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
MISSING = """
CREATE TEMP TABLE fresh (key BLOB PRIMARY KEY);
CREATE TEMP VIEW missing AS
SELECT key, max(version, coalesce((SELECT max(version) FROM doubted WHERE doubted.key = rows.key), '')) AS newest
FROM rows WHERE listed = 0 AND state = 0 AND key NOT IN (SELECT key FROM temp.fresh);
"""


class InventoryUnavailable(Temporary):
    """S3 did not give or take a part of an inventory."""


class S3Inventories:
    """The inventories of an integration's streams."""

    def __init__(self, client: "S3Client", bucket: str, now: Callable[[], datetime], token: str) -> None:
        """`token` keeps two functions from writing one entry of a journal."""
        self._files = _Files(client, bucket)
        self._now, self._token = now, token

    @contextmanager
    def opened(self, integration: str, stream: str) -> Iterator["S3Inventory"]:
        """A stream's inventory, with a file of its own while it is open."""
        with tempfile.TemporaryDirectory() as folder:
            inventory = S3Inventory(
                self._files,
                names.stream_files(integration, stream),
                Path(folder),
                self.journal(integration, stream),
                self._now,
            )
            try:
                yield inventory
            finally:
                inventory.close()

    def journal(self, integration: str, stream: str) -> Callable[[Sequence[News]], str]:
        """Notes in a stream's journal what is about to be queued; the name of the entry."""
        prefix = f"{names.stream_files(integration, stream)}journal/"

        def note(news: Sequence[News]) -> str:
            name = f"{prefix}{self._now():%Y%m%dT%H%M%S%f}-{self._token}"
            told = [[row.key, version, row.digest.hex(), row.is_deleted] for row, version, _ in news]
            self._files.put(name, zlib.compress(json.dumps(told, separators=(",", ":")).encode()))
            return name

        return note


class S3Inventory:
    """As hub.compare.Inventory."""

    def __init__(
        self,
        files: "_Files",
        prefix: str,
        folder: Path,
        note: Callable[[Sequence[News]], str],
        now: Callable[[], datetime],
    ) -> None:
        self._files, self._prefix, self._path, self._note = files, prefix, folder / "inventory", note
        self._now = now
        self._database: sqlite3.Connection | None = None

    @property
    def known(self) -> int:
        """Rows that were there when the comparison began."""
        return int(self._fact("known") or 0)

    @property
    def compared_at(self) -> str:
        """When the comparison began that it was stored by."""
        return self._fact("began_at")

    def fetch(self) -> bool:
        """Open it as it was stored last; False where it never was."""
        return self._fetched("inventory")

    def begin(self) -> None:
        """As Inventory."""
        if not self.fetch():
            self._create()
        self._do("UPDATE rows SET listed = 0")
        for name in sorted(self._files.names(f"{self._prefix}journal/")):
            self._absorb(name)
        [known] = self._do("SELECT count(*) FROM rows WHERE state = ?", LIVE).fetchone()
        self._state("known", str(known))
        self._opened.commit()

    def goes_on(self, run: Run) -> bool:
        """As Inventory."""
        return self._fetched("aside") and self._fact("stands_at") == _place(run)

    def news(self, row: Row, floor: str = "") -> News | None:
        """As Inventory."""
        key, version = row.key.encode("utf-8", "surrogatepass") or b"\0" + row.digest, row.version
        if version:
            version = max(version, floor)
        stood = self._do("SELECT version, digest, listed FROM rows WHERE key = ?", key).fetchone()
        doubted = self._do("SELECT version, digest FROM doubted WHERE key = ?", key).fetchall()
        known = [(told, digest) for told, digest, *_ in [*([stood] if stood else []), *doubted]]
        others = [told for told, digest in known if digest != row.digest]
        newest = max(others, default="")
        if version and version < newest:
            if (stood and stood[2]) or self._is_of_now(newest):  # a copy, or a replica that is behind
                self._do("UPDATE rows SET listed = 1 WHERE key = ?", key)
                return None
            version = newest
        if version:  # that which it is known by, where it stands as it is known
            version = max([version, *(told for told, digest in known if digest == row.digest)])
        state = NAMELESS if not row.key else GONE if row.is_deleted else LIVE
        self._do("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, 1, ?)", key, version, row.digest, state)
        if doubted:
            self._do("DELETE FROM doubted WHERE key = ?", key)
        elif stood and stood[1] == row.digest:
            return None
        return News(row, version, any(told == version for told in others))

    def note(self, news: Sequence[News]) -> None:
        """As Inventory."""
        self._do("INSERT OR IGNORE INTO absorbed VALUES (?)", self._note(news))

    def keep(self, run: Run | None) -> None:
        """As Inventory."""
        self._state("stands_at", _place(run) if run else "")
        self._opened.commit()

    def forget(self) -> None:
        """As Inventory."""
        self._opened.rollback()

    def set_aside(self) -> None:
        """As Inventory."""
        self._upload("aside")

    def store(self, run: Run) -> None:
        """As Inventory. What the file says counts first; then the journal may forget what it says."""
        self._state("began_at", run.began_at.isoformat())
        absorbed = [name for (name,) in self._do("SELECT name FROM absorbed")]
        self._do("DELETE FROM absorbed")
        self._do("DELETE FROM rows WHERE listed = 0 AND state != ? AND digest != x''", LIVE)  # the source said so
        self._opened.commit()
        self._upload("inventory")
        self._files.delete([*absorbed, f"{self._prefix}aside"])

    def missing(self) -> Iterator[Entry]:
        """As Inventory."""
        self._look_for_fresh()
        for key, version in self._do("SELECT key, newest FROM missing ORDER BY key"):
            yield Entry(key.decode("utf-8", "surrogatepass"), version)

    def count_missing(self) -> int:
        """As Inventory."""
        self._look_for_fresh()
        return int(self._do("SELECT count(*) FROM missing").fetchone()[0])

    def gone(self, entries: Sequence[Entry]) -> None:
        """As Inventory. Their digest is none, so that each is news when it is listed again."""
        for each in entries:
            key = each.key.encode("utf-8", "surrogatepass")
            self._do("UPDATE rows SET state = ?, digest = x'', version = ? WHERE key = ?", GONE, each.version, key)
            self._do("DELETE FROM doubted WHERE key = ?", key)

    def close(self) -> None:
        """Let go of the file."""
        if self._database:
            self._database.close()
            self._database = None

    def _absorb(self, name: str) -> None:
        """Doubt what an entry of the journal names."""
        for text, version, digest, is_deleted in self._entry(name):
            key = text.encode("utf-8", "surrogatepass") or b"\0" + bytes.fromhex(digest)
            state = NAMELESS if not text else GONE if is_deleted else LIVE
            self._do(
                "INSERT INTO rows VALUES (?, ?, ?, 0, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state",
                *(key, version, bytes.fromhex(digest), state),
            )
            self._do("INSERT INTO doubted VALUES (?, ?, ?)", key, version, bytes.fromhex(digest))
        self._do("INSERT OR IGNORE INTO absorbed VALUES (?)", name)

    def _look_for_fresh(self) -> None:
        """Rows that other runs have queued since the journal was absorbed: they were there a moment ago."""
        self._do("DELETE FROM fresh")
        absorbed = {name for (name,) in self._do("SELECT name FROM absorbed")}
        for name in self._files.names(f"{self._prefix}journal/"):
            if name not in absorbed:
                keys = [
                    (text.encode("utf-8", "surrogatepass"),)
                    for text, *_, is_deleted in self._entry(name)
                    if not is_deleted
                ]
                self._opened.executemany("INSERT OR IGNORE INTO fresh VALUES (?)", keys)

    def _entry(self, name: str) -> list[tuple[str, str, str, bool]]:
        return list(json.loads(zlib.decompress(self._files.get(name))))

    def _is_of_now(self, version: str) -> bool:
        """Whether it is a time of the last minute, by our clock."""
        try:
            return abs((self._now() - parse_instant(version)).total_seconds()) < REPLICA_LAG_SECONDS
        except ValueError:
            return False  # a counter

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the inventory is not open: begin or fetch it first")
        return self._database

    def _do(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._opened.execute(statement, values)

    def _fact(self, name: str) -> str:
        found = self._do("SELECT value FROM facts WHERE name = ?", name).fetchone()
        return found[0] if found else ""

    def _state(self, name: str, value: str) -> None:
        self._do("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def _create(self) -> None:
        self._connect(TABLES)

    def _connect(self, tables: str = "") -> None:
        self._database = sqlite3.connect(self._path)
        self._database.executescript("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;")  # S3 is what lasts
        self._database.executescript(tables + MISSING)

    def _fetched(self, name: str) -> bool:
        self.close()
        self._path.unlink(missing_ok=True)
        if not self._files.fetch(self._prefix + name, self._path):
            return False
        self._connect()
        return True

    def _upload(self, name: str) -> None:
        with self._path.open("rb") as file:
            self._files.put(self._prefix + name, file)


class _Files:
    """Objects of the bucket; raises InventoryUnavailable."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def put(self, name: str, content: bytes | IO[bytes]) -> None:
        self._call(self._client.put_object, Key=name, Body=content)

    def get(self, name: str) -> bytes:
        return bytes(self._call(self._client.get_object, Key=name)["Body"].read())

    def fetch(self, name: str, path: Path) -> bool:
        """False where there is no such file: asked of the list, since S3 tells that only to who may list everything."""
        if name not in self.names(name):
            return False
        found = self._call(self._client.get_object, Key=name)
        with path.open("wb") as file:
            for part in found["Body"].iter_chunks(1 << 20):
                file.write(part)
        return True

    def names(self, prefix: str) -> Iterator[str]:
        more: dict[str, str] = {}
        while True:
            found = self._call(self._client.list_objects_v2, Prefix=prefix, **more)
            yield from (each["Key"] for each in found.get("Contents", ()))
            if not found.get("IsTruncated"):
                return
            more = {"ContinuationToken": found["NextContinuationToken"]}

    def delete(self, several: Sequence[str]) -> None:
        for name in several:
            self._call(self._client.delete_object, Key=name)

    def _call(self, operation: Any, **request: Any) -> Any:
        try:
            return operation(Bucket=self._bucket, **request)
        except (BotoCoreError, ClientError) as error:
            raise InventoryUnavailable(f"S3 refused a part of the inventory: {reason(error)}") from error


def _place(run: Run) -> str:
    return f"{run.began_at.isoformat()}/{run.pages}"
