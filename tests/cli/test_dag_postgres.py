"""Two servers on one real PostgreSQL: one leads, the other stands by and takes over; nothing runs twice, nothing
is lost, also when the leader is killed, sleeps longer than its lease, or the database is gone for a while."""
import copy
import os
import signal
import subprocess
import time

import test_dag as on_sqlite
from harness import ROOT, Millrace
from test_dag import ask, get, wait

LEASE_S = 3
AT_ONCE = 4
DAGS = """
work:
  schedule: '@daily'
  start_date: 2099-01-01
  max_active_runs: 4
  default_args: {retries: 5, retry_delay: 0}
  tasks:
    a: {operator: BashOperator, bash_command: "%(script)s {{ run_id }} a {{ ti.try_number }}"}
    b: {operator: BashOperator, bash_command: "%(script)s {{ run_id }} b {{ ti.try_number }}", dependencies: [a]}
"""
# A try writes down that it began and ended, and whether an earlier try of its task lives.
SCRIPT = """#!/bin/bash
f="%(folder)s/pids/$1.$2"
[ -e "$f" ] && kill -0 "$(cat "$f")" 2>/dev/null && echo "overlap $*" >>%(folder)s/starts
echo $$ >"$f"
echo "start $*" >>%(folder)s/starts
sleep 0.7
echo "end $*" >>%(folder)s/starts
"""


class Postgres:
    def __init__(self, folder):
        self.folder = folder / "pg"
        self.url = self.call("start").strip()

    def call(self, verb, *args):
        done = subprocess.run([ROOT / "tests/postgres.sh", verb, self.folder, *args], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call("stop", "immediate")


def servers(t, url):
    """Two projects with the same DAGs and the same store."""
    os.chmod(t.folder, 0o711)
    (t.folder / "pids").mkdir()
    script = t.write("try.sh", SCRIPT % {"folder": t.folder})
    script.chmod(0o755)
    pair = []
    for name in ("one", "two"):
        one = copy.copy(t)
        one.folder = t.folder / name
        secret = url.replace("postgres@", "postgres:s3cret@")
        one.project(f"name: d\ndags: {{metadata: '{secret}', lease: {LEASE_S}s}}\n",
                    {"dags/work.yml": DAGS % {"script": script}})
        pair.append(one)
    return pair


def leads(server):
    return get(server, "/monitor/health")["leader"]["this_server"]


def backfill(server, days):
    status, made = ask(server, "POST", "/backfills", {
        "dag_id": "work", "from_date": "2026-03-01T00:00:00Z", "to_date": f"2026-03-{days:02}T00:00:00Z",
        "max_active_runs": 4})
    assert status == 200, made


def check_all_done(t, server, days):
    def done():
        runs = get(server, "/dags/work/dagRuns?limit=100")["dag_runs"]
        return len(runs) == days and all(r["state"] == "success" for r in runs)
    wait(done, 90)
    lines = (t.folder / "starts").read_text().splitlines()
    assert not [x for x in lines if x.startswith("overlap")], lines
    starts = [x for x in lines if x.startswith("start")]
    assert len(set(starts)) == len(starts), "a try was started twice: " + str(sorted(starts))
    tasks = get(server, "/dags/work/dagRuns/~/taskInstances?limit=200")["task_instances"]
    assert len(tasks) == 2 * days, len(tasks)
    for i in tasks:
        assert i["state"] == "success", i
        assert f"end {i['dag_run_id']} {i['task_id']} {i['try_number']}" in lines, i
    # Only tries that ran when their server went, and that nobody heard the end of, were made again.
    assert len(starts) <= 2 * days + AT_ONCE, sorted(starts)
    return starts


def test_another_server_takes_over_when_the_leader_is_killed(t):
    with Postgres(t.folder) as postgres:
        one, two = servers(t, postgres.url)
        first = one.up()
        second = two.up()
        assert leads(first) and not leads(second)
        health = get(second, "/monitor/health")
        assert health["scheduler"]["status"] == "healthy", health
        assert str(one.folder) in health["leader"]["hostname"], health
        status, told = ask(second, "POST", "/dags/work/dagRuns", {"logical_date": None})
        assert status == 503 and "leads" in told["detail"] and str(one.folder) in told["detail"], told
        backfill(first, 8)
        wait(lambda: get(second, "/dags/work/dagRuns?state=running")["total_entries"] > 0)
        wait(lambda: (t.folder / "starts").exists())
        time.sleep(0.3)
        first.kill()
        began = time.monotonic()
        wait(lambda: leads(second), LEASE_S + 15)
        took = time.monotonic() - began
        assert took < LEASE_S * 1.5 + 2, took
        _, told = one.run("dag", "trigger", "work", code=3)  # no server of its own, and another leads
        assert str(two.folder) in told and "leads" in told, told
        again = one.up()  # comes back while the other leads, and stands by
        assert not leads(again)
        starts = check_all_done(t, second, 8)
        assert len(starts) > 16, "nothing was running when the leader was killed"
        out, _ = one.run("dag", "runs", "work")
        assert "success" in out
        for server in (first, second, again):
            assert "s3cret" not in server.log()


def test_a_wrong_address_does_not_show_its_password(t):
    t.project("name: d\ndags: {metadata: 'mysql://u:s3cret@x'}\n")
    _, told = t.run("dag", "list", code=2)
    assert "dags.metadata" in told and "millrace.yml, line 4" in told and "s3cret" not in told, told
    t.project("name: d\ndags: {metadata: 'postgresql://u:s3cret@h:%zz/x'}\n", {"dags/work.yml": DAGS % {"script": "x"}})
    _, told = t.run("dag", "runs", "work", code=2)
    assert "the address of the scheduler's store" in told and "s3cret" not in told, told


def test_a_leader_that_slept_starts_nothing(t):
    with Postgres(t.folder) as postgres:
        one, two = servers(t, postgres.url)
        first, second = one.up(), two.up()
        backfill(first, 6)
        wait(lambda: (t.folder / "starts").exists())
        first.process.send_signal(signal.SIGSTOP)
        wait(lambda: leads(second), LEASE_S * 2 + 15)
        time.sleep(1)
        first.process.send_signal(signal.SIGCONT)
        wait(lambda: not leads(first), 15)
        check_all_done(t, second, 6)
        second.kill()  # and back again
        wait(lambda: leads(first), LEASE_S * 2 + 15)


def test_a_restarted_server_goes_on_at_once(t):
    with Postgres(t.folder) as postgres:
        one, _ = servers(t, postgres.url)
        server = one.up()
        backfill(server, 4)
        wait(lambda: (t.folder / "starts").exists())
        server.kill()
        server = one.up()
        assert leads(server)
        starts = check_all_done(t, server, 4)
        assert len(starts) == 8, starts  # its tasks outlived it


def test_the_database_goes_and_comes_back(t):
    with Postgres(t.folder) as postgres:
        one, _ = servers(t, postgres.url)
        postgres.call("stop")
        _, told = one.run("dag", "runs", "work", code=3)
        assert "is not there" in told and "s3cret" not in told, told
        server = one.up()  # the rest of it does not wait for the database
        assert get(server, "/monitor/health")["metadatabase"]["status"] == "unhealthy"
        assert ask(server, "POST", "/dags/work/dagRuns", {"logical_date": None})[0] == 503
        postgres.call("start")
        wait(lambda: leads(server), 20)
        backfill(server, 4)
        wait(lambda: (t.folder / "starts").exists())
        postgres.call("stop", "immediate")
        time.sleep(1)
        postgres.call("start")
        check_all_done(t, server, 4)
        assert "is not there" in server.log() and "s3cret" not in server.log()


def test_tasks_outlive_an_outage_when_nobody_stands_by(t):
    with Postgres(t.folder) as postgres:
        one, other = servers(t, postgres.url)
        server = one.up()
        time.sleep(LEASE_S * 4)  # by now it knows that it is alone
        backfill(server, 4)
        wait(lambda: (t.folder / "starts").exists())
        postgres.call("stop", "immediate")
        time.sleep(LEASE_S * 2)
        postgres.call("start")
        starts = check_all_done(t, server, 4)
        assert len(starts) == 8, starts
        assert server.stop(20) == 0
        # It gave its place up: another one has it at once.
        began = time.monotonic()
        two = other.up()
        assert leads(two) and time.monotonic() - began < LEASE_S * 3


def test_what_holds_on_sqlite_holds_here(t):
    """Every test of test_dag.py, each with a database of its own."""
    with Postgres(t.folder) as postgres:
        for name in [n for n in dir(on_sqlite) if n.startswith("test_")]:
            subprocess.run(["psql", "-q", postgres.url, "-c", f"CREATE DATABASE {name}"], check=True, timeout=60)
            one = copy.copy(t)
            one.folder = t.folder / name
            url = postgres.url.replace("/postgres?", f"/{name}?")
            one.project = lambda yaml, files=(), one=one, url=url: Millrace.project(
                one, yaml + f"dags: {{metadata: '{url}'}}\n", files)
            getattr(on_sqlite, name)(one)
            for server in t.servers:
                if server.process.poll() is None:
                    server.kill()
            rows = subprocess.run(["psql", "-qAt", url, "-c", "SELECT epoch > 0 FROM leader"], capture_output=True,
                                  text=True, check=True, timeout=60)
            assert rows.stdout == "t\n", (name, rows.stdout)
            print(f"  {name} on PostgreSQL", flush=True)
