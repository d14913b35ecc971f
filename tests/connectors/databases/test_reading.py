"""Tables of real servers that are written while they are read: in the end, what was queued says what the table says."""

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from hub.errors import NotConfigured, Refused, Temporary, Unavailable
from tests.connectors.databases.pulling import Hub, a_stream, everything
from tests.servers.databases import SECRETS, SERVERS, Server

pytestmark = pytest.mark.slow

TIME = {"postgresql": "timestamptz(6)", "mysql": "timestamp(6)"}
LOCAL = {"postgresql": "timestamp(6)", "mysql": "datetime(6)"}
NOW = {"postgresql": "now()", "mysql": "now(6)"}


def make(server: Server, kind: str = "", null: str = "NULL", key: str = "bigint PRIMARY KEY") -> None:
    kind = kind or TIME[server.connector]
    server.do(f"CREATE TABLE orders (id {key}, updated_at {kind} {null} DEFAULT NULL, content text)")


def write(server: Server, key: int, content: str, session: Any = None, at: str = "") -> None:
    """Insert or update a row now."""
    moment = f"'{at}'" if at else NOW[server.connector]
    clash = {
        "postgresql": "ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, content = excluded.content",
        "mysql": "ON DUPLICATE KEY UPDATE updated_at = VALUES(updated_at), content = VALUES(content)",
    }[server.connector]
    sql = f"INSERT INTO orders VALUES (%s, {moment}, %s) {clash}"
    if session is None:
        server.do(sql, (key, content))
    else:
        with session.cursor() as cursor:
            cursor.execute(sql, (key, content))


def a_hub(server: Server, settings: dict[str, Any] | None = None, **stream: Any) -> Hub:
    return Hub(
        server, a_stream(server, **stream), {"table": "orders", "cursor": "updated_at", "size": 4} | (settings or {})
    )


def truth(server: Server) -> dict[str, str]:
    return {str(key): content for key, content in server.do("SELECT id, content FROM orders")}


def test_everything_is_read_once_and_then_only_what_changed(server: Server) -> None:
    make(server)
    for number in range(18):
        write(server, number, "first", at=f"2026-03-01 12:00:{number:02}")
    hub = a_hub(server)

    assert hub.run().run.queued == 18
    write(server, 7, "second")
    assert hub.run().run.queued == 1
    assert hub.contents() == truth(server)


def test_any_number_of_rows_of_one_moment_crosses_pages_without_loss_or_repetition(server: Server) -> None:
    make(server)
    for number in range(23):
        write(server, number, "first", at="2026-03-01 12:00:00")
    hub = a_hub(server)

    done = hub.run()

    assert (done.run.rows, done.run.queued) == (23, 23)
    assert hub.contents() == truth(server)


def test_a_transaction_that_commits_late_is_found_by_the_next_run(server: Server) -> None:
    make(server)
    hub = a_hub(server)
    late = server.session(autocommit=False)
    write(server, 1, "late", late)
    write(server, 2, "early")
    assert hub.run().run.queued == 1
    assert hub.state.watermark

    late.commit()

    assert hub.run().run.queued == 1
    assert hub.contents() == {"1": "late", "2": "early"}


def test_sequences_that_are_committed_out_of_order_are_found_within_the_overlap(server: Server) -> None:
    make(server, "bigint")
    hub = a_hub(server, cursor="integer", overlap=5)
    late = server.session(autocommit=False)
    with late.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (1, 101, 'late')")
    server.do("INSERT INTO orders VALUES (2, 103, 'early')")
    assert hub.run().run.queued == 1
    assert int(hub.state.watermark) == 103

    late.commit()
    hub.run()

    assert hub.contents() == {"1": "late", "2": "early"}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_other_sessions_write_and_commit_meanwhile_is_right_in_the_end(server: Server, seed: int) -> None:
    make(server)
    draw = random.Random(seed)  # noqa: S311 - repeatable, no secret
    for number in range(30):
        write(server, number, "first")
    sessions = [server.session(autocommit=False) for _ in range(3)]
    held: dict[int, set[int]] = {number: set() for number in range(3)}  # rows that a session has locked
    hub = a_hub(server)

    def meanwhile() -> None:
        for _ in range(draw.randrange(6)):
            number = draw.randrange(3)
            key = draw.randrange(45)
            others = set().union(*(held[other] for other in held if other != number))
            if draw.random() < 0.4:
                sessions[number].commit() if draw.random() < 0.8 else sessions[number].rollback()
                held[number].clear()
            elif key not in others and (server.connector != "mysql" or key < 30):  # else gaps lock each other out
                write(server, key, f"{draw.random()}", sessions[number])
                held[number].add(key)

    for _ in range(4):
        hub.run(most_pages=draw.randrange(1, 12), meanwhile=meanwhile)
    for session in sessions:
        session.commit()
    while not hub.run().ended:  # that of before, which may have been beyond what was committed late
        pass
    hub.run()

    assert hub.contents() == truth(server)


def test_a_run_that_is_stopped_after_each_page_reads_all(server: Server) -> None:
    make(server)
    for number in range(17):
        write(server, number, "first")
    hub = a_hub(server)

    while not hub.run(most_pages=1).ended:
        pass

    assert hub.contents() == truth(server)
    assert len(hub.queued) == 17


def test_rows_without_cursor_are_read_at_the_end_of_each_run_and_counted(server: Server) -> None:
    make(server)
    for number in range(9):
        server.do("INSERT INTO orders VALUES (%s, NULL, 'first')", (number,))
    write(server, 20, "first")
    hub = a_hub(server)

    assert hub.run().run.unversioned == 9
    server.do("UPDATE orders SET content = 'second' WHERE id = 3")
    assert hub.run().run.queued == 1
    assert hub.contents() == truth(server)


def test_rows_that_lack_their_key_are_queued_for_a_person_and_too_many_end_the_run(server: Server) -> None:
    make(server, key="bigint NULL")
    server.do("INSERT INTO orders VALUES (NULL, '2026-03-01', 'a'), (NULL, NULL, 'b'), (1, '2026-03-01', 'c')")
    hub = a_hub(server)

    hub.run()

    assert sorted(event.subject.split("/")[1] for event in hub.queued) == ["order", "unreadable", "unreadable"]
    server.do("INSERT INTO orders VALUES (NULL, NULL, 'd'), (NULL, NULL, 'e')")
    with pytest.raises(NotConfigured, match="lack a part of their key"):
        hub.run()


def test_times_before_all_times_count_as_none(server: Server) -> None:
    make(server)
    never = {"postgresql": "-infinity", "mysql": "0000-00-00 00:00:00"}[server.connector]
    session = server.session()
    with session.cursor() as cursor:
        if server.connector == "mysql":
            cursor.execute("SET sql_mode = ''")
        cursor.execute("INSERT INTO orders VALUES (1, %s, 'never')", (never,))
    write(server, 2, "today")
    hub = a_hub(server)

    assert hub.run().run.unversioned == 1
    assert hub.contents() == {"1": "never", "2": "today"}
    assert hub.said["1"][1]["_no_json_value"] == {
        "updated_at": {"mysql": f"{never}.000000"}.get(server.connector, never)
    }


def test_times_with_zone_are_read_in_utc_whatever_the_server_speaks(server: Server) -> None:
    make(server)
    session = server.session()
    with session.cursor() as cursor:
        zone = {"postgresql": "SET TIME ZONE 'Asia/Tokyo'", "mysql": "SET time_zone = '+09:00'"}[server.connector]
        cursor.execute(zone)
        cursor.execute("INSERT INTO orders VALUES (1, '2026-03-01 21:00:00.25', 'x')")

    (row,) = everything(server.listing(a_stream(server), {"table": "orders", "cursor": "updated_at"}))

    assert row.version == "2026-03-01T12:00:00.250000Z"


def test_times_without_zone_are_of_the_zone_that_is_stated(server: Server) -> None:
    make(server, LOCAL[server.connector])
    write(server, 1, "winter", at="2026-03-01 12:00:00")
    write(server, 2, "summer", at="2026-07-01 12:00:00")
    settings = {"table": "orders", "cursor": "updated_at", "time_zone": "Europe/Berlin"}

    rows = everything(server.listing(a_stream(server), settings))

    assert [row.version for row in rows] == ["2026-03-01T11:00:00.000000Z", "2026-07-01T10:00:00.000000Z"]


def test_the_hour_that_comes_twice_loses_no_row_and_no_version_goes_back(server: Server) -> None:
    """On 25 October 2026 at 01:00 UTC clocks in Berlin go from 03:00 back to 02:00."""
    make(server, LOCAL[server.connector])
    listing = server.listing(
        a_stream(server), {"table": "orders", "cursor": "updated_at", "time_zone": "Europe/Berlin"}
    )
    moment = datetime(2026, 10, 25, 0, 50, tzinfo=UTC)
    database = listing._database  # type: ignore[attr-defined]
    select = database.select

    def select_then(sql: str, values: Any = ()) -> Any:
        """The server's clock is the only thing that is made up."""
        answer = select(sql, values)
        if sql == listing._dialect.now:  # type: ignore[attr-defined]
            return type(answer)(answer.columns, [[f"{moment:%Y-%m-%d %H:%M:%S}"]])
        return answer

    database.select = select_then

    def listed(since: str) -> dict[str, str]:
        return {row.key: row.version for row in everything(listing, since)}

    write(server, 1, "a", at="2026-10-25 02:50:00")  # 00:50 UTC
    assert listed("") == {"1": "2026-10-25T00:50:00.000000Z"}
    moment = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    write(server, 1, "b", at="2026-10-25 02:10:00")  # the second one: 01:10 UTC
    assert listed("2026-10-25T00:45:00.000000Z") == {"1": "2026-10-25T01:10:00.000000Z"}
    moment = datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
    write(server, 1, "c", at="2026-10-25 03:30:00")
    assert listed("2026-10-25T01:05:00.000000Z") == {"1": "2026-10-25T02:30:00.000000Z"}


def test_windows_hold_each_row_once(server: Server) -> None:
    make(server, LOCAL[server.connector])
    begin = datetime(2026, 10, 24, 20, 0, tzinfo=UTC).replace(tzinfo=None)  # a time without zone
    for number in range(60):
        write(server, number, "x", at=str(begin + timedelta(minutes=10 * number)))
    settings = {"table": "orders", "cursor": "updated_at", "time_zone": "Europe/Berlin", "size": 7}
    bounds = ["", *(f"2026-10-25T{hour:02}:00:00.000000Z" for hour in range(6)), "2026-12-01T00:00:00.000000Z"]

    listed = [
        row.key
        for since, until in pairwise(bounds)
        for row in everything(server.listing(a_stream(server), settings), since, until)
    ]

    assert sorted(map(int, listed)) == list(range(60))


def test_a_stream_of_mode_full_needs_no_cursor(server: Server) -> None:
    make(server)
    for number in range(11):
        write(server, number, "first")
    hub = Hub(server, a_stream(server, mode="full"), {"table": "orders", "size": 4})

    assert hub.run().run.queued == 11
    assert hub.contents() == truth(server)


def test_filters_choose_rows_by_bound_values(server: Server) -> None:
    make(server)
    for number, content in enumerate(["paid", "open", "it's", "100%", "x' OR '1'='1"]):
        write(server, number, content)

    def keys(*filters: dict[str, Any]) -> list[str]:
        listing = server.listing(
            a_stream(server), {"table": "orders", "cursor": "updated_at", "filters": list(filters)}
        )
        return sorted(row.key for row in everything(listing))

    assert keys({"column": "content", "value": "x' OR '1'='1"}) == ["4"]
    assert keys({"column": "content", "op": "in", "value": ["paid", "it's"]}) == ["0", "2"]
    assert keys({"column": "content", "op": "like", "value": "100\\%"}) == ["3"]
    assert keys({"column": "id", "op": ">=", "value": 2}, {"column": "content", "op": "!=", "value": "it's"}) == [
        "3",
        "4",
    ]
    assert keys({"column": "updated_at", "op": "is null"}) == []


HOSTILE = [
    'a"b',
    "a`b",
    "a%sb",
    "a%b",
    "a;DROP TABLE orders--",
    "a' OR 1=1",
    "a\\b",
    "$1",
    "{x}",
    "SELECT",
    "Ä ö",
    "a.b",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_a_name_whatever_stands_in_it(server: Server, name: str) -> None:
    make(server)
    table, cursor = server.quote(name), server.quote(f"{name}2")
    server.do(f"CREATE TABLE {table} ({table} int PRIMARY KEY, {cursor} {TIME[server.connector]} NULL)")
    server.do(f"INSERT INTO {table} VALUES (1, '2026-03-01'), (2, '2026-03-01'), (3, NULL)")
    settings = {
        "table": [name],
        "key": [name],
        "cursor": f"{name}2",
        "columns": [name],
        "size": 1,
        "filters": [{"column": name, "op": "<", "value": 4}],
    }

    rows = everything(server.listing(a_stream(server), settings))

    assert [row.key for row in rows] == ["1", "2", "3"]
    assert json.loads(rows[0].data)[name] == 1
    assert truth(server) == {}


@pytest.mark.parametrize("part", ["table", "key", "cursor", "columns", "filter"])
@pytest.mark.parametrize(
    "name",
    ['orders" WHERE 1=1; DROP TABLE orders; --', "orders` WHERE 1=1; DROP TABLE orders; -- ", "id) OR (1=1", "id, 1"],
)
def test_an_injection_in_any_name_is_refused_and_changes_nothing(server: Server, part: str, name: str) -> None:
    make(server)
    write(server, 1, "there")
    settings: dict[str, Any] = {"table": "orders", "cursor": "updated_at"}
    hostile: dict[str, dict[str, Any]] = {
        "table": {"table": [name]},
        "key": {"key": [name]},
        "cursor": {"cursor": name},
        "columns": {"columns": [name]},
        "filter": {"filters": [{"column": name, "op": "=", "value": 1}]},
    }
    settings |= hostile[part]

    with pytest.raises((NotConfigured, Refused)):
        everything(server.listing(a_stream(server), settings))
    assert truth(server) == {"1": "there"}


def test_composite_keys_that_look_alike_stay_apart(server: Server) -> None:
    server.do("CREATE TABLE parts (a varchar(20), b varchar(20), PRIMARY KEY (a, b))")
    server.do("INSERT INTO parts VALUES ('x:y', 'z'), ('x', 'y:z'), ('x%3Ay', 'z')")
    listing = server.listing(a_stream(server, mode="full"), {"table": "parts", "key": ["a", "b"], "size": 1})

    assert len({row.key for row in everything(listing)}) == 3


COLUMNS = {
    "postgresql": "id uuid PRIMARY KEY, big numeric(38,10), whole bigint, tiny smallint, yes boolean, day date, "
    "at timestamp, raw bytea, doc jsonb, doc2 json, f double precision, tags text[], nan numeric, inf double precision, "
    "nul text",
    "mysql": "id binary(2) PRIMARY KEY, big decimal(38,10), whole bigint, tiny smallint(5) unsigned zerofill, "
    "yes tinyint(1), day date, at datetime(6), raw blob, f double, era year, kind enum('a','b'), nul text",
}
VALUES = {
    "postgresql": "'5a1f2d3c-0000-4000-8000-000000000001', 12345678901234567890.1234567890, 9223372036854775807, -1, "
    "true, '2026-02-28', '2026-02-28 23:59:59.123456', '\\x00ff', '{\"a\": [1, 2.50]}', '{ \"a\" : 1 }', 0.1, "
    "'{\"a b\",c}', 'NaN', '-Infinity', NULL",
    "mysql": "x'00ff', 12345678901234567890.1234567890, 9223372036854775807, 7, 1, '2026-02-28', "
    "'2026-02-28 23:59:59.123456', x'00ff', 0.1, 2026, 'b', NULL",
}


def test_values_arrive_exactly(server: Server) -> None:
    server.do(f"CREATE TABLE kinds ({COLUMNS[server.connector]})")
    server.do(f"INSERT INTO kinds VALUES ({VALUES[server.connector]})")
    listing = server.listing(a_stream(server, mode="full"), {"table": "kinds"})

    (row,) = everything(listing)

    text = row.data.decode()
    told = json.loads(row.data)
    assert '"big":12345678901234567890.1234567890' in text
    assert told["whole"] == 9223372036854775807
    assert (told["day"], told["at"]) == ("2026-02-28", "2026-02-28T23:59:59.123456")
    assert (told["raw"], told["f"], told["nul"]) == ("AP8=", 0.1, None)
    if server.connector == "postgresql":
        assert (told["tiny"], told["yes"], told["doc"], told["doc2"]) == (-1, True, {"a": [1, 2.5]}, {"a": 1})
        assert (told["nan"], told["inf"], told["tags"]) == (None, None, '{"a b",c}')
        assert told["_no_json_value"] == {"nan": "NaN", "inf": "-Infinity"}
        assert row.key == "5a1f2d3c-0000-4000-8000-000000000001"
    else:
        assert (told["tiny"], told["yes"], told["era"], told["kind"]) == (7, 1, 2026, "b")
        assert row.key == "00ff"


@pytest.mark.parametrize(
    "key", ["bigint PRIMARY KEY", "varchar(30) PRIMARY KEY", "decimal(30,3) PRIMARY KEY", "binary PRIMARY KEY"]
)
def test_keys_of_any_kind_are_paged_without_loss(server: Server, key: str) -> None:
    binary = key.startswith("binary")
    kind = {"postgresql": "bytea PRIMARY KEY", "mysql": "binary(8) PRIMARY KEY"}[server.connector] if binary else key
    make(server, key=kind, null="NULL")
    keys: list[Any] = [
        9007199254740992 + number for number in range(9)
    ]  # which floating-point numbers cannot tell apart
    if binary:
        keys = [number.to_bytes(8, "big") for number in keys]
    for each in keys:
        server.do("INSERT INTO orders VALUES (%s, '2026-03-01', 'x')", (str(each) if "varchar" in key else each,))

    rows = everything(server.listing(a_stream(server), {"table": "orders", "cursor": "updated_at", "size": 2}))

    assert len(rows) == len({row.key for row in rows}) == 9


def test_what_the_settings_get_wrong_is_told_in_a_sentence(server: Server) -> None:
    make(server)
    server.do("CREATE TABLE floats (id double precision PRIMARY KEY)")

    def told(stream: dict[str, Any], settings: dict[str, Any]) -> str:
        with pytest.raises((NotConfigured, Refused)) as caught:
            everything(server.listing(a_stream(server, **stream), settings))
        return str(caught.value)

    assert "state the cursor column" in told({}, {"table": "orders"})
    assert "no column 'nr'" in told({}, {"table": "orders", "cursor": "updated_at", "key": ["nr"]})
    assert "of kind text, no timestamp" in told({}, {"table": "orders", "cursor": "content"})
    assert "of kind timestamp, no integer" in told({"cursor": "integer"}, {"table": "orders", "cursor": "updated_at"})
    assert "floating-point" in told({"mode": "full"}, {"table": "floats"})
    assert "nowhere" in told({"mode": "full"}, {"table": "nowhere"})
    assert "no token" in told({"mode": "delta"}, {"table": "orders"})


def test_reading_can_change_nothing(server: Server) -> None:
    make(server)

    with pytest.raises((Refused, Unavailable)):
        server.client().select("INSERT INTO orders (id) VALUES (1)")
    assert truth(server) == {}


def test_a_statement_that_takes_too_long_is_ended(server: Server) -> None:
    with pytest.raises(Temporary, match="too long"):
        server.client(statement_seconds=0.3).select(
            {
                "postgresql": "SELECT pg_sleep(30)",
                "mysql": "SELECT COUNT(*) FROM seq_1_to_1000000000 WHERE seq % 7 = 3",
            }[server.connector].replace("%", "%%" if server.connector == "mysql" else "%")
        )


def test_a_wrong_password_is_told_and_read_anew(server: Server) -> None:
    with pytest.raises(Unavailable, match="refuses the hub's user") as caught:
        server.client(SECRETS | {"password": "another"}).select("SELECT 1")
    assert "another" not in str(caught.value)


def test_a_server_that_is_gone_is_unavailable() -> None:
    for connector in SERVERS:
        gone = Server(connector, 1, lambda: None)

        with pytest.raises(Unavailable):
            gone.client().select("SELECT 1")


def test_a_connection_that_the_server_closed_is_made_anew(server: Server) -> None:
    client = server.client()
    client.select("SELECT 1")
    if server.connector == "postgresql":
        server.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hub'")
    else:
        for (number,) in server.do("SELECT id FROM information_schema.processlist WHERE user = 'hub'"):
            server.do(f"KILL {number}")

    assert list(client.select("SELECT 1").rows) == [("1",)]
