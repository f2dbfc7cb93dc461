#include "api/put_dag.h"

#include "api/list.h"
#include "dag/asset.h"
#include "dag/civil.h"

/* ---- the timetable ---- */

static void put_timetable(struct json_writer *w, const struct dag *dag)
{
	enum timetable_kind kind = timetable_kind(dag->timetable);
	bool never = kind == TIMETABLE_NEVER;
	mr_str text = timetable_text(dag->timetable);
	json_key(w, "timetable_summary");
	if (dag->assets)
		json_put_cstr(w, "Asset");
	else if (never)
		json_put_null(w);
	else
		json_put_str(w, text);
	json_member_cstr(w, "timetable_description",
			 dag->assets              ? "Triggered by assets"
			 : never                  ? "Never, external triggers only"
			 : kind == TIMETABLE_ONCE ? "Once, as soon as possible"
			 : kind == TIMETABLE_CONTINUOUS
			     ? "As frequently as possible, but only one run at a time"
			     : "");
	json_member_bool(w, "timetable_partitioned", false);
	json_member_bool(w, "timetable_periodic", !never && kind != TIMETABLE_ONCE);
}

static int64_t time_of(struct json_value row, const char *name)
{
	struct json_value v = json_get(row, name);
	return json_type(v) == JSON_NULL ? NO_TIME : json_int(v);
}

static void put_next(struct api_call *call, struct json_value row, const struct dag *dag)
{
	struct data_interval last = {time_of(row, "last_interval_start"), time_of(row, "last_interval_end")};
	struct timetable_window window = {dag->start_date_us, dag->end_date_us, dag->catchup};
	struct timetable_run run;
	int64_t now = clock_wall_us(dags_env(call->dags)->clock);
	if (!timetable_next(dag->timetable, last.end_us == NO_TIME ? NULL : &last, &window, now, &run))
		run = (struct timetable_run){NO_TIME, {NO_TIME, NO_TIME}, NO_TIME};
	put_time(&call->w, "next_dagrun_logical_date", run.logical_date_us);
	put_time(&call->w, "next_dagrun_data_interval_start", run.interval.start_us);
	put_time(&call->w, "next_dagrun_data_interval_end", run.interval.end_us);
	put_time(&call->w, "next_dagrun_run_after", run.run_after_us);
}

/* ---- a DAG ---- */

static void put_tags(struct json_writer *w, const struct dag *dag)
{
	json_key(w, "tags");
	json_begin_array(w);
	for (size_t i = 0; i < dag->tag_count; i++) {
		json_begin_object(w);
		json_member_str(w, "name", dag->tags[i]);
		json_member_str(w, "dag_id", dag->id);
		json_member_str(w, "dag_display_name", dag->id);
		json_end_object(w);
	}
	json_end_array(w);
}

static bool owner_seen(const struct dag *dag, size_t task)
{
	for (size_t i = 0; i < task; i++) {
		if (mr_str_eq(dag->tasks[i].owner, dag->tasks[task].owner))
			return true;
	}
	return false;
}

static void put_owners(struct json_writer *w, const struct dag *dag)
{
	bool any = false;
	json_key(w, "owners");
	json_begin_array(w);
	for (size_t i = 0; i < dag->task_count; i++) {
		mr_str owner = dag->tasks[i].owner;
		if (!owner.len || owner_seen(dag, i))
			continue;
		json_put_str(w, owner);
		any = true;
	}
	if (!any)
		json_put_str(w, dag->owner.len ? dag->owner : MR_STR("airflow"));
	json_end_array(w);
}

static mr_str relative_file(struct api_call *call, mr_str file)
{
	mr_str folder = mr_str_from(dags_folder(call->dags));
	return mr_str_starts(file, folder) && file.len > folder.len + 1 ? mr_str_tail(file, folder.len + 1)
									: file;
}

struct fault_search {
	mr_str dag_id, file;
	bool found;
};

static void look_at_fault(void *arg, const struct dag_fault *fault, int64_t loaded_us)
{
	(void)loaded_us;
	struct fault_search *search = arg;
	search->found |= mr_str_is(search->dag_id, fault->dag_id) ||
			 (!fault->dag_id[0] && mr_str_is(search->file, fault->file));
}

static bool has_limits(const struct dag *dag)
{
	for (size_t i = 0; i < dag->task_count; i++) {
		if (dag->tasks[i].max_active_tis_per_dag || dag->tasks[i].max_active_tis_per_dagrun)
			return true;
	}
	return false;
}

void put_dag_members(struct api_call *call, struct json_value row, const struct dag *dag)
{
	struct json_writer *w = &call->w;
	struct fault_search search = {dag->id, json_str(json_get(row, "fileloc")), false};
	dags_faults(call->dags, look_at_fault, &search);
	json_member_str(w, "dag_id", dag->id);
	json_member_str(w, "dag_display_name", dag->id);
	json_member_bool(w, "is_paused", json_int(json_get(row, "is_paused")) != 0);
	json_member_bool(w, "is_stale", json_int(json_get(row, "is_active")) == 0);
	put_time(w, "last_parsed_time", dags_loaded_us(call->dags));
	json_member_double(w, "last_parse_duration", dags_load_seconds(call->dags));
	put_null(w, "last_expired");
	json_member_cstr(w, "bundle_name", "dags-folder");
	json_member_str(w, "bundle_version", json_str(json_get(row, "dag_version")));
	json_member_str(w, "relative_fileloc", relative_file(call, search.file));
	json_member_str(w, "fileloc", search.file);
	put_text(w, "description", dag->description);
	put_timetable(w, dag);
	put_tags(w, dag);
	json_member_int(w, "max_active_tasks", dag->max_active_tasks);
	json_member_int(w, "max_active_runs", dag->max_active_runs);
	json_member_int(w, "max_consecutive_failed_dag_runs", dag->max_consecutive_failed_runs);
	json_member_bool(w, "has_task_concurrency_limits", has_limits(dag));
	json_member_bool(w, "has_import_errors", search.found);
	put_next(call, row, dag);
	put_null(w, "allowed_run_types");
	put_owners(w, dag);
	json_member_bool(w, "is_backfillable", timetable_kind(dag->timetable) > TIMETABLE_CONTINUOUS);
	json_member_str(w, "file_token", relative_file(call, search.file));
	/* Not Airflow's: what its UI asks for in other requests. */
	put_text(w, "last_run_state", json_str(json_get(row, "last_run_state")));
	put_time(w, "last_run_start_date", time_of(row, "last_run_start"));
}

/* ---- details ---- */

void put_params(struct json_writer *w, const struct dag *dag, const char *source)
{
	struct json_parser *values = json_parser_new(), *schemas = json_parser_new();
	struct json_value value = {0}, schema = {0};
	if (dag->params_json.len && json_parse(values, dag->params_json, &value, NULL) < 0)
		value = (struct json_value){0};
	if (dag->params_schema_json.len && json_parse(schemas, dag->params_schema_json, &schema, NULL) < 0)
		schema = (struct json_value){0};
	json_key(w, "params");
	json_begin_object(w);
	for (struct json_iter it = json_iter(value); json_next(&it);) {
		struct json_value of = json_get_str(json_get(schema, "properties"), it.key);
		json_key_str(w, it.key);
		json_begin_object(w);
		json_key(w, "value");
		json_put_value(w, it.value);
		json_key(w, "schema");
		json_present(of) ? json_put_value(w, of) : json_put_raw(w, MR_STR("{}"));
		put_text(w, "description", json_str(json_get(of, "description")));
		put_text(w, "source", mr_str_from(source));
		json_end_object(w);
	}
	json_end_object(w);
	json_parser_free(values);
	json_parser_free(schemas);
}

void put_condition(struct json_writer *w, const struct asset_condition *condition)
{
	json_begin_object(w);
	if (condition->kind == ASSET_URI) {
		json_key(w, "asset");
		json_begin_object(w);
		json_member_str(w, "uri", condition->uri);
		json_member_str(w, "name", condition->uri);
		json_member_cstr(w, "group", "asset");
		json_end_object(w);
	} else {
		json_key(w, condition->kind == ASSET_ALL ? "all" : "any");
		json_begin_array(w);
		for (size_t i = 0; i < condition->count; i++)
			put_condition(w, condition->items[i]);
		json_end_array(w);
	}
	json_end_object(w);
}

void put_dag_details(struct api_call *call, struct json_value row, const struct dag *dag)
{
	struct json_writer *w = &call->w;
	json_member_bool(w, "catchup", dag->catchup);
	put_delta(w, "dag_run_timeout", dag->dagrun_timeout_us, true);
	json_key(w, "asset_expression");
	if (dag->assets)
		put_condition(w, dag->assets);
	else
		json_put_null(w);
	put_text(w, "doc_md", dag->doc);
	put_time(w, "start_date", dag->start_date_us);
	put_time(w, "end_date", dag->end_date_us);
	json_member_bool(w, "is_paused_upon_creation", dag->paused_at_first);
	put_params(w, dag, NULL);
	json_member_bool(w, "render_template_as_native_obj", false);
	put_null(w, "template_search_path");
	json_member_str(w, "timezone", dag->timezone.len ? dag->timezone : MR_STR("UTC"));
	put_time(w, "last_parsed", dags_loaded_us(call->dags));
	put_raw(w, "default_args", MR_STR("{}"));
	put_null(w, "rerun_with_latest_version");
	put_raw(w, "owner_links", MR_STR("{}"));
	json_member_bool(w, "is_favorite", false);
	json_member_int(w, "active_runs_count", json_int(json_get(row, "active_runs")));
	json_member_int(w, "concurrency", dag->max_active_tasks);
	json_key(w, "latest_dag_version");
	put_version_text(w, json_str(json_get(row, "version")));
}

/* ---- a task ---- */

static void put_ids(struct json_writer *w, const char *name, const struct dag *dag,
		    const struct dag_indexes *indexes)
{
	json_key(w, name);
	json_begin_array(w);
	for (size_t i = 0; i < indexes->count; i++)
		json_put_str(w, dag->tasks[indexes->items[i]].id);
	json_end_array(w);
}

static void put_class(struct json_writer *w, mr_str name)
{
	size_t dot = name.len;
	while (dot > 0 && name.ptr[dot - 1] != '.')
		dot--;
	json_key(w, "class_ref");
	json_begin_object(w);
	json_member_str(w, "module_path", dot ? mr_str_n(name.ptr, dot - 1) : MR_STR("millrace"));
	json_member_str(w, "class_name", mr_str_tail(name, dot));
	json_end_object(w);
}

static void put_templated(struct json_writer *w, const struct operator* op)
{
	json_key(w, "template_fields");
	json_begin_array(w);
	for (size_t i = 0; i < op->argument_count; i++) {
		if (op->arguments[i].templated)
			json_put_cstr(w, op->arguments[i].name);
	}
	json_end_array(w);
}

void put_task(struct json_writer *w, const struct dag *dag, const struct dag_task *task)
{
	static const char *const weights[] = {"downstream", "upstream", "absolute"};
	json_begin_object(w);
	json_member_str(w, "task_id", task->id);
	json_member_str(w, "task_display_name", task->id);
	json_member_str(w, "owner", task->owner.len ? task->owner : dag->owner);
	put_time(w, "start_date", task->start_date_us != NO_TIME ? task->start_date_us : dag->start_date_us);
	put_time(w, "end_date", task->end_date_us != NO_TIME ? task->end_date_us : dag->end_date_us);
	json_member_cstr(w, "trigger_rule", trigger_rule_name(task->trigger_rule));
	json_member_bool(w, "depends_on_past", task->depends_on_past);
	json_member_bool(w, "wait_for_downstream", task->wait_for_downstream);
	json_member_int(w, "retries", task->retries);
	json_member_str(w, "queue", task->queue.len ? task->queue : MR_STR("default"));
	json_member_str(w, "pool", task->pool);
	json_member_int(w, "pool_slots", task->pool_slots);
	put_delta(w, "execution_timeout", task->execution_timeout_us, true);
	put_delta(w, "retry_delay", task->retry_delay_us, false);
	json_member_double(w, "retry_exponential_backoff", task->retry_exponential_backoff);
	json_member_int(w, "priority_weight", task->priority_weight);
	json_member_cstr(w, "weight_rule", weights[task->weight_rule]);
	json_member_cstr(w, "ui_color", "#fff");
	json_member_cstr(w, "ui_fgcolor", "#000");
	put_templated(w, task->operator);
	put_ids(w, "downstream_task_ids", dag, &task->downstream);
	put_text(w, "doc_md", task->doc);
	json_member_cstr(w, "operator_name", task->operator->name);
	put_params(w, dag, "dag");
	put_class(w, task->operator_name);
	json_member_bool(w, "is_mapped", dag_task_mapped(task));
	put_raw(w, "extra_links", MR_STR("[]"));
	/* Not Airflow's: what a drawing of the DAG needs. */
	put_ids(w, "upstream_task_ids", dag, &task->upstream);
	put_text(w, "group_id", task->group >= 0 ? dag->groups[task->group].id : MR_STR_NULL);
	json_member_bool(w, "is_setup", task->setup);
	json_member_bool(w, "is_teardown", task->teardown);
	json_member_int(w, "line", task->line);
	json_end_object(w);
}
