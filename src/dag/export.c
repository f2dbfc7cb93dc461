#include "dag/export_internal.h"

#include "dag/asset.h"
#include "dag/civil.h"
#include "dag/timetable.h"

#include <stdlib.h>

/* ---- the schedule ---- */

static void put_assets(struct export *e, const struct asset_condition *condition, struct mr_buf *out)
{
	if (condition->kind == ASSET_URI) {
		export_asset(e, condition->uri, out);
		return;
	}
	for (size_t i = 0; i < condition->count; i++) {
		mr_buf_cstr(out, i == 0 ? "(" : condition->kind == ASSET_ALL ? " & " : " | ");
		put_assets(e, condition->items[i], out);
	}
	mr_buf_char(out, ')');
}

/* CronTriggerTimetable("0 2 * * *", timezone="Europe/Berlin"); of several, "a, b" is what the text says. */
static void put_cron(struct export *e, const char *module, const char *class, struct mr_buf *out)
{
	mr_str left = timetable_text(e->dag->timetable);
	bool several = memmem(left.ptr, left.len, ", ", 2) != NULL;
	if (several)
		class = "MultipleCronTriggerTimetable";
	export_import(e, module, class);
	mr_buf_printf(out, "%s(", class);
	while (left.len) {
		const char *comma = memmem(left.ptr, left.len, ", ", 2);
		mr_str one = mr_str_n(left.ptr, comma ? (size_t)(comma - left.ptr) : left.len);
		export_string(out, one);
		mr_buf_cstr(out, ", ");
		left = mr_str_tail(left, one.len + 2);
	}
	mr_buf_cstr(out, "timezone=");
	export_string(out, tz_name(timetable_zone(e->dag->timetable)));
	int64_t reach = timetable_reach_us(e->dag->timetable);
	if (reach) {
		mr_buf_cstr(out, ", interval=");
		export_delta(e, reach, out);
	}
	mr_buf_char(out, ')');
}

static void put_every(struct export *e, const char *module, const char *class, struct mr_buf *out)
{
	export_import(e, module, class);
	mr_buf_printf(out, "%s(", class);
	export_delta(e, timetable_delta_us(e->dag->timetable), out);
	mr_buf_char(out, ')');
}

static void put_events(struct export *e, struct mr_buf *out)
{
	const int64_t *times;
	size_t count = timetable_event_times(e->dag->timetable, &times);
	export_import(e, "airflow.timetables.events", "EventsTimetable");
	mr_buf_cstr(out, "EventsTimetable(event_dates=[");
	for (size_t i = 0; i < count; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		export_datetime(e, times[i], out);
	}
	mr_buf_printf(out, "], restrict_to_events=%s)",
		      timetable_is_restricted(e->dag->timetable) ? "True" : "False");
}

static void put_schedule(struct export *e, struct mr_buf *out)
{
	if (e->dag->assets) {
		put_assets(e, e->dag->assets, out);
		return;
	}
	switch (timetable_kind(e->dag->timetable)) {
	case TIMETABLE_NEVER:
		mr_buf_cstr(out, "None");
		break;
	case TIMETABLE_ONCE:
	case TIMETABLE_CONTINUOUS:
		export_string(out, timetable_text(e->dag->timetable));
		break;
	case TIMETABLE_CRON_TRIGGER:
		put_cron(e, "airflow.timetables.trigger", "CronTriggerTimetable", out);
		break;
	case TIMETABLE_CRON_INTERVAL:
		put_cron(e, "airflow.timetables.interval", "CronDataIntervalTimetable", out);
		break;
	case TIMETABLE_DELTA_TRIGGER:
		put_every(e, "airflow.timetables.trigger", "DeltaTriggerTimetable", out);
		break;
	case TIMETABLE_DELTA_INTERVAL:
		put_every(e, "airflow.timetables.interval", "DeltaDataIntervalTimetable", out);
		break;
	case TIMETABLE_EVENTS:
		put_events(e, out);
		break;
	}
}

/* ---- the DAG's arguments ---- */

static void put_params(struct export *e, struct mr_buf *out)
{
	struct json_parser *values = json_parser_new(), *schemas = json_parser_new();
	struct json_value value = {0}, schema = {0};
	if (json_parse(values, e->dag->params_json, &value, NULL) < 0 ||
	    json_parse(schemas, e->dag->params_schema_json, &schema, NULL) < 0)
		value = (struct json_value){0};
	export_import(e, "airflow.sdk", "Param");
	const char *before = "{";
	for (struct json_iter it = json_iter(value); json_next(&it); before = ", ") {
		struct json_value of = json_get_str(json_get(schema, "properties"), it.key);
		mr_buf_cstr(out, before);
		export_string(out, it.key);
		mr_buf_cstr(out, ": Param(");
		export_value(e, it.value, out);
		if (json_count(of)) {
			mr_buf_cstr(out, ", **");
			export_value(e, of, out);
		}
		mr_buf_char(out, ')');
	}
	mr_buf_char(out, '}');
	json_parser_free(values);
	json_parser_free(schemas);
}

static void put_list(struct mr_buf *out, const mr_str *items, size_t count)
{
	mr_buf_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			mr_buf_cstr(out, ", ");
		export_string(out, items[i]);
	}
	mr_buf_char(out, ']');
}

static void take_line(struct export *e, const char *name, struct mr_buf *value)
{
	export_line(e, "%s=%.*s,", name, MR_FMT(mr_buf_view(value)));
	mr_buf_clear(value);
}

static void put_texts(struct export *e, struct mr_buf *value)
{
	const struct {
		const char *name;
		mr_str text;
	} texts[] = {{"dag_id", e->dag->id}, {"description", e->dag->description}, {"doc_md", e->dag->doc}};
	for (size_t i = 0; i < MR_COUNT(texts); i++) {
		if (!texts[i].text.len)
			continue;
		export_string(value, texts[i].text);
		take_line(e, texts[i].name, value);
	}
}

static void put_limits(struct export *e)
{
	const struct dag *dag = e->dag;
	export_line(e, "catchup=%s,", dag->catchup ? "True" : "False");
	export_line(e, "max_active_runs=%d,", dag->max_active_runs);
	export_line(e, "max_active_tasks=%d,", dag->max_active_tasks);
	if (dag->max_consecutive_failed_runs)
		export_line(e, "max_consecutive_failed_dag_runs=%d,", dag->max_consecutive_failed_runs);
	if (dag->fail_fast)
		export_line(e, "fail_fast=True,");
	export_line(e, "is_paused_upon_creation=%s,", dag->paused_at_first ? "True" : "False");
}

static void put_arguments(struct export *e)
{
	const struct dag *dag = e->dag;
	struct mr_buf value = {0};
	put_texts(e, &value);
	put_schedule(e, &value);
	take_line(e, "schedule", &value);
	if (dag->start_date_us != NO_TIME) {
		export_datetime(e, dag->start_date_us, &value);
		take_line(e, "start_date", &value);
	}
	if (dag->end_date_us != NO_TIME) {
		export_datetime(e, dag->end_date_us, &value);
		take_line(e, "end_date", &value);
	}
	put_limits(e);
	if (dag->dagrun_timeout_us) {
		export_delta(e, dag->dagrun_timeout_us, &value);
		take_line(e, "dagrun_timeout", &value);
	}
	if (dag->tag_count) {
		put_list(&value, dag->tags, dag->tag_count);
		take_line(e, "tags", &value);
	}
	if (dag->params_schema_json.len) {
		put_params(e, &value);
		take_line(e, "params", &value);
	}
	if (dag->on_failure_count || dag->on_success_count || dag->deadline_count)
		export_note(e, "%.*s: callbacks and deadlines of the DAG are left out", MR_FMT(dag->id));
	mr_buf_release(&value);
}

/* ---- groups, tasks, dependencies ---- */

static int put_group(struct export *e, int32_t group, struct mr_error *err)
{
	const struct dag *dag = e->dag;
	int rc = 0;
	for (size_t t = 0; rc == 0 && t < dag->task_count; t++) {
		const struct dag_task *task = &dag->tasks[dag->order[t]];
		if (task->group == group)
			rc = export_task(e, task, err);
	}
	for (size_t g = 0; rc == 0 && g < dag->group_count; g++) {
		const struct dag_group *below = &dag->groups[g];
		struct mr_buf text = {0};
		if (below->parent != group)
			continue;
		export_import(e, "airflow.sdk", "TaskGroup");
		export_string(&text, below->name);
		if (below->tooltip.len) {
			mr_buf_cstr(&text, ", tooltip=");
			export_string(&text, below->tooltip);
		}
		export_line(e, "with TaskGroup(%s):", text.ptr);
		mr_buf_release(&text);
		e->indent++;
		size_t before = e->body.len;
		rc = put_group(e, (int32_t)g, err);
		if (e->body.len == before)
			export_line(e, "pass");
		e->indent--;
	}
	return rc;
}

static void put_dependencies(struct export *e)
{
	const struct dag *dag = e->dag;
	for (size_t t = 0; t < dag->task_count; t++) {
		const struct dag_task *task = &dag->tasks[dag->order[t]];
		struct mr_buf text = {0};
		for (size_t u = 0; u < task->upstream.count; u++)
			mr_buf_printf(&text, "%s%.*s", u ? ", " : "",
				      MR_FMT(e->names[task->upstream.items[u]]));
		if (text.len)
			export_line(e, task->upstream.count > 1 ? "[%s] >> %.*s" : "%s >> %.*s", text.ptr,
				    MR_FMT(e->names[task->index]));
		mr_buf_release(&text);
	}
}

/* ---- the file ---- */

static int by_text(const void *a, const void *b)
{
	const mr_str *x = a, *y = b;
	return strcmp(x->ptr, y->ptr);
}

static void put_file(struct export *e, struct mr_buf *out)
{
	mr_buf_printf(out, "# DAG %.*s: written by `millrace export airflow` from %.*s.\n",
		      MR_FMT(e->dag->id), MR_FMT(e->dag->file));
	qsort(e->imports.items, e->imports.len, sizeof *e->imports.items, by_text);
	for (size_t i = 0; i < e->imports.len; i++)
		mr_buf_printf(out, "%.*s\n", MR_FMT(e->imports.items[i]));
	if (e->sql)
		mr_buf_cstr(out,
			    "\n# Runs the statements in $SQL on the project's tables.\n"
			    "MILLRACE_SQL = 'millrace sql -C \"$MILLRACE_PROJECT\" -o tsv -c \"$SQL\"'\n");
	if (e->topic)
		mr_buf_cstr(out, "\n# Is the first cell of the answer something?\n"
				 "MILLRACE_ASK = ('case \"$(millrace sql -C \"$MILLRACE_PROJECT\" -o tsv -c "
				 "\"$SQL\" | sed "
				 "-n 2p | cut -f1)\" in '\n"
				 "                '\"\"|0|false) exit 1;; esac')\n");
	mr_buf_char(out, '\n');
	mr_buf_str(out, mr_buf_view(&e->body));
}

static int write_dag(struct export *e, struct mr_error *err)
{
	if (timetable_has_calendar(e->dag->timetable)) {
		mr_fail(err, MR_ERR_UNSUPPORTED, "DAG '%.*s' has a calendar, which Airflow has not",
			MR_FMT(e->dag->id));
		return mr_hint(err, "there, write a timetable class of your own as a plugin");
	}
	export_import(e, "airflow.sdk", "DAG");
	for (size_t t = 0; t < e->dag->task_count; t++)
		e->names[t] = export_name(e, e->dag->tasks[t].id);
	export_line(e, "with DAG(");
	e->indent = 1;
	put_arguments(e);
	e->indent = 0;
	export_line(e, ") as dag:");
	e->indent = 1;
	int rc = put_group(e, -1, err);
	if (rc == 0)
		put_dependencies(e);
	return rc;
}

int dag_export_airflow(const struct dag *dag, struct mr_buf *out, struct mr_buf *notes, struct mr_error *err)
{
	struct export e = {.dag = dag};
	e.names = arena_calloc(&e.arena, dag->task_count + 1, sizeof *e.names);
	int rc = write_dag(&e, err);
	if (rc == 0) {
		put_file(&e, out);
		if (notes)
			mr_buf_str(notes, mr_buf_view(&e.notes));
	}
	mr_buf_release(&e.body);
	mr_buf_release(&e.notes);
	mr_vec_release(&e.imports);
	arena_release(&e.arena);
	return rc;
}
