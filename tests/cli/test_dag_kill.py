"""kill -9 of the server while tasks run: they outlive it, how they ended is taken over, none runs twice."""
import time

from test_dag import ask, get, wait

DAGS = """
work:
  schedule: '@daily'
  start_date: 2099-01-01
  tasks:
    good: {operator: BashOperator, retries: 2, bash_command: "echo good {{ run_id }} >> %(folder)s/starts; sleep 1.2"}
    bad: {operator: BashOperator, bash_command: "echo bad {{ run_id }} >> %(folder)s/starts; sleep 0.8; exit 7"}
"""
DATES = 6
AT_ONCE = 2
# How long a server lives once tasks run, and how long it is gone: shorter and longer than a task.
ROUNDS = [(0.1, 0), (0.3, 1.6), (0.6, 0.2), (0.2, 2)]


def test_tasks_outlive_a_killed_server(t):
    t.project("name: d\n", {"dags/work.yml": DAGS % {"folder": t.folder}})
    server = t.up()
    status, made = ask(server, "POST", "/backfills", {
        "dag_id": "work", "from_date": "2026-03-01T00:00:00Z", "to_date": f"2026-03-{DATES:02}T00:00:00Z",
        "max_active_runs": AT_ONCE})
    assert status == 200 and made["max_active_runs"] == AT_ONCE, made

    def runs(state):
        return get(server, f"/dags/work/dagRuns?state={state}")["total_entries"]

    for alive, gone in ROUNDS:
        wait(lambda: runs("running") > 0)
        time.sleep(alive)
        server.kill()
        time.sleep(gone)
        server = t.up()
        assert get(server, f"/backfills/{made['id']}")["max_active_runs"] == AT_ONCE
        assert runs("running") <= AT_ONCE

    def ended():
        assert runs("running") <= AT_ONCE
        return runs("failed") == DATES

    wait(ended, 60)
    starts = sorted((t.folder / "starts").read_text().splitlines())
    ids = [r["dag_run_id"] for r in get(server, "/dags/work/dagRuns?limit=100")["dag_runs"]]
    assert starts == sorted(f"{task} {run}" for task in ("good", "bad") for run in ids), starts
    tries = get(server, "/dags/work/dagRuns/~/taskInstances?limit=100")["task_instances"]
    got = sorted((i["task_id"], i["state"], i["try_number"]) for i in tries)
    assert got == [("bad", "failed", 1)] * DATES + [("good", "success", 1)] * DATES, got
