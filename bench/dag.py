#!/usr/bin/env python3
"""make bench-dag: the scheduler beside Apache Airflow, on the same machine, one after the other.

  bench/dag.py [--build build/release] [--only WORD] [--quick] [--alone]

Both get DAGs of the same shape by their own files, and are asked for a run by the same REST call. CPU is
user + system of every process of the side, tasks included; memory is the processes' proportional share.
millrace runs durable: nothing starts before what led to it is on disk. Airflow has its own PostgreSQL, as it comes.
Ends with the marks. --alone leaves Airflow out.
"""
import argparse
import contextlib
import datetime
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))
import processes  # noqa: E402
from airflow_peer import Airflow  # noqa: E402

PAUSED = 56  # files that only lie there while idle is measured


# ---- DAGs: name -> (kind of task, how many, how they hang together) ----

def shapes(tasks, many):
    """The tasks of many DAGs at once sleep: a start waits for the scheduler then, not for a processor."""
    out = {"wide": ("true", tasks, "wide"), "chain": ("true", 50, "chain")}
    out.update({f"many_{i:02d}": (f"sleep 0.{5 + i % 5}", 20, "chain") for i in range(many)})
    out.update({f"still_{i:02d}": ("true", 20, "chain") for i in range(PAUSED)})
    return out


BASH = "airflow.providers.standard.operators.bash.BashOperator"


def write_yaml(folder, name, kind, tasks, how):
    """kind: sql, empty, or a command."""
    operator, more = {
        "sql": ("airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator", "sql: SELECT 1"),
        "empty": ("airflow.providers.standard.operators.empty.EmptyOperator", "")}.get(
            kind, (BASH, f"bash_command: '{kind}'"))
    text = (f"{name}:\n  schedule: null\n  max_active_tasks: 2000\n"
            "  default_args: {retries: 0, start_date: 2024-01-01}\n  tasks:\n")
    if how == "mapped":
        text += (f"    - task_id: t\n      operator: {operator}\n      expand:\n        bash_command: ["
                 + ", ".join(["'true'"] * tasks) + "]\n")
        tasks = 0
    for i in range(tasks):
        text += f"    - task_id: t{i:05d}\n      operator: {operator}\n" + (f"      {more}\n" if more else "")
        if how == "chain" and i:
            text += f"      dependencies: [t{i - 1:05d}]\n"
    (folder / f"{name}.yml").write_text(text)


def write_python(folder, name, command, tasks, how):
    text = ("from airflow.sdk import DAG\nfrom airflow.providers.standard.operators.bash import BashOperator\n"
            f"with DAG('{name}', schedule=None, max_active_tasks=2000, default_args=dict(retries=0)):\n    last = None\n"
            f"    for i in range({tasks}):\n        t = BashOperator(task_id=f't{{i:05d}}', bash_command='{command}')\n")
    if how == "chain":
        text += "        if last:\n            last >> t\n        last = t\n"
    (folder / f"{name}.py").write_text(text)


class Millrace:
    name = "millrace"

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, Path(folder)
        self.dags = self.folder / "dags"
        self.dags.mkdir(parents=True)
        (self.folder / "millrace.yml").write_text("kafka: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0}\n"
                                                  "dags: {parallelism: 64}\n")

    def __enter__(self):
        run = self.folder / ".millrace/run.json"
        started = time.monotonic()
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen([self.binary, "up", self.folder], stdout=subprocess.DEVNULL, stderr=log)
        while True:
            try:
                state = json.loads(run.read_text())
                if state["pid"] == self.process.pid:
                    break
            except (OSError, ValueError, KeyError):
                pass
            if self.process.poll() is not None or time.monotonic() - started > 60:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.0005)
        self.ready_seconds = time.monotonic() - started
        self.url, self.token = f"http://127.0.0.1:{state['http_port']}", "none"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def pids(self):
        return [self.process.pid]


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.build = Path(options.build).resolve()
        self.figures = {}

    def note(self, what, side, **figures):
        self.figures.setdefault(what, {})[side] = figures
        print(f"{side}: {what}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()), file=sys.stderr, flush=True)

    def figure(self, what, side, name):
        return self.figures.get(what, {}).get(side, {}).get(name)

    # ---- asking ----

    @staticmethod
    def api(side, method, path, body=None):
        request = urllib.request.Request(side.url + "/api/v2" + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": "Bearer " + side.token,
                                                  "Content-Type": "application/json"})
        for tries in range(5):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as e:  # a busy Airflow answers 500 now and then
                if e.code != 500 or method != "GET" or tries == 4:
                    raise
                time.sleep(1)

    def wait_parsed(self, side, dags):
        until = time.monotonic() + 180
        for dag in dags:
            while True:
                with contextlib.suppress(OSError):
                    self.api(side, "GET", f"/dags/{dag}")
                    break
                if time.monotonic() > until:
                    sys.exit(f"{side.name} does not know DAG {dag} after 180 s")
                time.sleep(0.5)

    def run_dags(self, side, dags, seconds):
        """A run of each, all at once. Returns how long, and its runs."""
        for dag in dags:
            self.api(side, "PATCH", f"/dags/{dag}", {"is_paused": False})
        cpu, begin = processes.cpu_seconds(side.pids()), time.monotonic()
        runs = [(dag, self.api(side, "POST", f"/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"])
                for dag in dags]
        for dag, run in runs:
            while self.api(side, "GET", f"/dags/{dag}/dagRuns/{run}")["state"] not in ("success", "failed"):
                if time.monotonic() - begin > seconds:
                    sys.exit(f"{side.name}: {dag} has not ended after {seconds} s")
                time.sleep(0.02 if side.name == "millrace" else 0.25)
        return time.monotonic() - begin, processes.cpu_seconds(side.pids()) - cpu, runs

    def instances(self, side, dag, run):
        out = []
        while True:
            page = self.api(side, "GET", f"/dags/{dag}/dagRuns/{run}/taskInstances?limit=1000&offset={len(out)}")
            out += page["task_instances"]
            if len(out) >= page["total_entries"]:
                return out

    def gaps(self, side, runs):
        """Milliseconds from the end of a task to the start of the one behind it."""
        out = []
        for dag, run in runs:
            tasks = sorted(self.instances(side, dag, run), key=lambda t: t["task_id"])
            if any(t["state"] != "success" for t in tasks):
                sys.exit(f"{side.name}: {dag} has tasks that failed")
            when = lambda t, k: datetime.datetime.fromisoformat(t[k].replace("Z", "+00:00")).timestamp()
            out += [1000 * (when(b, "start_date") - when(a, "end_date")) for a, b in zip(tasks, tasks[1:])]
        return sorted(out)

    # ---- cases ----

    def rate(self, what, side, dags, count, seconds=600):
        took, cpu, _ = self.run_dags(side, dags, seconds)
        self.note(what, side.name, tasks_per_s=count / took, cpu_s_per_1000=cpu / count * 1000)

    def latency(self, what, side, dags, seconds=600):
        _, _, runs = self.run_dags(side, dags, seconds)
        gaps = self.gaps(side, runs)
        self.note(what, side.name, p50_ms=gaps[len(gaps) // 2], p99_ms=gaps[min(len(gaps) - 1, len(gaps) * 99 // 100)],
                  max_ms=gaps[-1])

    def idle(self, what, side):
        time.sleep(3 if side.name == "millrace" else 20)
        cpu, seconds = processes.cpu_seconds(side.pids()), 10 if self.options.quick else 30
        time.sleep(seconds)
        self.note(what, side.name, memory_mb=processes.memory_mb(side.pids()),
                  cpu_percent=(processes.cpu_seconds(side.pids()) - cpu) / seconds * 100)

    def both(self, side, wide, many):
        """What Airflow does too."""
        dags = shapes(wide, many)
        self.note("ready", side.name, seconds=side.ready_seconds)
        self.wait_parsed(side, dags)
        if self.wanted("idle"):
            self.idle(f"idle, {len(dags)} DAGs", side)
        if self.wanted("wide"):
            self.rate("true tasks, one DAG", side, ["wide"], wide)
        if self.wanted("chain"):
            self.latency("chain of 50", side, ["chain"])
        if self.wanted("many") or self.wanted("history"):
            names = [d for d in dags if d.startswith("many")]
            self.latency(f"{len(names)} DAGs x 20", side, names)

    def wanted(self, word):
        return not self.options.only or self.options.only in word

    def airflow(self):
        wide, many = (40, 4) if self.options.quick else (200, 20)
        folder = self.folder / "airflow-dags"
        folder.mkdir()
        for name, (kind, tasks, how) in shapes(wide, many).items():
            write_python(folder, name, kind, tasks, how)
        with Airflow(self.folder / "airflow", folder) as side:
            self.both(side, wide, many)

    def millrace(self):
        wide = 200 if self.options.quick else 2000
        side = Millrace(self.build / "millrace", self.folder / "millrace")
        for name, (kind, tasks, how) in shapes(wide, 50).items():
            write_yaml(side.dags, name, kind, tasks, how)
        with side:
            self.both(side, wide, 50)
        self.own_cases()
        if self.wanted("history"):
            self.history(side)

    def own_cases(self):
        """What Airflow is too slow for."""
        side = Millrace(self.build / "millrace", self.folder / "own")
        write_yaml(side.dags, "empty", "empty", 10_000, "wide")
        write_yaml(side.dags, "sql", "sql", 1000, "wide")
        write_yaml(side.dags, "mapped", "true", 1000 if self.options.quick else 10_000, "mapped")
        with side:
            if self.wanted("empty"):
                self.rate("in-process tasks", side, ["empty"], 10_000)
            if self.wanted("sql"):
                self.rate("SQL tasks", side, ["sql"], 1000)
            if self.wanted("mapped"):
                self.mapped(side)
        if self.wanted("loaded"):
            side = Millrace(self.build / "millrace", self.folder / "loaded")
            for i in range(1000):
                write_yaml(side.dags, f"dag_{i:04d}", "true", 5, "chain")
            with side:
                self.note("ready, 1000 DAGs", side.name, seconds=side.ready_seconds)
                self.wait_parsed(side, ["dag_0999"])
                self.idle("idle, 1000 DAGs", side)

    def mapped(self, side):
        count = 1000 if self.options.quick else 10_000
        self.rate("mapped true tasks", side, ["mapped"], count)
        begin = time.monotonic()
        self.api(side, "GET", "/grid?dag_id=mapped&limit=25")
        self.note("grid of a mapped run", side.name, ms=(time.monotonic() - begin) * 1000)

    def history(self, side):
        """The same chains once more, behind a million task instances that have ended."""
        rows = 100_000 if self.options.quick else 1_000_000
        db = sqlite3.connect(side.folder / ".millrace/dags.db")
        db.execute("PRAGMA cache_size=-400000")
        top = db.execute("SELECT max(run_no) FROM dag_run WHERE dag_id LIKE 'many%'").fetchone()[0]
        value = {"run_no": f"{top} + n", "run_id": "'old__' || n"}
        for table in ("dag_run", "task_instance"):
            names = [c[1] for c in db.execute(f"PRAGMA table_info({table})")]
            columns = ", ".join(value.get(name, name) for name in names)
            db.execute(f"WITH RECURSIVE c(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM c WHERE n < {999 + rows // 20}) "
                       f"INSERT INTO {table}({', '.join(names)}) SELECT {columns} FROM c, {table} WHERE run_no = {top}")
        db.commit()
        count = db.execute("SELECT count(*) FROM task_instance").fetchone()[0]
        db.close()
        with side:
            self.wait_parsed(side, ["many_00"])
            self.latency(f"50 DAGs x 20, {count // 1000}k in history", side, [f"many_{i:02d}" for i in range(50)])

    def spawn_loop(self):
        folder = self.folder / "keeper"
        folder.mkdir()
        done = subprocess.run([self.build / "bench/keeper_bench", folder, self.build / "millrace", "3000", "32"],
                              capture_output=True, text=True, check=True)
        bare, keeper = map(float, re.findall(r"(\d+)/s", done.stdout))
        self.note("bare spawn loop", "millrace", tasks_per_s=bare)
        self.note("keeper alone", "millrace", tasks_per_s=keeper)

    # ---- what is shown ----

    def table(self):
        print(f"{'':<36}{'':<18}{'millrace':>12}{'Airflow':>12}")
        for name, sides in self.figures.items():
            for i, figure in enumerate(next(iter(sides.values()))):
                row = "".join(f"{'-' if self.figure(name, s, figure) is None else format(self.figure(name, s, figure), '.4g'):>12}"
                              for s in ("millrace", "Airflow"))
                print(f"{'' if i else name:<36}{figure:<18}{row}")
        with open(ROOT / "build/bench-dag.jsonl", "a", encoding="utf-8") as out:
            out.write(json.dumps({"at": time.time(), "figures": self.figures}) + "\n")

    @staticmethod
    def mark(text, value, limit, most=True):
        if value is None or limit is None:
            return
        met = value <= limit if most else value >= limit
        print(f"{'met   ' if met else 'MISSED'}  {text:<72} {value:.4g} (limit {limit:.4g})")

    def marks(self):
        own = lambda what, name: self.figure(what, "millrace", name)
        wide, theirs = (self.figure("true tasks, one DAG", s, "tasks_per_s") for s in ("millrace", "Airflow"))
        bare = own("bare spawn loop", "tasks_per_s")
        print("\nmarks")
        self.mark("true tasks per second, or 70 % of the bare spawn loop if that is lower", wide,
                  min(1000, 0.7 * bare) if bare else 1000, most=False)
        idle = [next((f[s] for w, f in self.figures.items() if w.startswith("idle,") and s in f and "1000" not in w),
                     {}) for s in ("millrace", "Airflow")]
        if theirs and wide:
            self.mark("true tasks per second, times Airflow's", wide / theirs, 150, most=False)
            self.mark("CPU per true task, times less than Airflow's",
                      self.figure("true tasks, one DAG", "Airflow", "cpu_s_per_1000")
                      / own("true tasks, one DAG", "cpu_s_per_1000"), 300, most=False)
        if idle[0] and idle[1]:
            self.mark("idle memory, times less than Airflow's", idle[1]["memory_mb"] / idle[0]["memory_mb"], 30, most=False)
        self.mark("in-process tasks per second", own("in-process tasks", "tasks_per_s"), 20_000, most=False)
        for what in self.figures:
            if what.startswith("50 DAGs x 20"):
                self.mark(f"end to next start, p99 ms, {what}", own(what, "p99_ms"), 10)
        self.mark("idle CPU, % of a core, 1000 DAGs", own("idle, 1000 DAGs", "cpu_percent"), 0.5)
        self.mark("grid of a mapped run, ms", own("grid of a mapped run", "ms"), 1000)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--build", default=str(ROOT / "build/release"))
    p.add_argument("--only", help="cases: idle wide chain many empty sql mapped loaded history")
    p.add_argument("--quick", action="store_true", help="fewer tasks, shorter waits")
    p.add_argument("--alone", action="store_true", help="without Airflow")
    options = p.parse_args()
    os.makedirs(ROOT / "build", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-dag-", dir=ROOT / "build") as folder:
        bench = Bench(options, folder)
        bench.spawn_loop()
        bench.millrace()
        if not options.alone:
            bench.airflow()
    bench.table()
    bench.marks()


if __name__ == "__main__":
    main()
