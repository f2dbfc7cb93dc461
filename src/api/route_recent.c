/* api/route_recent.c - GET /recentRuns?limit=14: the last runs of every DAG, for a page that lists DAGs.
 * Not Airflow's: its list of all runs is of those that run most.
 *
 *   {"dags": {"x": [{"dag_run_id", "run_type", "state", "run_after", "start_date", "end_date"}, …]}}
 *
 * Newest first; a DAG that never ran is not there. */
#include "api/list.h"
#include "api/routes.h"

#define RUNS_DEFAULT 14
#define RUNS_MAX 50

struct recent {
	struct api_call *call;
	mr_str dag_id; /* whose array is open; empty: none */
};

static int64_t time_of(struct json_value v)
{
	return json_type(v) == JSON_NULL ? NO_TIME : json_int(v);
}

static int put_run(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct recent *recent = arg;
	struct json_writer *w = &recent->call->w;
	mr_str dag_id = json_str(json_get(row, "dag_id"));
	if (!mr_str_eq(dag_id, recent->dag_id)) {
		if (recent->dag_id.len)
			json_end_array(w);
		recent->dag_id = arena_copy(&recent->call->arena, dag_id); /* the row goes */
		json_key_str(w, dag_id);
		json_begin_array(w);
	}
	json_begin_object(w);
	json_member_str(w, "dag_run_id", json_str(json_get(row, "run_id")));
	json_member_str(w, "run_type", json_str(json_get(row, "run_type")));
	json_member_str(w, "state", json_str(json_get(row, "state")));
	put_time(w, "run_after", time_of(json_get(row, "run_after")));
	put_time(w, "start_date", time_of(json_get(row, "start_date")));
	put_time(w, "end_date", time_of(json_get(row, "end_date")));
	json_end_object(w);
	return 0;
}

int api_recent_runs(struct api_call *call, struct mr_error *err)
{
	struct recent recent = {.call = call};
	int64_t limit = RUNS_DEFAULT, offset;
	if (api_param(call, "limit").len)
		list_page(call, &limit, &offset);
	if (api_faulty(call))
		return 0;
	mr_str param = arena_printf(&call->arena, "%lld", (long long)mr_min_i64(limit, RUNS_MAX));
	json_begin_object(&call->w);
	json_key(&call->w, "dags");
	json_begin_object(&call->w);
	/* Of each DAG a few steps along an index, however long its history is. */
	int rc =
	    api_query(call,
		      "SELECT r.dag_id, r.run_id, r.run_type, r.state, r.run_after, r.start_date, "
		      "r.end_date FROM dag d JOIN dag_run r ON r.run_no IN (SELECT l.run_no FROM dag_run "
		      "l WHERE l.dag_id = d.dag_id ORDER BY l.run_after DESC, l.run_no DESC LIMIT CAST(?1 "
		      "AS BIGINT)) ORDER BY r.dag_id, r.run_after DESC, r.run_no DESC",
		      &param, 1, put_run, &recent, err);
	if (recent.dag_id.len)
		json_end_array(&call->w);
	json_end_object(&call->w);
	json_end_object(&call->w);
	return rc;
}
