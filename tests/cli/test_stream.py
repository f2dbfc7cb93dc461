"""STREAM t WITH (...): what Spark's Delta source promises, through a running server."""
from test_spine import SCHEMA, events

PROJECT = """
name: streams
topics:
  events: {schema: schemas/events.yml}
ingest:
  - {topic: events, table: bronze.events, commit: {every: 100ms}}
streams: {trigger: 50ms}
"""


def stream(name, options="", columns="id"):
    with_ = f" WITH ({options})" if options else ""
    return f"CREATE STREAMING TABLE silver.{name} AS SELECT {columns} FROM STREAM bronze.events{with_};\n"


def project(t, *streams):
    t.project(PROJECT, {"schemas/events.yml": SCHEMA, "transformations/s.sql": "".join(streams)})


def put(t, server, first, count):
    """Events that are in a committed version of bronze.events when it returns."""
    t.kcat(server, "-P", "-t", "events", input=events(first, count))
    t.until(f"SELECT coalesce(sum(rows), 0) FROM system.tables WHERE table_name = 'bronze.events'", put.rows + count)
    put.rows += count


def error_of(t, flow):
    return f"SELECT coalesce(regexp_extract(error, 'DELTA_[A-Z_]*'), '') FROM system.flows WHERE flow = 'silver.{flow}'"


def test_changes_are_named_and_passed_over(t):
    put.rows = 0
    project(t, stream("strict"), stream("skipping", "skipChangeCommits = true"),
            stream("again", "ignoreChanges = true"), stream("tiny", "maxFilesPerTrigger = 1, skipChangeCommits = true"))
    server = t.up()
    for first in range(0, 40, 10):
        put(t, server, first, 10)
    for flow in ("strict", "skipping", "again", "tiny"):
        t.until(f"SELECT count(*) FROM silver.{flow}", 40)
        t.until(f"SELECT rows FROM system.tables WHERE table_name = 'silver.{flow}'", 40)
    # The same rows in other files are nothing new.
    t.run("sql", "-c", "OPTIMIZE bronze.events")
    put(t, server, 40, 10)
    t.until("SELECT count(*) FROM silver.strict", 50)
    t.run("sql", "-c", "DELETE FROM bronze.events WHERE id = 3")
    t.until(error_of(t, "strict"), "DELTA_SOURCE_TABLE_IGNORE_CHANGES")
    put.rows -= 1
    put(t, server, 50, 10)
    for flow in ("skipping", "tiny"):
        t.until(f"SELECT rows FROM system.tables WHERE table_name = 'silver.{flow}'", 60)
        assert t.value(f"SELECT count(DISTINCT id) FROM silver.{flow}") == 60
    assert t.value("SELECT count(DISTINCT id) FROM silver.again") == 60
    assert t.value("SELECT count(*) FROM silver.again") > 60
    assert t.value(error_of(t, "skipping")) == ""
    assert server.stop() == 0


def test_starts_and_the_change_feed(t):
    put.rows = 0
    project(t)
    server = t.up()
    put(t, server, 0, 10)
    t.run("sql", "-c", "ALTER TABLE bronze.events SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    put(t, server, 10, 10)
    version = t.value("SELECT version FROM system.tables WHERE table_name = 'bronze.events'")
    assert server.stop() == 0
    project(t, stream("latest", "startingVersion = latest"), stream("from_version", f"startingVersion = {version}"),
            stream("from_time", "startingTimestamp = '2001-01-01', skipChangeCommits = true"),
            stream("feed", f"readChangeFeed = true, startingVersion = {version}", "id, _change_type"))
    server = t.up()
    t.until("SELECT count(*) FROM silver.from_version", 10)
    t.until("SELECT count(*) FROM silver.from_time", 20)
    t.until("SELECT count(*) FROM system.tables WHERE table_name = 'silver.latest' AND version > 0", 1)
    t.run("sql", "-c", "UPDATE bronze.events SET name = 'changed' WHERE id = 4")
    t.until("SELECT string_agg(_change_type, ' ' ORDER BY _change_type) FROM silver.feed WHERE id = 4",
            "update_postimage update_preimage")
    assert t.value("SELECT count(*) FROM silver.feed WHERE _change_type = 'insert'") == 10
    assert t.value("SELECT count(*) FROM silver.latest") == 0
    assert server.stop() == 0


def test_new_columns_stop_a_stream_until_it_is_started_again(t):
    put.rows = 0
    project(t, stream("first"), "CREATE STREAMING TABLE silver.second AS SELECT * FROM STREAM silver.first;\n")
    server = t.up()
    put(t, server, 0, 10)
    second = "SELECT rows FROM system.tables WHERE table_name = 'silver.second'"
    t.until(second, 10)
    t.run("sql", "-c", "ALTER TABLE silver.first ADD COLUMNS (note STRING)")
    put(t, server, 10, 10)
    t.until(error_of(t, "second"), "DELTA_SCHEMA_CHANGED_WITH_VERSION")
    t.until("SELECT rows FROM system.tables WHERE table_name = 'silver.first'", 20)
    assert t.value(second) == 10
    assert t.value("SELECT count(*) FROM silver.second") == 20  # what a reader sees is fresh all the same
    assert server.stop() == 0
    server = t.up()
    t.until(second, 20)
    assert t.value(error_of(t, "second")) == ""
    put(t, server, 20, 10)
    assert t.value("SELECT count(*) FROM silver.second WHERE note IS NULL") == 30
    assert server.stop() == 0


def test_a_query_with_other_columns(t):
    put.rows = 0
    view = "CREATE MATERIALIZED VIEW gold.v AS SELECT {} FROM bronze.events;\n"
    project(t, stream("s"), view.format("id, 1 AS old"))
    server = t.up()
    put(t, server, 0, 10)
    t.until("SELECT count(*) FROM gold.v", 10)
    t.until("SELECT rows FROM system.tables WHERE table_name = 'silver.s'", 10)
    assert server.stop() == 0
    # A streaming table keeps what it has and gets the new column; a view is its query's.
    project(t, stream("s", columns="id, name"), view.format("id, 'x' AS new"))
    server = t.up()
    put(t, server, 10, 10)
    t.until("SELECT count(name) FROM silver.s", 10)
    assert t.value("SELECT count(*) FROM silver.s") == 20
    t.until("SELECT rows FROM system.tables WHERE table_name = 'gold.v'", 20)
    assert sorted(t.sql("SELECT * FROM gold.v LIMIT 1")[0]) == ["id", "new"]
    assert server.stop() == 0


def test_maintenance_beside_streams(t):
    put.rows = 0
    project(t, stream("s"))
    path = t.folder / "millrace.yml"
    path.write_text(path.read_text() + "maintenance:\n  '*': {optimize_at: 4}\n"
                    "  bronze.events: {optimize_at: 5, checkpoint_every: 3}\n")
    server = t.up()
    for first in range(0, 60, 5):
        put(t, server, first, 5)
    t.until("SELECT count(*) >= 2 FROM system.table_maintenance WHERE table_name = 'bronze.events' "
            "AND kind = 'OPTIMIZE' AND error IS NULL AND files_after < files_before AND version > 0", True)
    t.until("SELECT count(*) > 0 FROM system.table_maintenance WHERE table_name = 'silver.s' AND kind = 'OPTIMIZE'", True)
    t.until("SELECT rows FROM system.tables WHERE table_name = 'silver.s'", 60)
    assert t.value("SELECT count(DISTINCT id) FROM silver.s") == 60
    assert t.value("SELECT error FROM system.flows WHERE flow = 'silver.s'") is None
    assert t.value("SELECT count(*) FROM system.table_maintenance WHERE error IS NOT NULL") == 0
    assert t.value("SELECT count(*) FROM system.table_files WHERE table_name = 'bronze.events'") < 10
    assert t.value("SELECT sum(rows) FROM system.table_files WHERE table_name = 'bronze.events'") == 60
    assert server.stop() == 0
