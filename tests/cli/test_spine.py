"""The spine, end to end: syslog and Kafka in, Delta tables out, SQL over all of it."""
import json
import time
import urllib.error
import urllib.request
from pathlib import Path

SCHEMA = """
$id: events/v1.yml
type: object
properties:
  id: {type: integer}
  ts: {type: string, format: date-time}
  name: {type: string}
  amount: {type: number}
required: [id, ts]
"""
PROJECT = """
name: spine
topics:
  events: {partitions: 3, schema: schemas/events.yml, on_invalid: dlq}
ingest:
  - {topic: events, table: bronze.events, partition_by: [date], commit: {every: 200ms}}
streams: {trigger: 100ms}
materialize: {every: 100ms}
"""
FILES = {
    "schemas/events.yml": SCHEMA,
    "transformations/big.sql": "CREATE STREAMING TABLE silver.big PARTITIONED BY (date) AS\n"
                               "SELECT id, upper(name) AS name, amount, date FROM STREAM bronze.events\n"
                               "WHERE amount >= 50;\n",
    "transformations/sums.sql": "CREATE MATERIALIZED VIEW gold.sums AS\n"
                                "SELECT name, count(*) AS n, sum(amount) AS total FROM silver.big GROUP BY name;\n",
}


def events(first, count):
    return "".join(json.dumps({"id": i, "ts": f"2026-01-01T00:00:{i % 60:02d}Z", "name": f"n{i % 3}",
                               "amount": i % 100}) + "\n" for i in range(first, first + count))


def test_kafka_in_tables_out(t):
    t.project(PROJECT, FILES)
    server = t.up()
    t.kcat(server, "-P", "-t", "events", input=events(0, 1000))
    # Fresh at once: what is acknowledged is there, committed or not.
    assert t.value("SELECT count(*) FROM bronze.events") == 1000
    assert t.value("SELECT count(*) FROM silver.big") == 500
    assert t.value("SELECT count(DISTINCT id) FROM events") == 1000
    t.until("SELECT coalesce(sum(n), 0) FROM gold.sums", 500)
    assert t.value("SELECT sum(total) FROM gold.sums") == sum(i % 100 for i in range(1000) if i % 100 >= 50)
    assert server.stop() == 0
    # The same from the folder alone, with no server.
    assert t.value("SELECT count(*) FROM bronze.events") == 1000
    assert t.value("SELECT count(*) FROM silver.big") == 500


def test_restart_goes_on_where_it_was(t):
    t.project(PROJECT, FILES)
    for round in range(3):
        server = t.up()
        t.kcat(server, "-P", "-t", "events", "-z", ["none", "lz4", "zstd"][round], input=events(round * 100, 100))
        if round % 2:
            server.kill()
        else:
            assert server.stop() == 0
    server = t.up()
    assert t.value("SELECT count(*) FROM bronze.events") == 300
    assert t.value("SELECT count(DISTINCT id) FROM bronze.events") == 300
    t.until("SELECT count(*) FROM silver.big", 150)
    t.until("SELECT coalesce(sum(n), 0) FROM gold.sums", 150)


def test_contract_sends_bad_events_to_the_dead_letters(t):
    t.project(PROJECT, FILES)
    server = t.up()
    t.kcat(server, "-P", "-t", "events", input='{"id":1,"ts":"2026-01-01T00:00:00Z"}\n{"id":"x"}\nnot json\n')
    assert t.value("SELECT count(*) FROM bronze.events") == 1
    assert t.value('SELECT count(*) FROM "events.dlq"') == 2
    rows = t.sql('SELECT headers FROM "events.dlq"')
    assert all("reason" in str(row["headers"]) for row in rows), rows


def test_kcat_lists_and_consumes(t):
    t.project("topics:\n  plain: {partitions: 2}\n")
    server = t.up()
    assert 'topic "plain" with 2 partitions' in t.kcat(server, "-L")
    t.kcat(server, "-P", "-t", "plain", "-p", "1", "-k", "the-key", "-H", "h=v", input="the-value\n")
    out = t.kcat(server, "-C", "-t", "plain", "-e", "-f", "%p %o %k %s %h\n")
    assert out == "1 0 the-key the-value h=v\n", out
    t.kcat(server, "-P", "-t", "made-by-auto-create", input="x\n")
    assert t.value('SELECT value FROM "made-by-auto-create"') == "x"


def test_sql_error_in_one_transformation_leaves_the_others(t):
    files = dict(FILES, **{"transformations/broken.sql": "CREATE STREAMING TABLE silver.broken AS\n"
                                                         "SELECT id FROM STREAM bronze.evnts;\n"})
    t.project(PROJECT, files)
    server = t.up()
    assert "broken.sql:2:23" in server.log() and "bronze.events" in server.log()
    t.kcat(server, "-P", "-t", "events", input=events(0, 100))
    t.until("SELECT count(*) FROM silver.big", 50)


def test_http_endpoints(t):
    t.project(PROJECT, FILES)
    server = t.up()
    t.kcat(server, "-P", "-t", "events", input=events(0, 10))

    def get(path):
        with urllib.request.urlopen(server.http + path, timeout=10) as r:
            return r.read().decode()

    assert "ok" in get("/healthz")
    assert "ready" in get("/readyz")
    status = json.loads(get("/api/v1/status"))
    assert status["topics"] and status["tables"], status
    metrics = get("/metrics")
    assert 'millrace_topic_messages_total{topic="events"} 10' in metrics, metrics[:2000]
    request = urllib.request.Request(server.http + "/api/v1/sql?format=csv",
                                     data=b"SELECT 1 AS a, 'x' AS b", method="POST")
    with urllib.request.urlopen(request, timeout=10) as r:
        assert r.read().decode() == "a,b\n1,x\n"


def test_table_deleted_while_running(t):
    import shutil
    t.project(PROJECT, FILES)
    server = t.up()
    t.kcat(server, "-P", "-t", "events", input=events(0, 10))
    t.until("SELECT rows FROM system.tables WHERE table_name = 'bronze.events'", 10)
    shutil.rmtree(Path(t.folder) / ".millrace/tables/bronze/events")
    t.kcat(server, "-P", "-t", "events", input=events(10, 10))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        error = t.value("SELECT error FROM system.ingests")
        if error:
            break
        time.sleep(0.1)
    assert error and "bronze" in error, error
    # Nothing else is disturbed, nothing acknowledged is lost.
    assert t.value("SELECT count(*) FROM events") == 20
    assert server.stop() == 0


def test_sql_reaches_no_other_files(t):
    t.project(PROJECT, FILES)
    server = t.up()
    for sql in ("SELECT * FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO 'x.csv'", "ATTACH 'x.db' AS x"):
        try:
            urllib.request.urlopen(f"{server.http}/api/v1/sql", data=sql.encode())
            raise AssertionError(f"the server did {sql}")
        except urllib.error.HTTPError as refused:
            assert "disabled" in refused.read().decode()
    names = [row["name"] for row in t.sql("SHOW TABLES")]
    assert names == sorted(names) and {"events", "bronze.events", "silver.big", "gold.sums", "sys.topics"} <= set(names)
