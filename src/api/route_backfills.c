/* api/route_backfills.c - backfills: runs for dates that are past. A backfill's number is that of its
 * first run. */
#include "api/list.h"
#include "api/routes.h"

#include "dag/timetable.h"

#include <stdlib.h>

#define DRY_RUN_MAX 10000

static const struct field fields[] = {
    {"id", "b.id", FIELD_INT},
    {"dag_id", "b.dag_id", FIELD_STRING},
    {"from_date", "b.from_date", FIELD_TIME},
    {"to_date", "b.to_date", FIELD_TIME},
    {"dag_run_conf", "b.conf", FIELD_JSON},
    {"is_paused", "false", FIELD_RAW},
    {"reprocess_behavior", "\"none\"", FIELD_RAW},
    {"max_active_runs", "coalesce(l.max_active_runs, 10)", FIELD_INT},
    {"created_at", "b.created_at", FIELD_TIME},
    {"completed_at", "CASE WHEN b.open = 0 THEN b.ended END", FIELD_TIME},
    {"updated_at", "coalesce(b.ended, b.created_at)", FIELD_TIME},
    {"dag_display_name", "b.dag_id", FIELD_STRING},
};

static const struct filter filters[] = {{"dag_id", "b.dag_id", FILTER_TEXT}};

static const struct resource backfills = {
    .key = "backfills",
    .from = "(SELECT min(run_no) AS id, dag_id, backfill_id, min(logical_date) AS from_date, "
	    "max(logical_date) AS to_date, min(conf) AS conf, min(queued_at) AS created_at, max(end_date) AS "
	    "ended, count(CASE WHEN state IN ('queued', 'running') THEN 1 END) AS open FROM dag_run WHERE "
	    "backfill_id <> '' GROUP BY "
	    "dag_id, backfill_id) b LEFT JOIN backfill l ON l.backfill_id = b.backfill_id",
    .fields = fields,
    .field_count = MR_COUNT(fields),
    .filters = filters,
    .filter_count = MR_COUNT(filters),
    .order = "b.id",
    .tie = "b.id",
};

int api_backfill_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {0};
	return list_answer(call, &backfills, "TRUE", &params, err);
}

int api_backfill_get(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{api_number(call->path[0])}, 1};
	return list_one(call, &backfills, "b.id = CAST(?1 AS BIGINT)", &params, "Backfill not found", err);
}

/* ---- making one ---- */

struct request {
	struct core_backfill what;
	size_t runs;
};

static bool read_request(struct api_call *call, struct request *request)
{
	mr_str reprocess = api_body_str(call, "reprocess_behavior", false);
	request->what = (struct core_backfill){
	    .dag_id = api_body_str(call, "dag_id", true),
	    .from_us = api_body_time(call, "from_date", true),
	    .to_us = api_body_time(call, "to_date", true),
	    .max_active_runs = (int32_t)api_body_int(call, "max_active_runs", 1, INT32_MAX, 10),
	    .backwards = api_body_bool(call, "run_backwards", false),
	    .conf_json = api_body_object(call, "dag_run_conf"),
	    .who = API_USER,
	};
	if (mr_str_is(reprocess, "failed"))
		request->what.reprocess = REPROCESS_FAILED;
	else if (mr_str_is(reprocess, "completed"))
		request->what.reprocess = REPROCESS_COMPLETED;
	else if (reprocess.len && !mr_str_is(reprocess, "none"))
		api_fault(call, "enum", "body", "reprocess_behavior",
			  "Input should be 'failed', 'completed' or 'none'",
			  json_get(call->body, "reprocess_behavior"));
	return !api_faulty(call);
}

static int backfill_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct request *request = arg;
	return core_backfill(core, &request->what, &request->runs, err);
}

int api_backfill_post(struct api_call *call, struct mr_error *err)
{
	struct request request = {0};
	struct dag *dag;
	if (!read_request(call, &request))
		return 0;
	int rc = api_dag(call, request.what.dag_id, &dag, err);
	if (rc < 0)
		return rc;
	dag_unref(dag);
	rc = dags_call(call->dags, backfill_in_core, &request, err);
	if (rc == 0 && !request.runs)
		rc = mr_fail(err, MR_ERR_CONFLICT,
			     "There is nothing to backfill: the schedule has no run in "
			     "these dates, or every one has been made");
	struct sql_params params = {{request.what.dag_id}, 1};
	return rc < 0
		   ? rc
		   : list_one(
			 call, &backfills,
			 "b.dag_id = ?1 AND b.backfill_id = (SELECT extra FROM log WHERE event = 'backfill' "
			 "AND dag_id = ?1 ORDER BY id DESC LIMIT 1)",
			 &params, "Every run of the backfill is an old one that runs again", err);
}

/* ---- dry run ---- */

struct made {
	bool found;
};

static int take_made(void *arg, struct json_value row, struct mr_error *err)
{
	(void)row, (void)err;
	((struct made *)arg)->found = true;
	return 1;
}

/* Would the backfill make, or remake, the run of this date? */
static int wanted(struct api_call *call, const struct core_backfill *what, int64_t logical_us, bool *out,
		  struct mr_error *err)
{
	struct made made = {false};
	mr_str params[] = {what->dag_id, arena_printf(&call->arena, "%lld", (long long)logical_us)};
	const char *states = what->reprocess == REPROCESS_NONE     ? "TRUE"
			     : what->reprocess == REPROCESS_FAILED ? "state <> 'failed'"
								   : "state IN ('queued', 'running')";
	mr_str sql =
	    arena_printf(&call->arena,
			 "SELECT 1 AS n FROM dag_run WHERE dag_id = ?1 AND logical_date = CAST(?2 AS "
			 "BIGINT) AND %s LIMIT 1",
			 states);
	int rc = api_query(call, sql.ptr, params, 2, take_made, &made, err);
	*out = !made.found;
	return rc;
}

int api_backfill_dry_run(struct api_call *call, struct mr_error *err)
{
	struct request request = {0};
	struct dag *dag;
	if (!read_request(call, &request))
		return 0;
	const struct core_backfill *what = &request.what;
	int rc = api_dag(call, what->dag_id, &dag, err);
	if (rc < 0)
		return rc;
	struct timetable_run *runs = mr_calloc(DRY_RUN_MAX, sizeof *runs);
	int64_t now = clock_wall_us(dags_env(call->dags)->clock), total = 0;
	size_t n = mr_min_size(
	    timetable_backfill(dag->timetable, what->from_us, what->to_us, now, runs, DRY_RUN_MAX),
	    DRY_RUN_MAX);
	api_begin_list(call, "backfills");
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct timetable_run *run = &runs[what->backwards ? n - 1 - i : i];
		bool want = false;
		rc = wanted(call, what, run->logical_date_us, &want, err);
		if (rc < 0 || !want)
			continue;
		json_begin_object(&call->w);
		put_time(&call->w, "logical_date", run->logical_date_us);
		put_null(&call->w, "partition_key");
		put_null(&call->w, "partition_date");
		json_end_object(&call->w);
		total++;
	}
	api_end_list(call, total);
	free(runs);
	dag_unref(dag);
	return rc;
}
