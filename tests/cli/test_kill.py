"""kill -9 at random under load, again and again: everything acknowledged is there, once."""
import json
import os
import random
import subprocess
import time
from pathlib import Path

from harness import free_port

SCALE = int(os.environ.get("MR_TEST_SCALE", 1))
ROUNDS = 100 * SCALE
TXN_ROUNDS = 15 * SCALE
TXN_PROJECT = """
kafka: {listen: 127.0.0.1:%d}
http: {listen: 127.0.0.1:0}
topics:
  money: {partitions: 3}
"""
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
            if round % 50 == 49:
                print(f"killed {round + 1} of {ROUNDS} times, {len(had)} acknowledged events are there", flush=True)
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


def test_kill_under_transactions(t):
    """Committed transactions are there as a whole, once; aborted ones are not; the others as a whole or not."""
    rng = random.Random()
    port = free_port()
    t.project(TXN_PROJECT % port)
    server = t.up(binary=t.release)
    outcomes = [t.folder / f"outcomes-{i}" for i in range(2)]
    loads = [subprocess.Popen([t.tools / "txn_load", "-b", f"127.0.0.1:{port}", "-t", "money", "-p", "3", "-i",
                               f"bank-{i}", "-o", outcomes[i]], stderr=subprocess.DEVNULL) for i in range(2)]
    try:
        for _ in range(TXN_ROUNDS):
            time.sleep(rng.uniform(0.1, 0.6))
            server.kill()
            server = t.up(binary=t.release)
        time.sleep(3)
    finally:
        for load in loads:
            load.kill()
            load.wait()
    # Both loads count from 0: a number may be there once for each of them.
    committed = {}
    for path in outcomes:
        for line in path.read_text().splitlines():
            if line.startswith("c "):
                committed[int(line[2:])] = committed.get(int(line[2:]), 0) + 1
    assert sum(committed.values()) > 10 * TXN_ROUNDS, committed
    until = time.monotonic() + 30  # what was open when the loads were killed is aborted after five seconds
    while True:
        counts = transactions(t, server)
        missing = [txn for txn, times in committed.items() if min(counts.get(txn, [0])) < times]
        if not missing or time.monotonic() > until:
            break
        time.sleep(1)
    assert not missing, f"{len(missing)} committed transactions are not there, {missing[:10]} among them"
    for txn, parts in counts.items():
        assert len(set(parts)) == 1, f"transaction {txn} is there in part: {parts}"
        assert parts[0] <= 2 and txn % 5 != 4, f"transaction {txn} is there {parts} times"


def transactions(t, server):
    """How often each is there, by partition."""
    counts = {}
    read = t.kcat(server, "-C", "-t", "money", "-e", "-X", "isolation.level=read_committed", "-f", "%s\n", timeout=90)
    for line in read.splitlines():
        value = json.loads(line)
        counts.setdefault(value["txn"], [0, 0, 0])[value["part"]] += 1
    return counts
