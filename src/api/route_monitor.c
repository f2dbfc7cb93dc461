/* api/route_monitor.c - health, version, import errors, the audit log. */
#include "api/lead.h"
#include "api/list.h"
#include "api/routes.h"

#include "base/crc32c.h"

#include <stdlib.h>

#define API_LEVEL "3.1.0" /* of Airflow, whose API this is */

static void put_part(struct json_writer *w, const char *name, const char *heartbeat, bool healthy,
		     int64_t now)
{
	json_key(w, name);
	json_begin_object(w);
	json_member_cstr(w, "status", healthy ? "healthy" : "unhealthy");
	if (heartbeat)
		put_time(w, heartbeat, now);
	json_end_object(w);
}

/* Of servers that share a store: the leader's beats are its scheduler's. */
static void put_leader(struct json_writer *w, const struct lead_state *state)
{
	json_key(w, "leader");
	json_begin_object(w);
	if (state->leader.epoch)
		json_member_cstr(w, "hostname", state->leader.who);
	else
		put_null(w, "hostname");
	json_member_int(w, "epoch", (int64_t)state->leader.epoch);
	json_member_bool(w, "this_server", state->leads);
	put_time(w, "latest_heartbeat", state->beat_us ? state->beat_us : NO_TIME);
	json_end_object(w);
}

/* The parts are threads of this process: they live as long as it answers. */
int api_health(struct api_call *call, struct mr_error *err)
{
	(void)err;
	bool runs = dags_started(call->dags) && !dags_stats(call->dags).fenced;
	bool store = true;
	int64_t now = clock_wall_us(dags_env(call->dags)->clock);
	struct lead_state state;
	bool shared = dags_leader(call->dags, &state);
	if (shared) {
		store = now - state.seen_us < state.silent_us;
		runs = store && now - state.beat_us < state.silent_us;
	}
	json_begin_object(&call->w);
	put_part(&call->w, "metadatabase", NULL, store, now);
	put_part(&call->w, "scheduler", "latest_scheduler_heartbeat", runs, now);
	put_part(&call->w, "triggerer", "latest_triggerer_heartbeat", runs, now);
	put_part(&call->w, "dag_processor", "latest_dag_processor_heartbeat", runs, now);
	if (shared)
		put_leader(&call->w, &state);
	json_end_object(&call->w);
	return 0;
}

int api_version(struct api_call *call, struct mr_error *err)
{
	(void)err;
	json_begin_object(&call->w);
	json_member_cstr(&call->w, "version", API_LEVEL);
	json_member_cstr(&call->w, "git_version", "millrace " MR_VERSION);
	json_end_object(&call->w);
	return 0;
}

/* ---- import errors ---- */

struct faults {
	struct api_call *call;
	mr_str wanted; /* an id; empty: all */
	int64_t total;
};

static void put_fault(void *arg, const struct dag_fault *fault, int64_t loaded_us)
{
	struct faults *faults = arg;
	struct api_call *call = faults->call;
	int64_t id = mr_crc32c(mr_crc32c(0, fault->file, strlen(fault->file)), fault->error.where,
			       strlen(fault->error.where));
	mr_str text = arena_printf(&call->arena, "%s: %s%s%s", fault->error.where, fault->error.message,
				   fault->error.hint[0] ? "\n" : "", fault->error.hint);
	if (faults->wanted.len && strtoll(faults->wanted.ptr, NULL, 10) != id)
		return;
	faults->total++;
	json_begin_object(&call->w);
	json_member_int(&call->w, "import_error_id", id);
	put_time(&call->w, "timestamp", loaded_us);
	json_member_cstr(&call->w, "filename", fault->file);
	json_member_cstr(&call->w, "bundle_name", "dags-folder");
	json_member_str(&call->w, "stack_trace", text);
	json_end_object(&call->w);
}

int api_import_error_list(struct api_call *call, struct mr_error *err)
{
	(void)err;
	struct faults faults = {call, MR_STR_NULL, 0};
	api_begin_list(call, "import_errors");
	dags_faults(call->dags, put_fault, &faults);
	api_end_list(call, faults.total);
	return 0;
}

int api_import_error_get(struct api_call *call, struct mr_error *err)
{
	struct faults faults = {call, call->path[0], 0};
	dags_faults(call->dags, put_fault, &faults);
	return faults.total ? 0
			    : mr_fail(err, MR_ERR_NOT_FOUND,
				      "The ImportError with import_error_id: `%.*s` was not found",
				      MR_FMT(call->path[0]));
}

/* ---- the audit log ---- */

static const struct field log_fields[] = {
    {"event_log_id", "l.id", FIELD_INT},
    {"when", "l.dttm", FIELD_TIME},
    {"dag_id", "l.dag_id", FIELD_TEXT},
    {"task_id", "l.task_id", FIELD_TEXT},
    {"run_id", "l.run_id", FIELD_TEXT},
    {"map_index", "CASE WHEN l.map_index >= 0 THEN l.map_index END", FIELD_INT},
    {"try_number", "null", FIELD_RAW},
    {"event", "l.event", FIELD_STRING},
    {"logical_date", "null", FIELD_RAW},
    {"owner", "l.owner", FIELD_TEXT},
    {"extra", "l.extra", FIELD_TEXT},
    {"dag_display_name", "l.dag_id", FIELD_TEXT},
    {"task_display_name", "l.task_id", FIELD_TEXT},
};

static const struct filter log_filters[] = {
    {"dag_id", "l.dag_id", FILTER_TEXT}, {"task_id", "l.task_id", FILTER_TEXT},
    {"run_id", "l.run_id", FILTER_TEXT}, {"event", "l.event", FILTER_TEXT},
    {"owner", "l.owner", FILTER_TEXT},   {"event_pattern", "l.event", FILTER_PATTERN},
    {"when", "l.dttm", FILTER_TIME},
};

static const char *const log_orders[] = {"id", "l.id", NULL};

static const struct resource event_logs = {
    .key = "event_logs",
    .from = "log l",
    .fields = log_fields,
    .field_count = MR_COUNT(log_fields),
    .filters = log_filters,
    .filter_count = MR_COUNT(log_filters),
    .order = "l.id",
    .orders = log_orders,
    .tie = "l.id",
};

int api_event_log_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {0};
	return list_answer(call, &event_logs, "TRUE", &params, err);
}

int api_event_log_get(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{api_number(call->path[0])}, 1};
	return list_one(call, &event_logs, "l.id = CAST(?1 AS BIGINT)", &params,
			"The Event Log was not found", err);
}
