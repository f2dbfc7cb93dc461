"""kill -9 at random under load, again and again: everything acknowledged is there, once."""
import random
import subprocess
import time
from pathlib import Path

from harness import free_port

ROUNDS = 100
PROJECT = """
kafka: {listen: 127.0.0.1:%d}
http: {listen: 127.0.0.1:0}
topics:
  events: {partitions: 4, schema: s.yml}
ingest:
  - {topic: events, table: bronze.events, commit: {every: 100ms}}
streams: {trigger: 50ms}
"""
FILES = {
    "s.yml": "type: object\nproperties: {id: {type: integer}, pad: {type: string}}\nrequired: [id]\n",
    "transformations/even.sql": "CREATE STREAMING TABLE silver.even AS\n"
                                "SELECT id FROM STREAM bronze.events WHERE id % 2 = 0;\n",
}


def test_kill_100_times(t):
    seed = random.randrange(1 << 30)
    print(f"kill seed {seed}")
    rng = random.Random(seed)
    port = free_port()
    t.project(PROJECT % port, FILES)
    acked = t.folder / "acked"
    server = t.up(binary=t.release)
    load = subprocess.Popen([t.tools / "kafka_load", "-b", f"127.0.0.1:{port}", "-t", "events", "-p", "4", "-e",
                             "-n", "100000000", "-r", "5000", "-s", "60", "-a", acked, "-w", "60"],
                            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for round in range(ROUNDS):
            time.sleep(rng.uniform(0.02, 0.35))
            server.kill()
            had = acked_ids(acked)
            server = t.up(binary=t.release)
            if round % 10 == 9 or round == ROUNDS - 1:
                check(t, had)
    finally:
        load.kill()
        load.wait()
    time.sleep(0.5)
    check(t, acked_ids(acked))
    assert len(acked_ids(acked)) > 1000


def acked_ids(path):
    if not Path(path).exists():
        return []
    text = path.read_text()
    return [int(line) for line in text[:text.rfind("\n") + 1].split()]


def check(t, acked):
    """The ledger: every acknowledged id once in bronze (fresh), every even one once in silver."""
    t.write("acked.csv", "id\n" + "\n".join(map(str, acked)) + "\n")
    rows, ids, lo = (t.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids, count(DISTINCT id) FILTER (id <= %d) "
                           "AS lo FROM bronze.events" % max(acked, default=0), binary=t.release)[0][k]
                     for k in ("n", "ids", "lo"))
    assert rows == ids, f"{rows - ids} rows are there twice"
    # Ids are sent in order: an id below the highest acknowledged one may be unacknowledged, not lost.
    assert lo >= len(set(acked)), f"{len(set(acked)) - lo} acknowledged events are lost"
    present = {row["id"] for row in t.sql("SELECT id FROM bronze.events", binary=t.release)}
    missing = [i for i in acked if i not in present]
    assert not missing, f"lost: {missing[:10]} and {len(missing)} in all"
    silver = t.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM silver.even", binary=t.release)[0]
    even = t.value("SELECT count(*) FROM bronze.events WHERE id % 2 = 0", binary=t.release)
    assert silver["n"] == silver["ids"] and silver["n"] <= even, (silver, even)
