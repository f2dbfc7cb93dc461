/* api/route_runs.c - dagRuns: list, get, trigger, mark, clear. */
#include "api/routes.h"

#include "api/list.h"

static const struct field fields[] = {
    {"dag_run_id", "r.run_id", FIELD_STRING},
    {"dag_id", "r.dag_id", FIELD_STRING},
    {"logical_date", "r.logical_date", FIELD_TIME},
    {"queued_at", "r.queued_at", FIELD_TIME},
    {"start_date", "r.start_date", FIELD_TIME},
    {"end_date", "r.end_date", FIELD_TIME},
    {"duration", "r.end_date - r.start_date", FIELD_SECONDS},
    {"data_interval_start", "r.data_interval_start", FIELD_TIME},
    {"data_interval_end", "r.data_interval_end", FIELD_TIME},
    {"run_after", "r.run_after", FIELD_TIME},
    {"last_scheduling_decision", "coalesce(r.end_date, r.start_date)", FIELD_TIME},
    {"run_type", "r.run_type", FIELD_STRING},
    {"state", "r.state", FIELD_STRING},
    {"triggered_by",
     "CASE r.run_type WHEN 'scheduled' THEN 'timetable' WHEN 'backfill' THEN 'backfill' WHEN "
     "'asset_triggered' THEN 'asset' ELSE 'rest_api' END",
     FIELD_STRING},
    {"triggering_user_name",
     "(SELECT l.owner FROM log l WHERE l.dag_id = r.dag_id AND l.run_id = r.run_id AND l.event = 'trigger' "
     "ORDER BY l.id LIMIT 1)",
     FIELD_TEXT},
    {"conf", "r.conf", FIELD_JSON},
    {"note", "n.content", FIELD_TEXT},
    {"dag_versions", LIST_VERSION_OF("r"), FIELD_VERSIONS},
    {"bundle_version", "r.dag_version", FIELD_TEXT},
    {"dag_display_name", "r.dag_id", FIELD_STRING},
    {"partition_key", "null", FIELD_RAW},
    {"partition_date", "null", FIELD_RAW},
};

static const struct filter filters[] = {
    {"state", "r.state", FILTER_TEXT},
    {"dag_id", "r.dag_id", FILTER_TEXT},
    {"run_id", "r.run_id", FILTER_TEXT},
    {"conf_contains", "r.conf", FILTER_PATTERN},
    {"run_type", "r.run_type", FILTER_TEXT},
    {"run_id_pattern", "r.run_id", FILTER_PATTERN},
    {"dag_id_pattern", "r.dag_id", FILTER_PATTERN},
    {"bundle_version", "r.dag_version", FILTER_TEXT},
    {"logical_date", "r.logical_date", FILTER_TIME},
    {"run_after", "r.run_after", FILTER_TIME},
    {"start_date", "r.start_date", FILTER_TIME},
    {"end_date", "r.end_date", FILTER_TIME},
    {"updated_at", "coalesce(r.end_date, r.start_date, r.queued_at)", FILTER_TIME},
    {"duration", "(r.end_date - r.start_date)", FILTER_SECONDS},
};

static const char *const orders[] = {"id", "r.run_no", "run_id", "r.run_id", NULL};

static const struct resource runs = {
    .key = "dag_runs",
    .cursors = true,
    .from = "dag_run r LEFT JOIN note n ON n.dag_id = r.dag_id AND n.run_id = r.run_id AND n.task_id = '' "
	    "AND n.map_index = -1",
    .fields = fields,
    .field_count = MR_COUNT(fields),
    .filters = filters,
    .filter_count = MR_COUNT(filters),
    .order = "r.run_no",
    .orders = orders,
    .tie = "r.run_no",
};

static const char *no_run(struct api_call *call, mr_str dag_id, mr_str run_id)
{
	return arena_printf(&call->arena, "The DagRun with dag_id: `%.*s` and run_id: `%.*s` was not found",
			    MR_FMT(dag_id), MR_FMT(run_id))
	    .ptr;
}

static int put_run(struct api_call *call, mr_str dag_id, mr_str run_id, struct mr_error *err)
{
	struct sql_params params = {{dag_id, run_id}, 2};
	return list_one(call, &runs, "r.dag_id = ?1 AND r.run_id = ?2", &params, no_run(call, dag_id, run_id),
			err);
}

int api_run_get(struct api_call *call, struct mr_error *err)
{
	return put_run(call, call->path[0], call->path[1], err);
}

int api_run_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{call->path[0]}, 1};
	struct dag *dag;
	if (!mr_str_is(call->path[0], "~")) {
		int rc = api_dag(call, call->path[0], &dag, err);
		if (rc < 0)
			return rc;
		dag_unref(dag);
	}
	static const char *const columns[] = {"r.dag_id"};
	return list_answer(call, &runs, list_path_where(call, columns, MR_COUNT(columns)), &params, err);
}

/* ---- trigger ---- */

struct trigger {
	struct core_trigger what;
	mr_str note;
	struct mr_buf run_id;
};

static int trigger_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct trigger *trigger = arg;
	int rc = core_trigger(core, &trigger->what, &trigger->run_id, err);
	if (rc == 0 && trigger->note.len) {
		struct store_note note = {.dag_id = trigger->what.dag_id,
					  .run_id = mr_buf_view(&trigger->run_id),
					  .text = trigger->note,
					  .map_index = -1};
		core_note(core, &note);
	}
	return rc;
}

int api_run_post(struct api_call *call, struct mr_error *err)
{
	struct dag *dag;
	struct trigger trigger = {.what = {.dag_id = call->path[0], .who = API_USER}};
	trigger.what.logical_date_us = api_body_time(call, "logical_date", true);
	trigger.what.run_id = api_body_str(call, "dag_run_id", false);
	trigger.what.conf_json = api_body_object(call, "conf");
	trigger.note = api_body_str(call, "note", false);
	if (api_faulty(call))
		return 0;
	int rc = api_dag(call, call->path[0], &dag, err);
	if (rc == 0) {
		dag_unref(dag);
		rc = dags_call(call->dags, trigger_in_core, &trigger, err);
	}
	if (rc == 0)
		rc = put_run(call, call->path[0], mr_buf_view(&trigger.run_id), err);
	mr_buf_release(&trigger.run_id);
	return rc;
}

/* ---- mark, note ---- */

struct patch {
	mr_str dag_id, run_id, state;
	struct store_note note;
	bool noted;
};

static int clear_all(struct core *core, mr_str dag_id, mr_str run_id, bool only_failed, struct mr_error *err)
{
	size_t count;
	struct core_select all = {
	    .dag_id = dag_id, .run_id = run_id, .map_index = -1, .only_failed = only_failed, .who = API_USER};
	return core_clear(core, &all, &count, err);
}

static int patch_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct patch *patch = arg;
	int rc = 0;
	if (mr_str_is(patch->state, "queued"))
		rc = clear_all(core, patch->dag_id, patch->run_id, true, err);
	else if (patch->state.len)
		rc = core_mark_run(core, patch->dag_id, patch->run_id,
				   mr_str_is(patch->state, "success") ? RUN_SUCCESS : RUN_FAILED, API_USER,
				   err);
	if (rc == 0 && patch->noted)
		core_note(core, &patch->note);
	return rc;
}

int api_trigger(struct api_call *call, mr_str dag_id, struct mr_error *err)
{
	struct trigger trigger = {.what = {.dag_id = dag_id, .logical_date_us = NO_TIME, .who = API_USER}};
	int rc = dags_call(call->dags, trigger_in_core, &trigger, err);
	if (rc == 0)
		rc = put_run(call, dag_id, mr_buf_view(&trigger.run_id), err);
	mr_buf_release(&trigger.run_id);
	return rc;
}

int api_run_patch(struct api_call *call, struct mr_error *err)
{
	struct patch patch = {.dag_id = call->path[0], .run_id = call->path[1]};
	patch.state = api_body_str(call, "state", false);
	patch.note = (struct store_note){.dag_id = call->path[0],
					 .run_id = call->path[1],
					 .text = api_body_str(call, "note", false),
					 .map_index = -1};
	patch.noted = patch.note.text.ptr != NULL;
	if (patch.state.len && !mr_str_is(patch.state, "success") && !mr_str_is(patch.state, "failed") &&
	    !mr_str_is(patch.state, "queued"))
		api_fault(call, "enum", "body", "state", "Input should be 'queued', 'success' or 'failed'",
			  json_get(call->body, "state"));
	if (api_faulty(call))
		return 0;
	/* 404 before anything is done. */
	int rc = put_run(call, patch.dag_id, patch.run_id, err);
	mr_buf_clear(&call->reply->body);
	call->w = json_writer(&call->reply->body);
	if (rc == 0)
		rc = dags_call(call->dags, patch_in_core, &patch, err);
	return rc < 0 ? rc : put_run(call, patch.dag_id, patch.run_id, err);
}

/* ---- clear ---- */

struct clear {
	mr_str dag_id, run_id;
	bool only_failed;
};

static int clear_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct clear *clear = arg;
	return clear_all(core, clear->dag_id, clear->run_id, clear->only_failed, err);
}

int api_run_clear(struct api_call *call, struct mr_error *err)
{
	struct clear clear = {call->path[0], call->path[1], api_body_bool(call, "only_failed", false)};
	bool dry_run = api_body_bool(call, "dry_run", true);
	if (api_faulty(call))
		return 0;
	int rc = put_run(call, clear.dag_id, clear.run_id, err);
	mr_buf_clear(&call->reply->body);
	call->w = json_writer(&call->reply->body);
	if (rc == 0 && dry_run)
		return api_put_instances(
		    call, clear.dag_id, clear.run_id,
		    clear.only_failed ? "t.state IN ('failed', 'upstream_failed')" : "TRUE", err);
	if (rc == 0)
		rc = dags_call(call->dags, clear_in_core, &clear, err);
	return rc < 0 ? rc : put_run(call, clear.dag_id, clear.run_id, err);
}
