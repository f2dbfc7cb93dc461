"""DAGs inside `millrace up`: the REST API against real answers of Airflow, the commands, the live stream,
files and commits that change while it runs, and a server that is killed."""
import json
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import quote

from harness import ROOT

DAGS = """
sample:
  schedule: '0 3 * * *'
  start_date: 2026-01-01
  catchup: false
  tags: [demo]
  params: {country: {default: US, enum: [US, DE], type: string}}
  tasks:
    make: {operator: BashOperator, bash_command: "echo reading {{ params.country }}; echo 42", retries: 2,
           outlets: ['delta://lake/reads']}
    each: {operator: BashOperator, expand: {bash_command: ["true", "echo b"]}, dependencies: [make]}
sample_consumer:
  schedule: ['delta://lake/reads']
  start_date: 2026-01-01
  tasks:
    t: {operator: EmptyOperator}
broken:
  schedule: null
  start_date: 2026-01-01
  tasks:
    a: {operator: BashOperator, bash_command: "echo start; echo boom >&2; exit 3"}
    b: {operator: BashOperator, bash_command: "echo b", dependencies: [a]}
    c: {operator: BashOperator, bash_command: "echo c"}
idle:
  schedule: null
  start_date: 2026-01-01
  is_paused_upon_creation: true
  tasks: {t: {operator: EmptyOperator}}
slow:
  schedule: null
  start_date: 2026-01-01
  tasks:
    wait: {operator: BashOperator, bash_command: "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done"}
"""


def start(t, dags=DAGS):
    t.project("name: d\n", {"dags/all.yml": dags})
    return t.up()


def ask(server, method, path, body=None):
    """Status and answer."""
    request = urllib.request.Request(server.http + "/api/v2" + path, method=method,
                                     data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def get(server, path):
    status, answer = ask(server, "GET", path)
    assert status == 200, (path, status, answer)
    return answer


def wait(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def run_to_end(server, dag, body=None):
    status, run = ask(server, "POST", f"/dags/{dag}/dagRuns", {"logical_date": None, **(body or {})})
    assert status == 200, run
    path = f"/dags/{dag}/dagRuns/{quote(run['dag_run_id'])}"
    return wait(lambda: (r := get(server, path))["state"] in ("success", "failed") and r)


# ---- the API ----

# What may be null or empty where Airflow's answer is not, or the other way round: it depends on the moment,
# or there is no such thing here.
MAY_DIFFER = {"bundle_version", "unixname", "is_paused_upon_creation", "start_date", "end_date", "duration",
              "last_scheduling_decision", "description", "rendered_map_index", "source_dag_id", "source_run_id",
              "source_task_id", "dag_id", "run_id", "dag_display_name", "logical_date", "triggering_user_name",
              "created_dagruns", "task_instances"}
FREE_FORM = {"params", "conf", "extra", "rendered_fields", "default_args"}


def compare(place, theirs, ours, out):
    """What Airflow has and we do not, or as another type."""
    name = place.rsplit(".", 1)[-1]
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs if name not in FREE_FORM else ():
            if key not in ours:
                out.append(f"{place}.{key} is missing")
            else:
                compare(f"{place}.{key}", theirs[key], ours[key], out)
    elif isinstance(theirs, list) and isinstance(ours, list):
        if theirs and ours:
            compare(place, theirs[0], ours[0], out)
        elif theirs and name not in MAY_DIFFER:
            out.append(f"{place} is empty")
    elif theirs is None or ours is None:
        if (theirs is None) != (ours is None) and name not in MAY_DIFFER:
            out.append(f"{place} is {ours!r}, not {theirs!r}")
    elif isinstance(theirs, bool) != isinstance(ours, bool) or isinstance(theirs, str) != isinstance(ours, str):
        out.append(f"{place} is {ours!r}, not {theirs!r}")


def test_the_api_has_airflows_shapes(t):
    server = start(t)
    run = run_to_end(server, "sample", {"conf": {"country": "DE"}, "note": "hand"})
    assert run["state"] == "success" and run["conf"] == {"country": "DE"} and run["note"] == "hand"
    asset = get(server, "/assets")["assets"][0]["id"]
    samples = json.loads((ROOT / "tests/golden/dag/airflow_api.json").read_text())
    assert len(samples) == 34
    old_run = "manual__2026-11-23T00:51:12.038231+00:00"
    faults = []
    for name, sample in samples.items():
        text = json.dumps(sample).replace("/assets/1", f"/assets/{asset}").replace('"asset_id": 1', f'"asset_id": {asset}')
        sample = json.loads(text)
        method, path = sample["request"].split(" ", 1)
        path = path.removeprefix("/api/v2").replace(old_run, quote(run["dag_run_id"]))
        body = json.loads(json.dumps(sample["body"]).replace(old_run, run["dag_run_id"])) if "body" in sample else None
        status, answer = ask(server, method, path, body)
        if status != sample["status"]:
            faults.append(f"{name}: status {status}, not {sample['status']}: {answer}")
        compare(name, sample["response"], answer, faults)
    assert not faults, "\n".join(faults)


def test_errors_say_what_is_wrong(t):
    server = start(t)
    assert ask(server, "GET", "/dags/nothing") == (404, {"detail": "The Dag with ID: `nothing` was not found"})
    assert ask(server, "GET", "/nothing")[0] == 404
    assert ask(server, "DELETE", "/dags")[0] == 405
    assert ask(server, "GET", "/dags?limit=x")[0] == 422
    assert ask(server, "GET", "/dags/~/dagRuns?order_by=nonsense")[0] == 400
    assert ask(server, "GET", "/dags/~/dagRuns?start_date_gte=yesterday")[0] == 422
    status, answer = ask(server, "POST", "/dags/sample/dagRuns", {"logical_date": None, "conf": {"country": "FR"}})
    assert status == 400 and "country" in answer["detail"], answer
    body = {"logical_date": None, "dag_run_id": "mine"}
    assert ask(server, "POST", "/dags/sample/dagRuns", body)[0] == 200
    assert ask(server, "POST", "/dags/sample/dagRuns", body)[0] == 409
    assert ask(server, "PATCH", "/dags/sample", {})[0] == 422
    assert ask(server, "POST", "/pools", {"name": "default_pool", "slots": 3})[0] == 409
    assert ask(server, "GET", "/dags/broken'; DROP TABLE dag; --/dagRuns".replace(" ", "%20"))[0] == 404


def test_lists_are_filtered_ordered_and_paged(t):
    server = start(t)
    for i in range(5):
        run_to_end(server, "sample" if i % 2 else "broken", {"dag_run_id": f"r{i}"})
    runs = get(server, "/dags/~/dagRuns?run_type=manual&order_by=run_id&limit=2&offset=1")
    assert runs["total_entries"] == 5 and [r["dag_run_id"] for r in runs["dag_runs"]] == ["r1", "r2"], runs
    failed = get(server, "/dags/~/dagRuns?state=failed&order_by=-run_id")
    assert [r["dag_run_id"] for r in failed["dag_runs"]] == ["r4", "r2", "r0"]
    both = get(server, "/dags/~/dagRuns?state=failed&state=success&run_type=manual")
    assert both["total_entries"] == 5
    since = failed["dag_runs"][1]["start_date"]
    assert get(server, f"/dags/broken/dagRuns?start_date_gte={quote(since)}")["total_entries"] == 2
    states = get(server, "/dags/broken/dagRuns/r0/taskInstances?state=upstream_failed&state=failed")
    assert {i["task_id"] for i in states["task_instances"]} == {"a", "b"}
    assert get(server, "/dags?tags=demo")["total_entries"] == 1
    assert get(server, "/dags?paused=true")["dags"][0]["dag_id"] == "idle"
    assert get(server, "/dags?last_dag_run_state=failed")["dags"][0]["dag_id"] == "broken"


def test_clear_mark_and_notes(t):
    server = start(t)
    run_to_end(server, "broken", {"dag_run_id": "r"})
    body = {"dry_run": True, "dag_run_id": "r", "include_downstream": True, "task_ids": ["a"]}
    status, dry = ask(server, "POST", "/dags/broken/clearTaskInstances", body)
    assert status == 200 and [i["task_id"] for i in dry["task_instances"]] == ["a", "b"], dry
    one = "/dags/broken/dagRuns/r/taskInstances/a"
    assert get(server, one)["try_number"] == 1
    ask(server, "POST", "/dags/broken/clearTaskInstances", {**body, "dry_run": False})
    wait(lambda: get(server, one)["try_number"] == 2 and get(server, one)["state"] == "failed")
    tries = get(server, one + "/tries")["task_instances"]
    assert [x["try_number"] for x in tries] == [1, 2]
    status, marked = ask(server, "PATCH", one, {"new_state": "success", "note": "known"})
    assert status == 200 and marked["task_instances"][0]["state"] == "success", marked
    assert get(server, one)["note"] == "known"
    ask(server, "POST", "/dags/broken/clearTaskInstances",
        {"dry_run": False, "dag_run_id": "r", "only_failed": False, "task_ids": ["b"]})
    wait(lambda: get(server, "/dags/broken/dagRuns/r")["state"] == "success")
    status, run = ask(server, "PATCH", "/dags/broken/dagRuns/r", {"state": "failed", "note": "no"})
    assert status == 200 and (run["state"], run["note"]) == ("failed", "no"), run
    events = {e["event"] for e in get(server, "/eventLogs?dag_id=broken&limit=100")["event_logs"]}
    assert {"trigger", "clear", "success", "failed"} <= events, events
    assert ask(server, "PATCH", one, {"new_state": "running"})[0] == 422


def test_vault_hides_what_is_secret(t):
    server = start(t)
    assert ask(server, "POST", "/variables", {"key": "api_token", "value": "s3cret"})[0] == 201
    assert get(server, "/variables/api_token")["value"] == "***"
    assert ask(server, "PATCH", "/variables/api_token", {"key": "api_token", "value": "x"})[0] == 200
    assert ask(server, "DELETE", "/variables/api_token")[0] == 204
    assert ask(server, "DELETE", "/variables/api_token")[0] == 404
    connection = {"connection_id": "w", "conn_type": "http", "host": "h", "password": "hidden",
                  "extra": '{"token": "t0k", "a": 1}'}
    status, shown = ask(server, "POST", "/connections", connection)
    assert status == 201 and shown["password"] == "***", shown
    assert json.loads(shown["extra"]) == {"token": "***", "a": 1}
    files = b"".join(p.read_bytes() for p in (t.folder / ".millrace/dag").rglob("vault*") if p.is_file())
    assert b"hidden" not in files and b"t0k" not in files and files


# ---- the grid and the stream ----

def test_the_grid_counts_mapped_instances(t):
    server = start(t)
    run_to_end(server, "sample", {"dag_run_id": "r"})
    grid = get(server, "/grid?dag_id=sample")
    assert [x["task_id"] for x in grid["tasks"]] == ["make", "each"] and grid["tasks"][1]["upstream"] == [0]
    (run,) = [r for r in grid["runs"] if r["dag_run_id"] == "r"]
    assert run["states"] == ["success", {"success": 2}] and run["state"] == "success", run
    recent = get(server, "/recentRuns?limit=1")["dags"]
    assert len(recent["sample"]) == 1 and recent["sample"][0]["state"] in ("success", "running") and "idle" not in recent
    assert len(get(server, "/recentRuns")["dags"]["sample"]) > 1 and ask(server, "GET", "/recentRuns?limit=x")[0] == 422
    assert ask(server, "GET", "/grid")[0] == 422 and ask(server, "GET", "/grid?dag_id=no")[0] == 404


class Stream(threading.Thread):
    """Server-sent events of a path, as (kind, data, when)."""

    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.response = urllib.request.urlopen(server.http + "/api/v2" + path, timeout=30)
        self.events = []
        self.start()

    def run(self):
        kind = None
        try:
            for line in self.response:
                line = line.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    self.events.append((kind, json.loads(line[6:]), time.monotonic()))
        except (OSError, ValueError, AttributeError):
            pass

    def of(self, kind):
        return [data for k, data, _ in list(self.events) if k == kind]


def test_the_stream_tells_every_change(t):
    server = start(t)
    stream, other = Stream(server, "/stream?dag_id=sample"), Stream(server, "/stream?dag_id=slow")
    run_to_end(server, "sample", {"dag_run_id": "r"})
    wait(lambda: any(r["state"] == "success" for r in stream.of("dag_run")))
    states = [x["state"] for x in stream.of("task_instance") if (x["task_id"], x["dag_run_id"]) == ("make", "r")]
    # What changed twice while one batch was made durable is told once, so a slow disk may leave out a state.
    order = ["none", "scheduled", "queued", "running", "success"]
    ranks = [order.index(state or "none") for state in states]
    assert states[-1] == "success" and ranks == sorted(ranks), states
    assert {x["dag_id"] for x in stream.of("task_instance")} == {"sample"}
    assert not other.of("task_instance") and not other.of("dag_run")  # the first batch may still tell of DAGs
    ask(server, "POST", "/dags/slow/dagRuns", {"logical_date": None, "dag_run_id": "s"})
    wait(lambda: any(x["state"] == "running" for x in other.of("task_instance")))  # it lasts 1.8 s
    assert server.stop() == 0  # streams do not hold it


def test_the_stream_follows_a_log(t):
    server = start(t)
    ask(server, "POST", "/dags/slow/dagRuns", {"logical_date": None, "dag_run_id": "r"})
    stream = Stream(server, "/stream?dag_id=slow&run_id=r&task_id=wait&try=1")
    wait(lambda: stream.of("log_end"))
    lines = [x["event"] for x in stream.of("log")]
    assert [x for x in lines if x.startswith("line ")] == [f"line {i}" for i in range(1, 7)], lines
    came = [when for kind, data, when in stream.events if kind == "log" and data["event"].startswith("line")]
    assert came[-1] - came[0] > 0.3, "the lines came all at once"


# ---- files, commits, restarts ----

def test_files_are_read_again(t):
    server = start(t)
    t.write("dags/new.yml", "fresh: {schedule: null, start_date: 2026-01-01, tasks: {x: {operator: EmptyOperator}}}\n")
    wait(lambda: ask(server, "GET", "/dags/fresh")[0] == 200, 3)
    t.write("dags/new.yml", "fresh: {schedule: null, start_date: 2026-01-01, tasks: {x: {operator: Nonsense}}}\n")
    error = wait(lambda: get(server, "/importErrors")["import_errors"], 3)[0]
    assert "Nonsense" in error["stack_trace"] and error["filename"].endswith("new.yml")
    assert get(server, "/dags/fresh")["has_import_errors"]
    run_to_end(server, "fresh")
    (t.folder / "dags/new.yml").unlink()
    wait(lambda: get(server, "/dags/fresh")["is_stale"], 3)
    assert all(d["dag_id"] != "fresh" for d in get(server, "/dags")["dags"])


def test_a_commit_starts_who_waits_for_it(t):
    server = start(t)
    table = f"delta.`{t.folder}/.millrace/tables/lake/reads`"
    t.run("sql", "-c", f"CREATE TABLE {table} (a INT) USING delta; INSERT INTO {table} VALUES (1)")
    runs = wait(lambda: [r for r in get(server, "/dags/sample_consumer/dagRuns")["dag_runs"]
                         if r["state"] == "success"])
    assert runs[0]["run_type"] == "asset_triggered" and runs[0]["triggered_by"] == "asset"

    def versions():
        events = get(server, "/assets/events?uri=delta://lake/reads")["asset_events"]
        return [e["extra"]["version"] for e in events if "version" in e["extra"]]

    wait(lambda: versions() == [0, 1])
    assert server.stop() == 0
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (2)")  # while nobody watched
    server = t.up()
    wait(lambda: versions() == [0, 1, 2])


def test_a_task_that_writes_its_outlet_counts_once(t):
    table = f"delta.`{t.folder}/.millrace/tables/lake/out`"
    t.project("name: d\n", {"dags/all.yml": f"""
writer:
  schedule: null
  start_date: 2026-01-01
  tasks:
    w: {{operator: SQLExecuteQueryOperator, sql: "INSERT INTO {table} VALUES (1)", outlets: ['delta://lake/out']}}
toucher:
  schedule: null
  start_date: 2026-01-01
  tasks:
    w: {{operator: BashOperator, bash_command: "true", outlets: ['delta://lake/out']}}
reader:
  schedule: ['delta://lake/out']
  start_date: 2026-01-01
  tasks: {{r: {{operator: EmptyOperator}}}}
"""})
    t.run("sql", "-c", f"CREATE TABLE {table} (a INT) USING delta")
    server = t.up()
    for i in range(1, 4):
        assert run_to_end(server, "writer")["state"] == "success"
        wait(lambda: get(server, "/dags/reader/dagRuns")["total_entries"] == i)
        time.sleep(0.3)
        assert get(server, "/dags/reader/dagRuns")["total_entries"] == i
    time.sleep(2)
    run_to_end(server, "toucher")  # no commit: its end alone is the event
    wait(lambda: get(server, "/dags/reader/dagRuns")["total_entries"] == 4)


def test_a_killed_server_goes_on_with_its_run(t):
    server = start(t)
    ask(server, "POST", "/dags/slow/dagRuns", {"logical_date": None, "dag_run_id": "r"})
    one = "/dags/slow/dagRuns/r/taskInstances/wait"
    wait(lambda: get(server, one)["state"] == "running")
    server.kill()
    server = t.up()
    wait(lambda: get(server, "/dags/slow/dagRuns/r")["state"] == "success")
    assert get(server, one)["try_number"] == 1
    log = get(server, one + "/logs/1")
    lines = [x["event"] for x in log["content"] if x["event"].startswith("line")]
    assert lines == [f"line {i}" for i in range(1, 7)] and log["continuation_token"] is None


# ---- commands ----

def test_dag_commands_with_a_server(t):
    server = start(t)
    out, _ = t.run("dag", "trigger", "sample", "--conf", '{"country": "DE"}', "--wait")
    assert "\tsuccess\t" in out
    out, _ = t.run("dag", "trigger", "broken", "--wait", "--run-id", "r", code=1)
    assert out.startswith("r\tfailed")
    states = json.loads(t.run("task", "state", "broken", "-o", "json")[0])
    assert {s["task_id"]: s["state"] for s in states} == {"a": "failed", "b": "upstream_failed", "c": "success"}
    out, _ = t.run("task", "logs", "broken", "a")
    assert "boom" in out and "::group::" not in out
    _, note = t.run("task", "retry", "broken")
    assert "2 of run r run again" in note
    wait(lambda: get(server, "/dags/broken/dagRuns/r/taskInstances/a")["try_number"] == 2)
    out, _ = t.run("task", "logs", "broken", "a", "r", "-f", "--try", "2")
    assert "boom" in out
    t.run("task", "mark", "success", "broken", "a")
    t.run("task", "retry", "broken", "b", "r")
    wait(lambda: get(server, "/dags/broken/dagRuns/r")["state"] == "success")
    assert "paused" in t.run("dag", "pause", "broken")[0] and get(server, "/dags/broken")["is_paused"]
    t.run("dag", "unpause", "broken")
    out, _ = t.run("dag", "backfill", "sample", "--from", "2026-03-01", "--to", "2026-03-03", "--dry-run")
    assert out.split() == ["2026-03-01T03:00:00Z", "2026-03-02T03:00:00Z"], out
    runs = json.loads(t.run("dag", "runs", "sample", "-o", "json")[0])
    assert runs[0]["state"] == "success" and runs[0]["duration"].endswith("s")
    rows = json.loads(t.run("dag", "list", "-o", "json")[0])
    assert [r["dag_id"] for r in rows] == ["broken", "idle", "sample", "sample_consumer", "slow"]
    _, note = t.run("dag", "trigger", "idle", "--wait")
    assert "unpause" in note
    _, error = t.run("dag", "trigger", "smaple", code=1)
    assert "smaple" in error
    _, error = t.run("dag", "test", "sample", code=None)
    assert "--wait" in error


def test_dag_commands_without_a_server(t):
    t.project("name: d\n", {"dags/all.yml": DAGS})
    out, _ = t.run("dag", "test", "broken", code=1)
    lines = out.splitlines()
    assert any(x.startswith("failed") and " a " in x + " " for x in lines) and "    | boom" in lines, out
    assert "upstream_failed  b" in lines and lines[-1].startswith("broken failed in ")
    out, _ = t.run("dag", "test", "sample", "--conf", '{"country": "DE"}')
    assert "each[1]" in out and out.splitlines()[-1].startswith("sample succeeded")
    assert json.loads(t.run("dag", "runs", "sample", "-o", "json")[0]) == []  # it left nothing
    t.run("dag", "unpause", "sample")
    out, note = t.run("dag", "trigger", "broken", "--run-id", "later")
    assert out == "later\n" and "millrace up" in note
    server = t.up()
    wait(lambda: get(server, "/dags/broken/dagRuns/later")["state"] == "failed")


def test_system_tables_show_runs(t):
    server = start(t)
    run_to_end(server, "broken", {"dag_run_id": "r"})
    assert t.value("SELECT state FROM system.dag_runs WHERE run_id = 'r'") == "failed"
    assert t.value("SELECT count(*) FROM system.task_instances WHERE run_id = 'r' AND state = 'failed'") == 1
    metrics = urllib.request.urlopen(server.http + "/metrics").read().decode()
    submits = [line for line in metrics.splitlines() if line.startswith("millrace_scheduler_submits_total ")]
    assert int(submits[0].split()[1]) >= 2, submits
    assert t.value("SELECT schedule FROM system.dags WHERE dag_id = 'sample_consumer'") == "assets"
