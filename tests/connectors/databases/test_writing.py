"""Tables of real servers as destinations: a row is there once, older versions change nothing, and no other row is touched."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from connectors import connector_module
from hub.connector import Destination, Effect
from hub.errors import NotConfigured, Refused, Unreadable
from hub.records import Deletion, TableRow
from tests.fakes import an_event
from tests.servers.databases import Server

pytestmark = pytest.mark.slow
TEXT = {"postgresql": "text", "mysql": "varchar(100)"}


def contacts(server: Server, more: str = "") -> None:
    server.do(f"CREATE TABLE contacts (id varchar(40) PRIMARY KEY, name text, version {TEXT[server.connector]}{more})")


def destination(server: Server, **settings: Any) -> Destination:
    module = connector_module(server.connector)
    made: Destination = module.destination(server.client(), {"table": "contacts", "version": "version"} | settings)
    return made


def apply(to: Destination, key: str, fields: Mapping[str, Any], version: str = "2026-01-01") -> tuple[Effect, str]:
    event = an_event(entity=f"crm/contact/{key}", version=version)
    written = to.apply("upsert_row", TableRow(stream="contacts", key=key, fields=dict(fields)), event, "")
    return written.effect, written.name


def test_a_row_is_inserted_then_updated_then_unchanged_and_an_older_one_is_stale(server: Server) -> None:
    contacts(server)
    to = destination(server)

    assert apply(to, "7", {"name": "Eva"}) == (Effect.APPLIED, "7")
    assert apply(to, "7", {"name": "Ava"}, "2026-01-02") == (Effect.APPLIED, "7")
    assert apply(to, "7", {"name": "Ava"}, "2026-01-02") == (Effect.UNCHANGED, "7")
    assert apply(to, "7", {"name": "Old"}, "2026-01-01") == (Effect.STALE, "7")
    assert server.do("SELECT id, name, version FROM contacts") == [("7", "Ava", "2026-01-02")]


def test_versions_compare_as_the_hub_compares_them(server: Server) -> None:
    """By code points, whatever the table's collation says of B and a."""
    contacts(server)
    to = destination(server)
    apply(to, "7", {"name": "first"}, "a")

    assert apply(to, "7", {"name": "second"}, "B")[0] == Effect.STALE


def test_twenty_at_once_make_one_row_and_the_newest_wins(server: Server) -> None:
    contacts(server)
    to = destination(server)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: apply(to, "7", {"name": f"n{number}"}, f"{number:04}"), range(20)))

    assert server.do("SELECT name FROM contacts") == [("n19",)]


def test_a_row_that_clashes_with_another_ones_unique_value_is_refused_and_neither_changes(server: Server) -> None:
    contacts(server, ", email varchar(50) UNIQUE")
    to = destination(server)
    apply(to, "7", {"name": "Eva", "email": "eva@example.com"})

    with pytest.raises(Refused):
        apply(to, "8", {"name": "Mallory", "email": "eva@example.com"})
    assert server.do("SELECT id, name FROM contacts") == [("7", "Eva")]


def test_without_a_unique_index_nothing_is_written(server: Server) -> None:
    server.do("CREATE TABLE contacts (id varchar(40), name text, version varchar(50))")
    server.do("CREATE INDEX plain ON contacts (id)")

    with pytest.raises((NotConfigured, Refused), match="unique"):
        apply(destination(server), "7", {"name": "Eva"})
    assert server.do("SELECT * FROM contacts") == []


def test_values_arrive_as_their_columns_have_them(server: Server) -> None:
    postgres = server.connector == "postgresql"
    zoned, local, raw, doc = (
        ("timestamptz", "timestamp", "bytea", "json")
        if postgres
        else ("timestamp(6) NULL", "datetime(6)", "blob", "text")
    )
    contacts(server, f", price decimal(20,4), at {zoned}, here {local}, raw {raw}, doc {doc}, yes boolean, n bigint")
    fields = {
        "price": Decimal("1234567890123456.7891"),
        "at": "2026-07-01T12:00:00.5Z",
        "here": "2026-07-01T12:00:00Z",
        "raw": "AP8=",
        "doc": {"a": [1, Decimal("2.5")]},
        "yes": True,
        "n": 9007199254740993,
        "name": None,
    }
    to = destination(server, time_zone="Europe/Berlin")

    assert apply(to, "7", fields)[0] == Effect.APPLIED
    assert apply(to, "7", fields)[0] == Effect.UNCHANGED
    at = (
        "to_char(at AT TIME ZONE 'UTC', 'HH24:MI:SS.MS')"
        if postgres
        else "CAST(CONVERT_TZ(at, @@time_zone, '+00:00') AS CHAR)"
    )
    here = "CAST(here AS varchar(19))" if postgres else "CAST(here AS CHAR(19))"
    ((price, raw_bytes, document, yes, number, name, instant, local_time),) = server.do(
        f"SELECT price, raw, doc, yes, n, name, {at}, {here} FROM contacts"
    )
    assert (price, bytes(raw_bytes), bool(yes), number, name) == (fields["price"], b"\x00\xff", True, fields["n"], None)
    assert (document if postgres else json.loads(document)) == {"a": [1, 2.5]}
    assert "12:00:00.5" in instant
    assert local_time == "2026-07-01 14:00:00"


def test_fields_go_to_the_columns_that_the_settings_name(server: Server) -> None:
    contacts(server)
    to = destination(server, columns={"full name": "name"})

    apply(to, "7", {"full name": "Eva", "secret": "not wanted"})

    assert server.do("SELECT id, name FROM contacts") == [("7", "Eva")]


@pytest.mark.parametrize(
    "name", ['x" = 1; DROP TABLE contacts; --', "x` = 1; DROP TABLE contacts; -- ", "x%s", "x%(a)s"]
)
def test_a_fields_name_can_do_no_harm(server: Server, name: str) -> None:
    contacts(server)

    with pytest.raises(NotConfigured, match="has no column"):
        apply(destination(server), "7", {name: "1"})
    assert server.do("SELECT * FROM contacts") == []


@pytest.mark.parametrize("name", ["it's", 'a"b', "a`b", "a%sb", "a\\b"])
def test_a_column_may_be_called_anything(server: Server, name: str) -> None:
    contacts(server)
    server.do(f"ALTER TABLE contacts ADD {server.quote(name)} varchar(40)")
    to = destination(server)

    assert apply(to, "7", {name: "'; DROP TABLE contacts; --"})[0] == Effect.APPLIED
    assert apply(to, "7", {name: "\\"}, "2026-01-02")[0] == Effect.APPLIED
    assert server.do(f"SELECT {server.quote(name)} FROM contacts") == [("\\",)]


def test_what_cannot_be_written_is_told_in_a_sentence(server: Server) -> None:
    contacts(server, ", n int NOT NULL DEFAULT 0")
    server.do("ALTER TABLE contacts MODIFY name varchar(50)" if server.connector == "mysql" else "SELECT 1")
    server.do("CREATE UNIQUE INDEX both_columns ON contacts (id, name)")
    to = destination(server)

    with pytest.raises(Refused) as caught:
        apply(to, "7", {"n": "not a number"})
    assert "not a number" not in str(caught.value)
    with pytest.raises(NotConfigured, match="does not take a record of kind deletion"):
        to.apply("upsert_row", Deletion(entity="contact", id="7"), an_event(), "")
    with pytest.raises(NotConfigured, match="nothing for 'name', a key"):
        apply(destination(server, key=["id", "name"]), "7", {"id": "7"})


def test_a_time_that_is_none_is_unreadable(server: Server) -> None:
    contacts(server, ", at timestamp NULL")

    with pytest.raises(Unreadable, match="column at"):
        apply(destination(server), "7", {"at": "yesterday"})


def test_a_destination_that_serves_is_probed(server: Server) -> None:
    connector_module(server.connector).probe(server.client())


def delete(to: Destination, known_name: str, version: str = "") -> Effect:
    event = an_event(entity="crm/contact/7", version=version)
    return to.apply("delete_row", Deletion(entity="contact", id="7"), event, known_name).effect


def test_a_row_that_is_gone_is_removed_alone_and_only_if_it_is_no_newer(server: Server) -> None:
    contacts(server)
    to = destination(server, on_delete="remove")
    for key in ("7", "8", "O'Neil`\"%s"):
        apply(to, key, {"name": key}, "2026-01-02")

    assert delete(to, "7", "2026-01-01") == Effect.STALE
    assert delete(to, "7", "2026-01-02") == Effect.APPLIED
    assert delete(to, "7", "2026-01-02") == Effect.UNCHANGED
    assert delete(to, "O'Neil`\"%s") == Effect.APPLIED
    assert server.do("SELECT id FROM contacts") == [("8",)]


@pytest.mark.parametrize("kind", ["timestamp", "boolean", "varchar(40)"])
def test_a_row_that_is_gone_is_marked_until_it_comes_back(server: Server, kind: str) -> None:
    contacts(server, f", gone {kind} NULL")
    to = destination(server, on_delete="mark", deleted_column="gone")
    apply(to, "7", {"name": "Eva"})
    apply(to, "8", {"name": "Ben"})

    assert delete(to, "7", "2026-01-02") == Effect.APPLIED
    assert delete(to, "7", "2026-01-02") == Effect.UNCHANGED
    assert server.do("SELECT id FROM contacts WHERE gone IS NULL ORDER BY id") == [("8",)]
    assert apply(to, "7", {"name": "Eva"}, "2026-01-03")[0] == Effect.APPLIED
    assert server.do("SELECT id FROM contacts WHERE gone IS NULL ORDER BY id") == [("7",), ("8",)]


def test_a_row_with_a_key_of_several_columns_is_found_by_all_of_them(server: Server) -> None:
    server.do("CREATE TABLE contacts (shop varchar(9), n integer, name text, PRIMARY KEY (shop, n))")
    to = destination(server, key=["shop", "n"], version=None, on_delete="remove")
    names = [apply(to, "x", {"shop": shop, "n": n, "name": "x"})[1] for shop, n in (("eu", 7), ("us", 7), ("eu", 8))]

    assert delete(to, names[0]) == Effect.APPLIED
    assert sorted(server.do("SELECT shop, n FROM contacts")) == [("eu", 8), ("us", 7)]
    with pytest.raises(NotConfigured, match="colon"):
        delete(to, "eu:7:8")


def test_nothing_is_deleted_unless_the_settings_say_so_and_the_flow_wrote_it(server: Server) -> None:
    contacts(server)
    server.do("INSERT INTO contacts (id, name) VALUES ('7', 'not ours')")

    with pytest.raises(NotConfigured, match="on_delete"):
        delete(destination(server), "7")
    assert delete(destination(server, on_delete="remove"), "") == Effect.IGNORED
    assert server.do("SELECT id FROM contacts") == [("7",)]


def test_several_rows_of_one_key_are_never_deleted(server: Server) -> None:
    server.do("CREATE TABLE contacts (id varchar(40), name text)")
    server.do("INSERT INTO contacts (id) VALUES ('7'), ('7'), ('8')")

    with pytest.raises(NotConfigured, match="unique index"):
        delete(destination(server, version=None, on_delete="remove"), "7")
    assert len(server.do("SELECT id FROM contacts")) == 3
