#!/usr/bin/env python3
"""Tables in a bucket of a real S3 server (versitygw on loopback): the body that every store passes, every
operation through the binary, delta-rs beside us in the same bucket, writers at once, kills in between."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import peers
from suite import call, run, running

PACKAGES = ["deltalake==1.6.6", "pyarrow==26.0.1"]
GATEWAY = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
KEYS = {"AWS_ACCESS_KEY_ID": "millrace", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests", "AWS_REGION": "us-east-1"}
KILLS = 6
WRITES = 12


def enter_venv():
    """Runs this file again in the virtual environment, made when it is not there."""
    interpreter = peers.python("delta", *PACKAGES)
    if Path(sys.prefix) != interpreter.parent.parent:
        os.execv(interpreter, [interpreter, __file__, *sys.argv[1:]])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bucket:
    def __init__(self, suite, port):
        self.suite, self.tool = suite, suite.build / "tests/interop/store_tool"
        self.cache = suite.folder / "cache"
        self.env = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "MILLRACE_CACHE": str(self.cache),
                    "STORE_TOOL_FOLDER": str(suite.folder), "ASAN_OPTIONS": "detect_leaks=0"}
        self.options = {**KEYS, "AWS_ENDPOINT_URL": self.env["AWS_ENDPOINT_URL"], "AWS_ALLOW_HTTP": "true"}

    def sql(self, text, **env):
        return call(self.suite.binary, "sql", "-o", "csv", "-c", text, env={**self.env, **env}, cwd=self.suite.folder)

    def rows(self, table, **env):
        """As millrace reads it."""
        lines = self.sql(f"SELECT * FROM {name(table)} ORDER BY ALL", **env).split("\n")[1:-1]
        return [tuple(line.split(",")) for line in lines]

    def theirs(self, table):
        """As delta-rs does."""
        from deltalake import DeltaTable
        data = DeltaTable(f"s3://bucket/{table}", storage_options=self.options).to_pyarrow_table().to_pylist()
        return sorted((tuple(str(v) for v in row.values()) for row in data), key=lambda r: (int(r[0]), r[1:]))

    def append(self, table, ids, word):
        import pyarrow as pa
        from deltalake import write_deltalake
        data = pa.table({"id": pa.array(ids, pa.int64()), "s": [word] * len(ids)})
        write_deltalake(f"s3://bucket/{table}", data, mode="append", storage_options=self.options)


def name(table):
    return f"delta.`s3://bucket/{table}`"


def wait_for(port):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the S3 server did not start")


def same(b, table, count=None):
    ours, theirs = b.rows(table), b.theirs(table)
    assert ours == theirs, f"{len(ours)} rows here, {len(theirs)} in delta-rs: {ours[:5]} {theirs[:5]}"
    assert count is None or len(ours) == count, f"{len(ours)} rows, not {count}"
    return ours


def body(b, seed=None):
    out = call(b.tool, "bucket", f"body{seed or ''}/", *([seed] if seed else []), env=b.env)
    assert "every check passed" in out


def operations(b):
    t = name("ops")
    b.sql(f"CREATE TABLE {t} (id BIGINT, s STRING) TBLPROPERTIES ('delta.checkpointInterval' = '3')")
    b.sql(f"INSERT INTO {t} SELECT range, 'v' || range FROM range(100); UPDATE {t} SET s = 'u' WHERE id % 7 = 0;"
          f"DELETE FROM {t} WHERE id % 11 = 0; MERGE INTO {t} t USING (SELECT range AS id, 'm' AS s FROM "
          "range(95, 105)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
    same(b, "ops", 96)
    for i in range(5):
        b.sql(f"INSERT INTO {t} VALUES ({1000 + i}, 'late')")
    same(b, "ops", 101)
    b.sql(f"OPTIMIZE {t}")
    same(b, "ops", 101)
    b.sql(f"RESTORE TABLE {t} TO VERSION AS OF 1")
    same(b, "ops", 100)


def vectors(b):
    t = name("vectors")
    b.sql(f"CREATE TABLE {t} (id BIGINT, s STRING) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true');"
          f"INSERT INTO {t} SELECT range, 'v' FROM range(1000); DELETE FROM {t} WHERE id % 3 = 0")
    count = b.sql(f"SELECT count(*), sum(id) FROM {t}", MILLRACE_CACHE=str(b.suite.folder / "cold")).split("\n")[1]
    assert count == "666,332667", count


def large(b):
    t = name("large")
    b.sql(f"CREATE TABLE {t} (id BIGINT, s STRING); INSERT INTO {t} SELECT range, md5(CAST(range AS VARCHAR)) || "
          "md5(CAST(range + 1 AS VARCHAR)) FROM range(1000000)")
    files = list((b.suite.folder / "data/bucket/large").glob("*.parquet"))
    sizes = [f.stat().st_size for f in files]
    assert max(sizes) > 16 << 20, f"no file was sent in parts: {sizes}"
    cold = b.sql(f"SELECT count(*), count(DISTINCT s) FROM {t}", MILLRACE_CACHE=str(b.suite.folder / "cold"))
    assert cold.split("\n")[1] == "1000000,1000000", cold


def both_ways(b):
    b.append("mixed", [1, 2, 3], "rs")
    same(b, "mixed", 3)
    b.sql(f"INSERT INTO {name('mixed')} VALUES (4, 'ours'); DELETE FROM {name('mixed')} WHERE id = 2")
    same(b, "mixed", 3)
    b.append("mixed", [5], "rs")
    same(b, "mixed", 4)


def chores(b):
    for chore in ("history", "describe", "optimize", "vacuum", "fsck"):
        call(b.suite.binary, "table", chore, "s3://bucket/ops", "-o", "csv", env=b.env, cwd=b.suite.folder)
    problems = call(b.suite.binary, "table", "fsck", "s3://bucket/ops", "-o", "csv", env=b.env, cwd=b.suite.folder)
    assert len(problems.strip().split("\n")) <= 1, problems
    b.sql(f"ALTER TABLE {name('ops')} SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 0 hours');"
          f"VACUUM {name('ops')} RETAIN 0 HOURS")
    same(b, "ops", 100)


def two_writers(b):
    b.append("race", [0], "first")
    lost = []

    def ours(word):
        for i in range(WRITES):
            try:
                b.sql(f"INSERT INTO {name('race')} VALUES ({i + 1}, '{word}')")
            except AssertionError as e:
                lost.append(str(e))

    def theirs():
        for i in range(WRITES):
            b.append("race", [i + 1], "rs")

    threads = [threading.Thread(target=ours, args=("a",)), threading.Thread(target=ours, args=("b",)),
               threading.Thread(target=theirs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not lost, lost[0]
    rows = same(b, "race", 3 * WRITES + 1)
    assert len(set(rows)) == len(rows), "a row is there twice"


def kills(b):
    """kill -9 of a writer at any moment: its rows are a prefix of what it was told, each once."""
    t, seed = name("killed"), random.randrange(1 << 30)
    chance = random.Random(seed)
    b.sql(f"CREATE TABLE {t} (id BIGINT, s STRING) TBLPROPERTIES ('delta.checkpointInterval' = '4')")
    first = 0
    for _ in range(KILLS):
        text = ";".join(f"INSERT INTO {t} VALUES ({first + i}, 'k')" for i in range(200))
        writer = subprocess.Popen([b.suite.binary, "sql", "-c", text], env={**os.environ, **b.env},
                                  cwd=b.suite.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.1, 1.5))
        writer.send_signal(signal.SIGKILL)
        writer.wait(20)
        ids = [int(row[0]) for row in same(b, "killed")]
        assert ids == list(range(len(ids))), f"seed {seed}: {ids}"
        first = len(ids)
    assert first > 0, "no commit came through"


def cold_and_warm(b):
    warm = b.rows("mixed")
    shutil.rmtree(b.cache, ignore_errors=True)
    assert b.rows("mixed") == warm
    files = list(b.cache.rglob("*.parquet"))
    assert files, "nothing was kept"
    stamps = [f.stat().st_mtime_ns for f in files]
    assert b.rows("mixed") == warm and [f.stat().st_mtime_ns for f in files] == stamps, "fetched again"


def refusals(b):
    def fails(text, *words, **env):
        done = subprocess.run([b.suite.binary, "sql", "-c", text], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **b.env, **env}, cwd=b.suite.folder, check=False)
        missing = [w for w in words if w not in done.stderr]
        assert done.returncode and not missing, (missing, done.stderr)
    fails("SELECT * FROM delta.`gs://b/t`", "Google", "hint: ")
    fails("SELECT * FROM delta.`abfss://c@a/t`", "Azure", "hint: ")
    fails("SELECT * FROM delta.`s3://bucket/none`", "no Delta table at s3://bucket/none")
    fails(f"CREATE TABLE delta.`{b.suite.folder}/clone` SHALLOW CLONE {name('mixed')}", "SHALLOW CLONE", "hint: ")
    fails("SELECT * FROM delta.`s3://absent/t`", "NoSuchBucket")
    fails(f"SELECT * FROM {name('mixed')}", "SignatureDoesNotMatch", "AWS_PROFILE", AWS_SECRET_ACCESS_KEY="x")
    fails(f"SELECT * FROM {name('mixed')}", "no credentials", "AWS_ACCESS_KEY_ID", AWS_SECRET_ACCESS_KEY="", HOME="/none")


def named(b):
    """A table of a project whose LOCATION is in the bucket."""
    project = b.suite.folder / "project"
    project.mkdir()
    (project / "millrace.yml").write_text("name: stores\n")
    sql = lambda text: call(b.suite.binary, "sql", "-C", project, "-o", "csv", "-c", text, env=b.env)
    sql("CREATE TABLE far (id BIGINT, s STRING) LOCATION 's3://bucket/far'")
    sql("INSERT INTO far VALUES (1, 'x')")
    assert sql("SELECT * FROM far").split("\n")[1] == "1,x"
    same(b, "far", 1)


def main(suite):
    gateway = peers.go_install("versitygw", GATEWAY)
    data, port = suite.folder / "data", free_port()
    (data / "bucket").mkdir(parents=True)
    os.environ.update(ROOT_ACCESS_KEY=KEYS["AWS_ACCESS_KEY_ID"], ROOT_SECRET_KEY=KEYS["AWS_SECRET_ACCESS_KEY"])
    with running([gateway, "--port", f"127.0.0.1:{port}", "--quiet", "posix", data], suite.folder / "gateway.log"):
        wait_for(port)
        b = Bucket(suite, port)
        suite.check("the body of every store", body, b)
        for seed in (1, 2, 3):
            suite.check(f"the body with faults from seed {seed}", body, b, seed)
        suite.check("operations, each read by delta-rs", operations, b)
        suite.check("deletion vectors, from a cold cache", vectors, b)
        suite.check("a file sent in parts", large, b)
        suite.check("delta-rs and we by turns", both_ways, b)
        suite.check("history, describe, optimize, vacuum, fsck", chores, b)
        suite.check("three writers at once, one of them delta-rs", two_writers, b)
        suite.check("kill -9 in between", kills, b)
        suite.check("a cold cache and a warm one", cold_and_warm, b)
        suite.check("what is refused says why", refusals, b)
        suite.check("a project's table with a LOCATION", named, b)


if __name__ == "__main__":
    enter_venv()
    run(__doc__, main)
