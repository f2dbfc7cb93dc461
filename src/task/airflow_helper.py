"""Airflow's side of DAG files: runs in the Python that has Airflow, embedded in the program.

parse FOLDER FILE…   one line of JSON a file: {"file", "dags": {id: DAG in our shape}, "faults": […]}
run JOB              one try: the supervisor of Airflow's task runner. The end is the exit code (0, 1: may be
                     retried, 97: to be resumed, 98: final, 99: skipped) and $MILLRACE_XCOM: {"xcoms": {…},
                     "skip": [task, …], "events": [{"uri", "extra"}], "reschedule": time, "defer": {…}}

warm FOLDER NAME DAGS        the process that forks for each try (airflow_warm.py)
triggerer FOLDER NAME DAGS   the process that runs the triggers of deferred tasks (airflow_triggerer.py)

Each file is parsed in a fork with limits, so a file that loops or eats memory costs only itself.
"""
import fcntl
import hashlib
import itertools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

PARSE_SECONDS = 30  # Airflow's dagbag_import_timeout
PARSE_BYTES = 4 << 30
DEFERRED, FINAL, SKIPPED = 97, 98, 99
RUNNER = "from airflow.sdk.execution_time import task_runner; task_runner.main()"


def configure(folder, home):
    """Before Airflow is imported: no database, no examples, its logs to us."""
    os.environ.setdefault("AIRFLOW_HOME", home)
    bundle = [{"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
               "kwargs": {"path": folder}}]
    os.environ.update({
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": folder,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundle),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": os.path.join(home, "logs"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:///" + os.path.join(home, "none.db"),
    })


# ---- DAG files into our shape ----

ALIAS = "x-airflow-alias:"  # the asset that an AssetAlias is to our scheduler


class Refused(Exception):
    """Something that a DAG uses and that is not taken over."""


def seconds(delta):
    return delta.total_seconds()


def asset_condition(kind):
    name = type(kind).__name__
    if name in ("AssetAlias", "_AssetAliasCondition"):
        return ALIAS + kind.name
    if hasattr(kind, "objects"):
        return {"__or__" if name == "AssetAny" else "__and__": [asset_condition(one) for one in kind.objects]}
    if not hasattr(kind, "uri"):
        raise Refused(f"a schedule of {name}")
    return kind.uri


def schedule_of(dag):
    table = dag.timetable
    name = type(table).__name__
    zone = str(getattr(table, "timezone", None) or getattr(table, "_timezone", None) or "UTC")
    cron = getattr(table, "expression", None) or getattr(table, "_expression", None)
    simple = {"NullTimetable": None, "OnceTimetable": "@once", "ContinuousTimetable": "@continuous"}
    if name in simple:
        return simple[name]
    if name in ("CronTriggerTimetable", "CronDataIntervalTimetable"):
        made = {"__type__": "airflow.timetables." + name, "cron": cron, "timezone": zone}
        if name == "CronTriggerTimetable" and getattr(table, "interval", None):
            made["interval"] = seconds(table.interval)
        return made
    if name in ("DeltaTriggerTimetable", "DeltaDataIntervalTimetable"):
        return {"__type__": "airflow.timetables." + name, "delta": seconds(getattr(table, "delta", None) or table._delta)}
    if name == "EventsTimetable":
        return {"__type__": "airflow.timetables.events.EventsTimetable", "restrict_to_events": table.restrict_to_events,
                "event_dates": [when.isoformat() for when in table.event_dates]}
    if name == "AssetTriggeredTimetable":
        condition = asset_condition(table.asset_condition)
        return [condition] if isinstance(condition, str) else condition
    raise Refused(f"the timetable {type(table).__module__}.{name}")


def expansion_of(task):
    """What is counted to expand a mapped task; Airflow itself looks the values up by map_index."""
    given = task._get_specified_expand_input().value
    parts = list(given.values()) if isinstance(given, dict) else [given]
    made = {}
    for number, part in enumerate(parts):
        if hasattr(part, "operator"):
            if type(part).__name__ != "PlainXComArg" or part.key != "return_value":
                raise Refused(f"task '{task.task_id}': expand over {type(part).__name__}")
            made[f"item{number + 1}"] = "+" + part.operator.task_id
        elif hasattr(part, "__len__"):
            made[f"item{number + 1}"] = list(range(len(part)))
        else:
            raise Refused(f"task '{task.task_id}': expand over {type(part).__name__}")
    return made


def in_mapped_group(task):
    group = task.task_group
    while group is not None:
        if type(group).__name__ == "MappedTaskGroup":
            return group.group_id
        group = group.parent_group
    return None


def task_of(dag, task, path):
    group = in_mapped_group(task)
    if group:
        raise Refused(f"task '{task.task_id}' is in the mapped task group '{group}'")
    made = {"operator": "AirflowOperator", "dag_file": path}
    if task.task_type == "EmptyOperator" and not task.is_mapped:
        made = {"operator": "EmptyOperator"}
    elif task.is_mapped:
        made["expand"] = expansion_of(task)
    made["dependencies"] = sorted(task.upstream_task_ids)
    made["trigger_rule"] = str(getattr(task.trigger_rule, "value", task.trigger_rule))
    made["owner"] = task.owner
    for name in ("retries", "depends_on_past", "wait_for_downstream", "pool", "pool_slots", "priority_weight", "queue",
                 "max_active_tis_per_dag", "max_active_tis_per_dagrun"):
        value = getattr(task, name, None)
        if value is not None:
            made[name] = value
    for name in ("retry_delay", "max_retry_delay", "execution_timeout"):
        value = getattr(task, name, None)
        if value is not None:
            made[name] = seconds(value) if hasattr(value, "total_seconds") else value
    if task.is_setup:
        made["setup"] = True
    if task.is_teardown:
        made["teardown"] = True
        made["on_failure_fail_dagrun"] = bool(task.on_failure_fail_dagrun)
    if task.retry_exponential_backoff:
        made["retry_exponential_backoff"] = task.retry_exponential_backoff
    outlets = [one.uri for one in task.outlets or [] if hasattr(one, "uri")]
    if outlets and made["operator"] != "EmptyOperator":
        made["outlets"] = outlets
    return made


def dag_of(dag, path):
    made = {"schedule": schedule_of(dag), "catchup": dag.catchup, "tags": sorted(dag.tags),
            "max_active_runs": dag.max_active_runs, "max_active_tasks": dag.max_active_tasks,
            "tasks": {task.task_id: task_of(dag, task, path) for task in dag.tasks}}
    if not dag.tasks:
        raise Refused("a DAG without tasks")
    if dag.start_date:
        made["start_date"] = dag.start_date.isoformat()
    if dag.end_date:
        made["end_date"] = dag.end_date.isoformat()
    if dag.dagrun_timeout:
        made["dagrun_timeout"] = seconds(dag.dagrun_timeout)
    if dag.description:
        made["description"] = dag.description
    if dag.fail_fast:
        made["fail_fast"] = True
    return made


def parse_file(path):
    from airflow.dag_processing.dagbag import DagBag
    bag = DagBag(os.path.abspath(path), safe_mode=False)
    dags, faults = {}, []
    for text in bag.import_errors.values():
        lines = [int(part.split(",")[0]) for part in text.split(f'"{os.path.abspath(path)}", line ')[1:] if part[:1].isdigit()
                 for part in [part.replace("\n", ",")]]
        faults.append({"dag_id": "", "line": lines[-1] if lines else 1, "message": text.strip().splitlines()[-1]})
    for dag in bag.dags.values():
        try:
            dags[dag.dag_id] = dag_of(dag, os.path.abspath(path))
        except Refused as why:
            faults.append({"dag_id": dag.dag_id, "line": 1, "message": f"DAG '{dag.dag_id}' uses {why}, "
                           "which is not taken over from Airflow files"})
    return {"file": path, "dags": dags, "faults": faults}


def parse_limited(path, out):
    """In a fork; the line goes to `out`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (PARSE_BYTES, PARSE_BYTES))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # even code that catches everything ends
        signal.alarm(PARSE_SECONDS)
        try:
            found = parse_file(path)
        except BaseException as error:
            traceback.print_exc()
            found = {"file": path, "dags": {}, "faults": [{"dag_id": "", "line": 1, "message": repr(error)}]}
        with os.fdopen(writing, "w") as pipe:
            json.dump(found, pipe, default=str)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        why = f"took more than {PARSE_SECONDS} s" if status == -signal.SIGALRM else f"ended Python with {status}"
        text = json.dumps({"file": path, "dags": {}, "faults": [{"dag_id": "", "line": 1, "message": f"parsing {why}"}]})
    out.write(text + "\n")
    out.flush()


def parse(folder, files):
    folder = os.path.abspath(folder)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what DAG files print is not the answer
    home = tempfile.mkdtemp(prefix="millrace-airflow-")
    try:
        configure(folder, home)
        import airflow.dag_processing.dagbag  # noqa: F401 (once, for all forks)
        for path in files:
            parse_limited(path, out)
    finally:
        shutil.rmtree(home, ignore_errors=True)
