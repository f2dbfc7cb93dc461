"""What a program does with apache-airflow-client: airflow_client_checks.py BASE_URL. A line "ok NAME" or
"FAILED NAME: why" for each check."""
import sys
import time
import traceback

import airflow_client.client as af
from airflow_client.client.rest import ApiException


class Checks:
    def __init__(self, url):
        self.client = af.ApiClient(af.Configuration(host=url, access_token="any"))
        self.run_id = None

    def api(self, name):
        return getattr(af, name)(self.client)

    def ended(self, dag_id, run_id, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            run = self.api("DagRunApi").get_dag_run(dag_id, run_id)
            if run.state in ("success", "failed"):
                return run
            time.sleep(0.1)
        raise AssertionError(f"{run_id} is {run.state}")

    # ---- DAGs ----

    def lists_dags(self):
        found = self.api("DAGApi").get_dags(limit=10, order_by=["-dag_id"])
        assert [d.dag_id for d in found.dags] == ["flaky", "etl", "consumer"], found
        assert found.total_entries == 3
        tagged = self.api("DAGApi").get_dags(tags=["demo"])
        assert [d.dag_id for d in tagged.dags] == ["etl"] and tagged.dags[0].timetable_summary == "0 3 * * *"

    def shows_a_dag(self):
        details = self.api("DAGApi").get_dag_details("etl")
        assert details.params["country"]["value"] == "US" and details.latest_dag_version.version_number == 1
        tasks = self.api("TaskApi").get_tasks("etl").tasks
        assert {t.task_id: t.downstream_task_ids for t in tasks} == {"make": ["each"], "each": []}, tasks
        assert [t.is_mapped for t in tasks] == [False, True]
        assert "echo" in self.api("DagSourceApi").get_dag_source("etl").content

    def pauses_and_unpauses(self):
        api = self.api("DAGApi")
        assert api.patch_dag("etl", af.DAGPatchBody(is_paused=True)).is_paused
        assert [d.dag_id for d in api.get_dags(paused=True).dags] == ["etl"]
        assert not api.patch_dag("etl", af.DAGPatchBody(is_paused=False), update_mask=["is_paused"]).is_paused

    # ---- runs ----

    def triggers(self):
        body = af.TriggerDAGRunPostBody(logical_date=None, conf={"country": "DE"}, note="by hand")
        run = self.api("DagRunApi").trigger_dag_run("etl", body)
        self.run_id = run.dag_run_id
        assert run.state in ("queued", "running") and run.conf == {"country": "DE"}, run
        assert self.ended("etl", run.dag_run_id).state == "success"
        found = self.api("DagRunApi").get_dag_runs("~", state=["success"], run_type=["manual"])
        assert [r.dag_run_id for r in found.dag_runs] == [self.run_id] and found.dag_runs[0].note == "by hand"

    def lists_by_body_and_waits(self):
        runs = self.api("DagRunApi")
        found = runs.get_list_dag_runs_batch("~", af.DAGRunsBatchBody(dag_ids=["etl"], states=["success"]))
        assert self.run_id in [r.dag_run_id for r in found.dag_runs]
        body = af.TaskInstancesBatchBody(dag_run_ids=[self.run_id], state=["success"], order_by="-map_index")
        tis = self.api("TaskInstanceApi").get_task_instances_batch("~", "~", body)
        assert [i.map_index for i in tis.task_instances] == [1, 0, -1], tis
        (stats,) = self.api("DagStatsApi").get_dag_stats(dag_ids=["etl"]).dags
        assert {s.state: s.count for s in stats.stats}["success"] >= 1
        run = runs.trigger_dag_run("flaky", af.TriggerDAGRunPostBody(logical_date=None))
        lines = runs.wait_dag_run_until_finished_without_preload_content(
            "flaky", run.dag_run_id, 0.5, result=["a"]).data.decode().splitlines()
        assert lines[-1] == '{"state":"failed","results":{"a":null}}', lines

    def refuses_what_does_not_fit(self):
        for status, body in ((400, {"conf": {"country": "FR"}}), (409, {"dag_run_id": self.run_id})):
            try:
                self.api("DagRunApi").trigger_dag_run("etl", af.TriggerDAGRunPostBody(logical_date=None, **body))
            except ApiException as e:
                assert e.status == status, e
            else:
                raise AssertionError(body)
        try:
            self.api("DAGApi").get_dag("nothing")
        except ApiException as e:
            assert e.status == 404 and "nothing" in e.body
        else:
            raise AssertionError("404 expected")

    def lists_task_instances(self):
        api = self.api("TaskInstanceApi")
        all_ = api.get_task_instances("etl", self.run_id)
        assert sorted((i.task_id, i.map_index) for i in all_.task_instances) == [
            ("each", 0), ("each", 1), ("make", -1)], all_
        one = api.get_task_instance("etl", self.run_id, "make")
        assert one.state == "success" and one.operator_name == "BashOperator" and one.duration >= 0
        assert api.get_mapped_task_instances("etl", self.run_id, "each").total_entries == 2
        assert api.get_mapped_task_instance("etl", self.run_id, "each", 1).map_index == 1
        assert api.get_task_instance_tries("etl", self.run_id, "make").task_instances[0].try_number == 1

    def reads_logs(self):
        log = self.api("TaskInstanceApi").get_log("etl", self.run_id, "make", 1, full_content=True)
        lines = [getattr(m, "event", m) for m in log.content.actual_instance]
        assert "reading DE" in lines, lines
        assert log.continuation_token is None

    def reads_xcoms(self):
        api = self.api("XComApi")
        assert [x.key for x in api.get_xcom_entries("etl", self.run_id, "make").xcom_entries] == ["return_value"]
        value = api.get_xcom_entry("etl", "make", self.run_id, "return_value").actual_instance
        assert value.value == "42", value

    def clears_and_marks(self):
        runs, tis = self.api("DagRunApi"), self.api("TaskInstanceApi")
        run = runs.trigger_dag_run("flaky", af.TriggerDAGRunPostBody(logical_date=None))
        assert self.ended("flaky", run.dag_run_id).state == "failed"
        body = af.ClearTaskInstancesBody(dry_run=True, dag_run_id=run.dag_run_id, include_downstream=True,
                                         task_ids=[af.ClearTaskInstancesBodyTaskIdsInner("a")])
        assert [i.task_id for i in tis.post_clear_task_instances("flaky", body).task_instances] == ["a", "b"]
        body.dry_run = False
        tis.post_clear_task_instances("flaky", body)
        end = time.monotonic() + 20
        while tis.get_task_instance("flaky", run.dag_run_id, "a").try_number < 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert self.ended("flaky", run.dag_run_id).state == "failed"
        assert tis.get_task_instance("flaky", run.dag_run_id, "a").try_number == 2
        marked = tis.patch_task_instance("flaky", run.dag_run_id, "a", af.PatchTaskInstanceBody(new_state="success"))
        assert marked.task_instances[0].state == "success"
        done = runs.patch_dag_run("flaky", run.dag_run_id, af.DAGRunPatchBody(state="success"))
        assert done.state == "success"
        runs.clear_dag_run("flaky", run.dag_run_id, af.DAGRunClearBody(dry_run=False))
        assert self.ended("flaky", run.dag_run_id).state == "failed"

    def backfills(self):
        api = self.api("BackfillApi")
        body = af.BackfillPostBody(dag_id="etl", from_date="2026-01-01T00:00:00Z", to_date="2026-01-03T00:00:00Z",
                                   max_active_runs=2)
        dates = [b.logical_date.isoformat() for b in api.create_backfill_dry_run(body).backfills]
        assert dates == ["2026-01-01T03:00:00+00:00", "2026-01-02T03:00:00+00:00"], dates
        made = api.create_backfill(body)
        self.ended("etl", "backfill__2026-01-02T03:00:00+00:00")
        assert api.get_backfill(made.id).dag_id == "etl"
        assert api.list_backfills(dag_id="etl").total_entries == 1

    # ---- the rest ----

    def sends_asset_events(self):
        api = self.api("AssetApi")
        (asset,) = api.get_assets(uri_pattern="delta://lake").assets
        assert [d.dag_id for d in asset.scheduled_dags] == ["consumer"] and asset.producing_tasks[0].task_id == "make"
        event = api.create_asset_event(af.CreateAssetEventsBody(asset_id=asset.id, extra={"version": 7}))
        assert event.uri == "delta://lake/reads" and event.extra["from_rest_api"]
        found = api.get_asset_events(asset_id=asset.id, order_by=["-timestamp"])
        assert found.asset_events[0].id == event.id
        end = time.monotonic() + 20
        runs = self.api("DagRunApi")
        while not runs.get_dag_runs("consumer", state=["success"]).total_entries and time.monotonic() < end:
            time.sleep(0.1)
        assert runs.get_dag_runs("consumer").dag_runs[0].run_type == "asset_triggered"

    def keeps_variables_connections_pools(self):
        variables = self.api("VariableApi")
        variables.post_variable(af.VariableBody(key="country", value="DE"))
        assert variables.get_variable("country").value == "DE"
        assert variables.patch_variable("country", af.VariableBody(key="country", value="US")).value == "US"
        assert variables.get_variables().total_entries == 1
        variables.delete_variable("country")
        connections = self.api("ConnectionApi")
        connections.post_connection(af.ConnectionBody(connection_id="w", conn_type="http", host="h", password="p"))
        assert connections.get_connection("w").password == "***"
        connections.patch_connection("w", af.ConnectionBody(connection_id="w", conn_type="http", host="g"))
        assert connections.get_connections().connections[0].host == "g"
        connections.delete_connection("w")
        pools = self.api("PoolApi")
        pools.post_pool(af.PoolBody(name="engine", slots=8))
        assert pools.patch_pool("engine", af.PoolPatchBody(slots=4)).slots == 4
        assert {p.name for p in pools.get_pools().pools} == {"default_pool", "engine"}

    def watches(self):
        assert self.api("MonitorApi").get_health().scheduler.status == "healthy"
        assert self.api("VersionApi").get_version().version.startswith("3.")
        assert self.api("ImportErrorApi").get_import_errors().total_entries == 0
        events = self.api("EventLogApi").get_event_logs(dag_id="etl", limit=100).event_logs
        assert {"trigger", "paused", "unpaused"} <= {e.event for e in events}


CHECKS = ["lists_dags", "shows_a_dag", "pauses_and_unpauses", "triggers", "lists_by_body_and_waits", "refuses_what_does_not_fit",
          "lists_task_instances", "reads_logs", "reads_xcoms", "clears_and_marks", "backfills", "sends_asset_events",
          "keeps_variables_connections_pools", "watches"]


def main():
    checks = Checks(sys.argv[1])
    for name in CHECKS:
        try:
            getattr(checks, name)()
            print("ok", name, flush=True)
        except Exception as e:  # whatever it is, the other checks go on
            where = traceback.extract_tb(e.__traceback__)[1].line if e.__traceback__ else ""
            text = " ".join(f"{type(e).__name__} at '{where}': {e}".split())
            print(f"FAILED {name}: {text[:1200]}", flush=True)


main()
