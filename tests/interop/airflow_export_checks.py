"""Loads the Python files of a folder as Airflow does and prints what it found as JSON: airflow_export_checks.py
FOLDER."""
import importlib.util
import json
import sys
from pathlib import Path

from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator


def seconds(delta):
    return None if delta is None else delta.total_seconds()


def value(task, name):
    return task.partial_kwargs.get(name) if isinstance(task, MappedOperator) else getattr(task, name, None)


def show_task(task):
    return {
        "downstream": sorted(task.downstream_task_ids),
        "trigger_rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "retries": task.retries, "retry_delay": seconds(task.retry_delay),
        "execution_timeout": seconds(task.execution_timeout), "pool": task.pool,
        "priority_weight": task.priority_weight, "depends_on_past": bool(task.depends_on_past),
        "mapped": isinstance(task, MappedOperator), "owner": task.owner,
        "setup": bool(task.is_setup), "teardown": bool(task.is_teardown),
        "outlets": sorted(o.uri for o in value(task, "outlets") or []),
    }


def show(dag):
    return {
        "tasks": {t.task_id: show_task(t) for t in dag.tasks},
        "timetable": type(dag.timetable).__name__, "tags": sorted(dag.tags),
        "max_active_runs": dag.max_active_runs, "catchup": dag.catchup,
        "dagrun_timeout": seconds(dag.dagrun_timeout),
        "start_date": dag.start_date.isoformat() if dag.start_date else None,
        "params": {k: v.value if hasattr(v, "value") else v for k, v in dag.params.items()},
    }


def main():
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(folder))
    found = {}
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for thing in vars(module).values():
            if isinstance(thing, DAG):
                thing.validate()
                found[thing.dag_id] = show(thing)
    print(json.dumps(found))


main()
