#!/usr/bin/env python3
"""Airflow's own example DAGs (its packages ship them) run by us, and under Airflow itself: the same end states.

What Airflow says is made once (airflow_dag_states.py) and kept in build/peers/airflow-dags. random.choice takes the
first of all choices on both sides, so that branches go the same way. A DAG that is not run is named, with the reason.
"""
import hashlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import peers
import suite as interop

HERE = Path(__file__).resolve().parent
PACKAGES = ("apache-airflow==3.3.2", "apache-airflow-providers-postgres==7.1.1", "psycopg2-binary==2.9.13", "asyncpg==0.32.0")
LIMIT = 120  # seconds, of a DAG
PAIRS = 3    # DAGs at a time
STEADY = "import random\n\nrandom.choice = lambda items: items[0]\n"
# Not run on either side, and why.
LEFT_OUT = {
    "example_asset_with_watchers.py": "watches a file by Airflow's triggerer for assets",
    "example_kubernetes_executor.py": "needs the Kubernetes provider",
    "example_local_kubernetes_executor.py": "needs the Kubernetes provider",
    "example_hitl_operator.py": "waits for a person",
    "example_sensors.py": "waits for times of the day and the week",
    "example_external_task_child_deferrable.py": "waits for a run of another DAG at the same moment",
    "example_external_task_parent_deferrable.py": "waits for a run of another DAG at the same moment",
    "example_external_task_marker_dag.py": "waits for a run of another DAG at the same moment",
    "tutorial_objectstorage.py": "needs the network",
    "tutorial_taskflow_api_virtualenv.py": "needs virtualenv and the network",
    "example_branch_python_dop_operator_3.py": "needs a run before it to depend on",
}

# Ours: what a server that dies must not harm. Each run has seconds enough to kill it in between.
OWN = '''
import time
from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, Variable, task

with DAG("own_waits", schedule=None):
    TimeDeltaSensor(task_id="wait", delta=timedelta(seconds=6), deferrable=True)

with DAG("own_asks", schedule=None):
    @task
    def ask():
        Variable.set("own", "before")
        time.sleep(4)
        assert Variable.get("own") == "before"
        Variable.set("own", "after")
        return Variable.get("own")

    ask()

with DAG("own_fast", schedule=None):
    @task
    def nothing(number):
        return number

    nothing.expand(number=list(range(8)))
'''

# How Airflow's own test run differs from its scheduler, or from us on purpose.
KNOWN = {
    "asset_with_extra_by_context": "two files give one URI two names: Airflow makes the asset inactive, we know URIs only",
    "asset_with_extra_by_yield": "the same",
    "asset_with_extra_from_classic_operator": "the same",
    "read_asset_event_from_classic": "the same",
    "example_retry_policy": "its retries take longer than Airflow's test run is given",
    "example_params_ui_tutorial": "a required param is not given: Airflow refuses the run, we fail its task",
}


def example_files(python, folder):
    """Airflow's example DAGs and what they import, in one folder; the names of the files."""
    site = Path(interop.call(python, "-c", "import airflow; print(airflow.__path__[0])").strip().splitlines()[-1])
    shutil.copytree(site / "example_dags", folder, ignore=shutil.ignore_patterns("__*"))
    for file in (site / "providers/standard/example_dags").glob("example_*.py"):
        shutil.copy(file, folder)
    (folder / "plugins").rename(folder.parent / "plugins")
    for name in LEFT_OUT:
        (folder / name).unlink(missing_ok=True)
    return sorted(folder.glob("*.py"))


def airflows_states(python, files, folder):
    """How each DAG ends under Airflow: asked once for these files."""
    mark = hashlib.sha256(b"".join([(HERE / "airflow_dag_states.py").read_bytes(), *[f.read_bytes() for f in files]]))
    kept = interop.PEERS / "airflow-dags" / f"{mark.hexdigest()[:16]}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with open(kept.with_suffix(".log"), "w") as log, open(kept.with_suffix(".new"), "w") as out:
            subprocess.run([python, HERE / "airflow_dag_states.py", files[0].parent, str(LIMIT)], check=True,
                           stdout=out, stderr=log, timeout=60 * LIMIT,
                           env=os.environ | {"AIRFLOW_HOME": str(folder / "airflow-home")})
        kept.with_suffix(".new").rename(kept)
    return json.loads(kept.read_text())


class Api:
    def __init__(self, server):
        self.base = server.http + "/api/v2"

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error

    def end(self, path):
        """The state of a run when it is over, or when its time is."""
        until = time.monotonic() + 2 * LIMIT
        while (state := self.ask("GET", path)["state"]) not in ("success", "failed") and time.monotonic() < until:
            time.sleep(0.1)
        return state

    def start(self, dag_id):
        """A run by hand; its path."""
        self.ask("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        now = datetime.now(timezone.utc).isoformat()
        run_id = self.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": now})["dag_run_id"]
        return f"/dags/{dag_id}/dagRuns/{urllib.request.quote(run_id, safe='')}"

    def run(self, dag_id):
        """One run by hand to its end: its state, and {"task[index]": state}."""
        try:
            path = self.start(dag_id)
            state = self.end(path)
        finally:
            self.ask("PATCH", f"/dags/{dag_id}", {"is_paused": True})
        instances = self.ask("GET", path + "/taskInstances?limit=1000")["task_instances"]
        return {"run": state, "tasks": {
            one["task_id"] + (f"[{one['map_index']}]" if one["map_index"] >= 0 else ""): str(one["state"])
            for one in instances}}


def killed(server, dag_id, state):
    """The run ends well although the server is killed once the DAG's one task is in `state`."""
    path = Api(server).start(dag_id)
    (task,) = Api(server).ask("GET", f"/dags/{dag_id}/tasks")["tasks"]
    task_path = f"{path}/taskInstances/{task['task_id']}"
    interop.wait_for(lambda: Api(server).ask("GET", task_path)["state"] == state, LIMIT, f"{dag_id} is {state}")
    time.sleep(1)
    server.kill()
    time.sleep(4)
    server.start(LIMIT)
    assert Api(server).end(path) == "success"
    return Api(server).ask("GET", task_path)


def waits(server):
    found = killed(server, "own_waits", "deferred")
    assert found["try_number"] == 1, found


def asks(server):
    found = killed(server, "own_asks", "running")
    assert found["try_number"] == 1, found
    assert Api(server).ask("GET", "/variables/own")["value"] == "after"


def differences(ours, theirs):
    if "error" in theirs:
        return [f"Airflow itself: {theirs['error']}"]
    lines = [] if ours["run"] == theirs["run"] else [f"the run: {ours['run']}, Airflow: {theirs['run']}"]
    for task in sorted(ours["tasks"].keys() | theirs["tasks"].keys()):
        mine, other = ours["tasks"].get(task, "absent"), theirs["tasks"].get(task, "absent")
        if mine != other:
            lines.append(f"{task}: {mine}, Airflow: {other}")
    return lines


def compare(found, theirs):
    if isinstance(found, Exception):
        raise found
    lines = differences(found, theirs)
    assert not lines, "; ".join(lines)


def main(suite):
    python = peers.python("airflow", *PACKAGES)
    folder = Path(suite.folder)
    (folder / "steady").mkdir()
    (folder / "steady/sitecustomize.py").write_text(STEADY)
    (folder / "ours").mkdir()
    files = example_files(python, folder / "ours/dags")
    os.environ |= {"MILLRACE_AIRFLOW_PYTHON": str(python), "PYTHONPATH": str(folder / "steady"),
                   "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "ours/plugins")}
    theirs = airflows_states(python, files, folder)
    for name, why in LEFT_OUT.items():
        print(f"left out {name}: {why}")
    (folder / "ours/dags/own.py").write_text(OWN)
    server = suite.broker(name="ours")
    start = server.start
    server.start = lambda seconds=LIMIT: start(seconds)  # it reads the DAG files before it listens
    with server:
        api = Api(server)
        known = {dag["dag_id"] for dag in api.ask("GET", "/dags?limit=1000")["dags"]}
        faults = api.ask("GET", "/importErrors?limit=1000")["import_errors"]
        refused = {dag_id: fault["stack_trace"] for fault in faults for dag_id in theirs if f"'{dag_id}'" in fault["stack_trace"]}
        for dag_id, why in refused.items():
            print(f"refused {dag_id}: {why.rsplit(':', 1)[-1].strip()}")
        for dag_id, why in KNOWN.items():
            print(f"not compared {dag_id}: {why}")
        wanted = [dag_id for dag_id in sorted(theirs) if suite.wanted(dag_id) and dag_id not in KNOWN and dag_id not in refused]

        def attempt(dag_id):
            try:
                return api.run(dag_id) if dag_id in known else AssertionError("not taken over")
            except Exception as error:  # told by the check
                return error
        with ThreadPoolExecutor(PAIRS) as pool:
            for dag_id, found in zip(wanted, pool.map(attempt, wanted)):
                suite.check(dag_id, compare, found, theirs[dag_id])
        suite.check("a deferred task outlives the server", waits, server)
        suite.check("a task that asks outlives the server", asks, server)


if __name__ == "__main__":
    interop.run(__doc__, main)
