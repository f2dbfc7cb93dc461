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
    """The ledger, while the load goes on: every id at most once in bronze (fresh), every acknowledged
    one there, and silver exactly the even ones of what bronze held when silver was asked."""
    (row,) = t.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM bronze.events", binary=t.release)
    assert row["n"] == row["ids"], f"{row['n'] - row['ids']} rows are there twice"
    present = {row["id"] for row in t.sql("SELECT id FROM bronze.events", binary=t.release)}
    missing = [i for i in acked if i not in present]
    assert not missing, f"{len(missing)} acknowledged events are lost, {missing[:10]} among them"
    even = t.value("SELECT count(*) FROM bronze.events WHERE id % 2 = 0", binary=t.release)
    (row,) = t.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM silver.even", binary=t.release)
    assert row["n"] == row["ids"] >= even, (row, even)
