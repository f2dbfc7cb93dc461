#!/usr/bin/env python3
"""Runs in the Python that has Airflow: every DAG of a folder under Airflow itself (`dag.test()`), and how its
run and its task instances ended, as one JSON object {dag_id: {"run": state, "tasks": {"task[index]": state}}}.

  airflow_dag_states.py FOLDER SECONDS

A bundle a file, so that a test reads only its own file again; a fork a DAG, so that one that loops costs itself.
"""
import json
import os
import select
import signal
import sys
from pathlib import Path


def configure(folder):
    files = sorted(Path(folder).glob("*.py"))
    bundles = [{"name": file.stem, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(file)}} for file in files]
    os.environ.update({"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
                       "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
                       "AIRFLOW__CORE__UNIT_TEST_MODE": "False"})
    sys.path.insert(0, str(folder))
    return files


def read_all(files):
    """Every DAG into Airflow's database; {dag_id: DAG}."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
    DagBundlesManager().sync_bundles_to_db()
    dags = {}
    for file in files:
        bag = BundleDagBag(dag_folder=file, bundle_path=file, bundle_name=file.stem)
        try:
            sync_bag_to_db(bag, file.stem, None)
            dags |= bag.dags
        except Exception as error:  # the other files go on
            print(f"{file}: {error}", file=sys.stderr)
    return dags


def tested(dag):
    run = dag.test()
    return {"run": str(run.state), "tasks": {
        ti.task_id + (f"[{ti.map_index}]" if ti.map_index >= 0 else ""): str(ti.state)
        for ti in run.get_task_instances()}}


def in_a_fork(dag, limit):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(2, 1)
        try:
            from airflow import settings
            settings.engine.dispose(close=False)
            answer = tested(dag)
        except BaseException as error:  # SystemExit too: this process has one thing to say
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        over = select.select([pipe], [], [], limit)[0]
        text = pipe.read() if over else ""
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return json.loads(text) if text else {"error": f"not over after {limit} s"}


def main():
    folder, limit = sys.argv[1], int(sys.argv[2])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    files = configure(folder)
    from airflow.utils.db import initdb
    initdb()
    states = {}
    for dag_id, dag in sorted(read_all(files).items()):
        states[dag_id] = in_a_fork(dag, limit)
        print(dag_id, states[dag_id], file=sys.stderr, flush=True)
    json.dump(states, out, indent=1, sort_keys=True)
    out.write("\n")


if __name__ == "__main__":
    main()
