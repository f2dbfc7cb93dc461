#!/usr/bin/env python3
"""make bench-delta: Delta tables beside delta-rs and DuckDB's delta reader, in turn, on the same rows.

  bench/delta.py [--build build/release] [--only WORD] [--quick] [--alone]

millrace syncs everything to disk before it answers; delta-rs never does. CPU is user + system of the whole `millrace sql`
process less that of one that does nothing, and of the call alone for the others, without interpreter and imports.
Ends with the marks. --quick: a tenth of the rows, files and commits. --alone leaves the others out.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))
import big_log  # noqa: E402
import peers  # noqa: E402
import processes  # noqa: E402
from suite_delta_ops import PACKAGES  # noqa: E402

COLUMNS = "id BIGINT, ts TIMESTAMP, client STRING, path STRING, status INT, bytes BIGINT, agent STRING"


def rows_sql(count):
    """Rows like a web server's log, about 230 bytes as text."""
    return (f"SELECT range AS id, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_milliseconds(range * 7) AS ts, "
            "'10.' || range % 250 || '.' || (range * 31) % 256 || '.' || (range * 17) % 251 AS client, "
            "'/api/v2/' || md5((range % 5000)::VARCHAR) || '?q=' || range % 977 AS path, "
            "CAST([200, 200, 200, 304, 404, 500][1 + range % 6] AS INT) AS status, (range * 7919) % 90000 AS bytes, "
            "'Mozilla/5.0 (X11; Linux x86_64; rv:' || range % 90 || '.0) Gecko/20100101 Firefox/' || range % 90 AS agent "
            f"FROM range({count})")


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.binary = str(Path(options.build).resolve() / "millrace")
        self.scale = 10 if options.quick else 1
        self.figures = {}
        self.python = None if options.alone else peers.python("delta-ops", *PACKAGES)
        self.nothing = self.ours("SELECT 1")

    def note(self, what, side, **figures):
        self.figures.setdefault(what, {})[side] = figures
        print(f"{side}: {what}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()), file=sys.stderr, flush=True)

    def get(self, what, side, figure):
        return self.figures.get(what, {}).get(side, {}).get(figure)

    # ---- the sides ----

    def ours(self, text):
        """A whole `millrace sql` process: wall and CPU seconds, peak MB."""
        with open(self.folder / "statement.sql", "w") as script:
            script.write(text)
        started = time.perf_counter()
        with open(self.folder / "statement.sql") as script:
            process = subprocess.Popen([self.binary, "sql"], stdin=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       cwd=self.folder)
            out, err = process.stdout.read(), process.stderr.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"millrace: {err.decode()}")
        del out
        return {"wall": time.perf_counter() - started, "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}

    def call_cost(self, text):
        cost = self.ours(text)
        return {**cost, "wall": cost["wall"] - self.nothing["wall"], "cpu": cost["cpu"] - self.nothing["cpu"]}

    def theirs(self, *args):
        if not self.python:
            return None
        done = subprocess.run([self.python, ROOT / "bench/delta_peer.py", self.folder, *map(str, args)], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            print(f"delta-rs: {args[0]} failed: {done.stderr[-500:]}", file=sys.stderr)
            return None
        return json.loads(done.stdout.splitlines()[-1])

    def table(self, name):
        return f"delta.`{self.folder}/{name}`"

    # ---- appending and changing ----

    def prepare(self):
        self.rows = 2_000_000 // self.scale
        self.ours(f"COPY ({rows_sql(self.rows)}) TO '{self.folder}/rows.parquet' (FORMAT parquet, COMPRESSION zstd)")
        changed = (f"SELECT * REPLACE (id * {self.rows // 10000} AS id) FROM ({rows_sql(10000)}) UNION ALL "
                   f"SELECT * REPLACE (id + {self.rows} AS id) FROM ({rows_sql(10000)})")
        self.ours(f"COPY ({changed}) TO '{self.folder}/source.parquet' (FORMAT parquet)")

    def new_table(self, name, properties=""):
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return (f"CREATE TABLE {self.table(name)} ({COLUMNS}) USING delta TBLPROPERTIES ("
                f"'delta.targetFileSize' = '16777216'{properties});\n")

    def fill(self, name):
        return f"INSERT INTO {self.table(name)} SELECT * FROM read_parquet('{self.folder}/rows.parquet');\n"

    def appending(self):
        ours = self.call_cost(self.new_table("table") + self.fill("table"))
        theirs = self.theirs("append")
        for side, cost in (("millrace", ours), ("delta-rs", theirs)):
            if cost:
                self.note("append", side, cpu_per_million=cost["cpu"] / self.rows * 1e6, rows_per_s=self.rows / cost["wall"],
                          peak_mb=cost["peak_mb"])

    def changing(self):
        statements = {"merge": f"MERGE INTO $ t USING (SELECT * FROM read_parquet('{self.folder}/source.parquet')) s ON t.id = s.id "
                               "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *;\n",
                      "delete": "DELETE FROM $ WHERE id % 100 = 7;\n"}
        for vectors in (False, True):
            for what, statement in statements.items():
                properties = f", 'delta.enableDeletionVectors' = '{str(vectors).lower()}'"
                self.ours(self.new_table("table", properties) + self.fill("table"))
                cost = self.call_cost(statement.replace("$", self.table("table")))
                self.note(what + (" by vectors" if vectors else ""), "millrace", wall=cost["wall"], cpu=cost["cpu"],
                          peak_mb=cost["peak_mb"])
        for what in statements:
            if self.theirs("append") and (cost := self.theirs(what)):
                self.note(what, "delta-rs", wall=cost["wall"], cpu=cost["cpu"], peak_mb=cost["peak_mb"])

    def small_commits(self):
        count = 1000 // self.scale
        self.ours(f"COPY ({rows_sql(1000)}) TO '{self.folder}/thousand.parquet' (FORMAT parquet)")
        batch = f"INSERT INTO {self.table('commits')} SELECT * FROM read_parquet('{self.folder}/thousand.parquet');\n"
        self.ours(self.new_table("commits"))
        first = self.call_cost(batch * count)
        self.note("1,000-row commits", "millrace", per_s=count / first["wall"], cpu_ms=first["cpu"] / count * 1000)
        if cost := self.theirs("commits", count):
            self.note("1,000-row commits", "delta-rs", per_s=count / cost["wall"], cpu_ms=cost["cpu"] / count * 1000)
        if not self.options.quick:
            self.ours(batch * 8000)
            last = self.call_cost(batch * count)
            self.note("1,000-row commits, from version 9,000", "millrace", per_s=count / last["wall"],
                      cpu_ms=last["cpu"] / count * 1000)

    def optimizing(self):
        self.ours(self.new_table("small") + "".join(
            f"INSERT INTO {self.table('small')} SELECT * FROM read_parquet('{self.folder}/thousand.parquet');\n" for _ in range(1000)))
        alone = self.theirs("duckdb_rewrite", self.folder / "small")
        cost = self.call_cost(f"OPTIMIZE {self.table('small')};\n")
        self.note("optimize 1,000 files", "millrace", wall=cost["wall"], cpu=cost["cpu"])
        if alone:
            self.note("optimize 1,000 files", "DuckDB alone", wall=alone["wall"], cpu=alone["cpu"])

    def writers(self):
        each = 100 // (4 if self.options.quick else 1)
        self.ours(self.new_table("shared"))
        script = f"INSERT INTO {self.table('shared')} SELECT * FROM read_parquet('{self.folder}/thousand.parquet');\n" * each
        started = time.perf_counter()
        processes_ = [subprocess.Popen([self.binary, "sql"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, cwd=self.folder) for _ in range(8)]
        threads = [threading.Thread(target=p.communicate, args=(script.encode(),)) for p in processes_]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.note("8 writers", "millrace", per_s=8 * each / (time.perf_counter() - started),
                  failed=sum(p.returncode != 0 for p in processes_))

    # ---- a table of a million files ----

    def opening(self):
        files = 1_000_000 // self.scale
        project = self.folder / "project"
        table = project / ".millrace/tables/big/log"
        table.parent.mkdir(parents=True)
        (project / "millrace.yml").write_text("kafka: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0}\n")
        big_log.make(self.binary, table, files)
        with Server(self.binary, project) as server:
            nothing = server.ask("SELECT count(*) FROM big.log WHERE day = DATE '1999-01-01'")
            opened = server.peak_mb()
            selective = server.ask("SELECT count(*) FROM big.log WHERE day = DATE '2023-06-01' AND id = -1")
            again = min(server.ask("SELECT count(*) FROM big.log WHERE day = DATE '1999-01-01'") for _ in range(3))
            later = []
            for version in range(big_log.COMMITS, big_log.COMMITS + 10):
                big_log.next_commit(table, version)
                later.append(server.ask("SELECT count(*) FROM big.log WHERE day = DATE '1999-01-01'"))
        self.note("open", "millrace", cold_s=nothing, peak_mb=opened, again_ms=again * 1000, next_version_ms=max(later) * 1000,
                  selective_more_ms=(selective - again) * 1000)
        for side, what in (("delta-rs", "open"), ("DuckDB", "duckdb_open")):
            if cost := self.theirs(what, table):
                self.note("open", side, cold_s=cost["wall"], peak_mb=cost["peak_mb"])

    # ---- the marks ----

    def ratio(self, what, other, figure, ours="millrace", of=None):
        mine, theirs = self.get(of or what, ours, figure), self.get(what, other, figure)
        return None if mine is None or theirs is None else theirs / mine

    def marks(self):
        get = self.get
        per_s = self.ratio("1,000-row commits", "delta-rs", "per_s")
        late = get("1,000-row commits, from version 9,000", "millrace", "per_s")
        rows = [
            ("append: CPU-s per million rows", get("append", "millrace", "cpu_per_million"), "<=", 0.7),
            ("1,000-row commits a second, of delta-rs", per_s and 1 / per_s, ">=", 5),
            ("1,000-row commits: CPU, of delta-rs", self.ratio("1,000-row commits", "delta-rs", "cpu_ms"), ">=", 5),
            ("commits a second at version 9,000, of the first", late and late / get("1,000-row commits", "millrace", "per_s"), ">=", 0.8),
            ("MERGE, times as fast as delta-rs", self.ratio("merge", "delta-rs", "wall"), ">=", 1.5),
            ("MERGE by vectors", self.ratio("merge", "delta-rs", "wall", of="merge by vectors"), ">=", 5),
            ("MERGE: memory, of delta-rs", self.share("merge"), "<=", 0.5),
            ("DELETE, times as fast as delta-rs", self.ratio("delete", "delta-rs", "wall"), ">=", 1.5),
            ("DELETE by vectors", self.ratio("delete", "delta-rs", "wall", of="delete by vectors"), ">=", 5),
            ("DELETE: memory, of delta-rs", self.share("delete"), "<=", 0.5),
            ("OPTIMIZE, of DuckDB alone", self.ratio("optimize 1,000 files", "DuckDB alone", "wall"), ">=", 0.8),
            ("8 writers: commits a second", get("8 writers", "millrace", "per_s"), ">=", 200),
            ("8 writers: failed", get("8 writers", "millrace", "failed"), "<=", 0),
            ("1,000,000 files: open, s", get("open", "millrace", "cold_s"), "<=", 1),
            ("1,000,000 files: memory, MB", get("open", "millrace", "peak_mb"), "<=", 300),
            ("1,000,000 files: next version, ms", get("open", "millrace", "next_version_ms"), "<=", 50),
            ("1,000,000 files: a selective query, ms more", get("open", "millrace", "selective_more_ms"), "<=", 100),
        ]
        print(f"\n{'mark':52} {'measured':>10}  {'wanted':>8}")
        for name, value, how, wanted in rows:
            if value is None:
                print(f"{name:52} {'not measured':>10}")
                continue
            met = value <= wanted if how == "<=" else value >= wanted
            print(f"{name:52} {value:10.3g}  {how} {wanted:<5} {'met' if met else 'missed'}")

    def share(self, what):
        ours, theirs = self.get(what, "millrace", "peak_mb"), self.get(what, "delta-rs", "peak_mb")
        return None if ours is None or theirs is None else ours / theirs


class Server:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, Path(folder)

    def __enter__(self):
        run = self.folder / ".millrace/run.json"
        self.process = subprocess.Popen([self.binary, "up", self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                state = json.loads(run.read_text())
                if state["pid"] == self.process.pid:
                    self.url = f"http://127.0.0.1:{state['http_port']}/api/v1/sql?format=json"
                    return self
            except (OSError, ValueError, KeyError):
                pass
            time.sleep(0.01)
        sys.exit("millrace up did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def ask(self, text):
        """Seconds until the answer is there."""
        started = time.perf_counter()
        try:
            with urllib.request.urlopen(self.url, data=text.encode(), timeout=600) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            sys.exit(f"{text}: {error.read().decode()}")
        return time.perf_counter() - started

    def peak_mb(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return processes.memory_mb([self.process.pid])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/release")
    p.add_argument("--only", default="")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--alone", action="store_true")
    options = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        bench = Bench(options, folder)
        bench.prepare()
        for part in (bench.appending, bench.changing, bench.small_commits, bench.optimizing, bench.writers, bench.opening):
            if options.only in part.__name__:
                part()
        bench.marks()


if __name__ == "__main__":
    main()
