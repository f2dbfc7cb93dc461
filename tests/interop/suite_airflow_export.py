#!/usr/bin/env python3
"""`millrace export airflow`: the files load in the real Airflow, and it sees the tasks, edges, retries,
pools, timetables and params that our server sees."""
import json
import os
import subprocess
import urllib.request
from pathlib import Path

import peers
import suite as interop

AIRFLOW = "3.3.2"
HERE = Path(__file__).resolve().parent
MORE = """
many:
  schedule: {__type__: airflow.timetables.trigger.MultipleCronTriggerTimetable,
             __args__: ["0 1 * * *", "30 2 * * *"], timezone: Europe/Berlin}
  start_date: 2026-01-01
  is_paused_upon_creation: true
  catchup: true
  params: {country: {default: US, enum: [US, DE], type: string}, n: 3}
  tasks:
    sql: {operator: SQLExecuteQueryOperator, sql: ["CREATE TABLE x (a INT)", "INSERT INTO x VALUES ('it''s')"],
          retries: 3, retry_delay: 90, priority_weight: 4, depends_on_past: true}
    wait: {operator: DeltaTableSensor, table: bronze.x, where: "dt = '{{ ds }}'", poke_interval: 30s, dependencies: [sql]}
    topic: {operator: TopicSensor, topic: logs, offset: 10, dependencies: [sql]}
    branch: {operator: BranchOperator, follow: ["a-b"], dependencies: [wait, topic]}
    a-b: {operator: BashOperator, bash_command: "echo \\"quoted\\" 'and' {{ params }} \\\\ é", env: {A: "1"},
          append_env: true, dependencies: [branch]}
    class: {operator: ShortCircuitOperator, condition: "{{ true }}", dependencies: [branch]}
    at: {operator: TimeSensor, target_time: "10:00", dependencies: [class]}
    later: {operator: TimeDeltaSensor, delta: 5m, dependencies: [class]}
    file: {operator: FileSensor, filepath: /tmp/x, dependencies: [class], trigger_rule: none_failed, execution_timeout: 1h}
    other: {operator: ExternalTaskSensor, external_dag_id: sample, external_task_id: make, execution_delta: 1h,
            dependencies: [class]}
    start: {operator: TriggerDagRunOperator, trigger_dag_id: many, conf: {a: 1, b: null, c: true}, dependencies: [other]}
    mail: {operator: EmailOperator, to: [a@b.c], subject: s, html_content: h, dependencies: [other]}
    refresh: {operator: PipelineRefreshOperator, dependencies: [other]}
    optimize: {operator: DeltaOptimizeOperator, expand: {table: [bronze.a, bronze.b]}, zorder_by: [x], dependencies: [other]}
    each: {operator: BashOperator, expand: {bash_command: ["true", "echo b"]}, dependencies: [optimize]}
    up: {operator: BashOperator, bash_command: "true", setup: true}
    down: {operator: BashOperator, bash_command: "true", teardown: true, dependencies: [up, each]}
every:
  schedule: {__type__: datetime.timedelta, minutes: 90}
  start_date: 2026-01-01T06:00:00+02:00
  is_paused_upon_creation: true
  catchup: false
  dagrun_timeout: 2h
  tasks: {x: {operator: EmptyOperator}}
"""
MODULE = "def list_parts():\n    return [1]\n\ndef load(**k):\n    pass\n\ndef choose(parts):\n    pass\n"
TIMETABLES = {"every": "DeltaTriggerTimetable", "many": "MultipleCronTriggerTimetable",
              "reads_daily": "CronTriggerTimetable", "reads_interval": "CronDataIntervalTimetable",
              "reads_report": "AssetTriggeredTimetable", "reads_or_users": "AssetTriggeredTimetable"}


def get(server, path):
    with urllib.request.urlopen(f"{server.http}/api/v2{path}", timeout=20) as answer:
        return json.loads(answer.read())


def seconds(delta):
    return None if delta is None else delta["days"] * 86400 + delta["seconds"] + delta["microseconds"] / 1e6


def compare(server, dag_id, theirs):
    """What our server says of a DAG against what Airflow made of the exported file."""
    details = get(server, f"/dags/{dag_id}/details")
    assert theirs["timetable"] == TIMETABLES[dag_id], theirs["timetable"]
    assert (theirs["tags"], theirs["max_active_runs"], theirs["catchup"]) == (
        [t["name"] for t in details["tags"]], details["max_active_runs"], details["catchup"])
    assert theirs["dagrun_timeout"] == seconds(details["dag_run_timeout"])
    assert theirs["params"] == {k: v["value"] for k, v in details["params"].items()}, theirs["params"]
    tasks = get(server, f"/dags/{dag_id}/tasks")["tasks"]
    assert {t["task_id"] for t in tasks} == set(theirs["tasks"])
    for task in tasks:
        ours = {"downstream": sorted(task["downstream_task_ids"]), "trigger_rule": task["trigger_rule"],
                "retries": task["retries"], "retry_delay": seconds(task["retry_delay"]),
                "execution_timeout": seconds(task["execution_timeout"]), "pool": task["pool"],
                "priority_weight": task["priority_weight"], "depends_on_past": task["depends_on_past"],
                "mapped": task["is_mapped"], "owner": task["owner"], "setup": task["is_setup"],
                "teardown": task["is_teardown"]}
        found = {k: theirs["tasks"][task["task_id"]][k] for k in ours}
        assert found == ours, f"{dag_id}.{task['task_id']}: {found} is not {ours}"


def main(suite):
    python = peers.python("airflow-core", f"apache-airflow-core=={AIRFLOW}")
    folder = Path(suite.folder) / "airflow-export"
    (folder / "dags").mkdir(parents=True)
    factory = (HERE.parent / "golden/dag/dagfactory.yml").read_text()
    (folder / "dags/factory.yml").write_text(factory.replace("  catchup: false\n",
                                                             "  catchup: false\n  is_paused_upon_creation: true\n", 1))
    (folder / "dags/more.yml").write_text(MORE)
    with suite.broker(name="airflow-export") as server:
        interop.call(suite.binary, "export", "airflow", "-C", folder, "--out", folder / "out")
        (folder / "out/dagfactory_sample_code.py").write_text(MODULE)
        shown = interop.call(python, HERE / "airflow_export_checks.py", folder / "out",
                             env={"AIRFLOW_HOME": str(folder / "home")})
        dags = json.loads(shown.splitlines()[-1])
        suite.check("every DAG loads", lambda: sorted(dags) == sorted(TIMETABLES) or 1 / 0)
        for dag_id, theirs in dags.items():
            suite.check(dag_id, compare, server, dag_id, theirs)
        start = dags["every"]["start_date"]
        suite.check("dates keep their moment", lambda: start.startswith("2026-01-01T04:00:00") or 1 / 0)


if __name__ == "__main__":
    interop.run(__doc__, main)
