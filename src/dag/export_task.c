/* dag/export_task.c - one task as Python: the table of operators, and what Airflow calls their arguments. */
#include "dag/export_internal.h"

#include "dag/civil.h"

#include <stdlib.h>

struct spell;
typedef int spell_fn(struct export *e, const struct dag_task *task, const struct spell *spell,
		     struct mr_buf *out, struct mr_error *err);

/* How an operator of ours is said in Airflow. */
struct spell {
	const char *name; /* ours */
	const char *module, *class;
	spell_fn *arguments;
	const char *const *dropped; /* arguments that only we know; NULL-terminated, or NULL */
};

static mr_str argument(const struct dag_task *task, const char *name)
{
	for (size_t i = 0; i < task->argument_count; i++) {
		if (mr_str_is(task->arguments[i].name, name))
			return task->arguments[i].json;
	}
	return MR_STR_NULL;
}

static bool among(mr_str name, const char *const *names)
{
	for (; names && *names; names++) {
		if (mr_str_is(name, *names))
			return true;
	}
	return false;
}

static int cannot(const struct dag_task *task, const char *why, struct mr_error *err)
{
	mr_fail(err, MR_ERR_UNSUPPORTED, "task '%.*s' (%s) has no counterpart in Airflow: %s",
		MR_FMT(task->id), task->operator->name, why);
	return mr_hint(err, "line %d of its file", task->line);
}

static void put_named(struct mr_buf *out, const char *name)
{
	mr_buf_printf(out, ", %s=", name);
}

/* ---- arguments ---- */

/* Those that are numbers of seconds here and timedeltas there. */
static const char *const deltas[] = {"delta", "execution_delta", "max_wait", NULL};

static int plain(struct export *e, const struct dag_task *task, const struct spell *spell, struct mr_buf *out,
		 struct mr_error *err)
{
	(void)err;
	for (size_t i = 0; i < task->argument_count; i++) {
		const struct dag_argument *given = &task->arguments[i];
		if (among(given->name, spell->dropped))
			continue;
		mr_buf_printf(out, ", %.*s=", MR_FMT(given->name));
		if (among(given->name, deltas))
			export_delta(e, (int64_t)(strtod(given->json.ptr, NULL) * 1e6), out);
		else
			export_json(e, given->json, out);
	}
	return 0;
}

static int time_of_day(struct export *e, const struct dag_task *task, const struct spell *spell,
		       struct mr_buf *out, struct mr_error *err)
{
	mr_str at = argument(task, "target_time");
	if (memmem(at.ptr, at.len, "{{", 2))
		return cannot(task, "target_time is a template", err);
	export_import(e, "datetime", "time");
	put_named(out, "target_time");
	mr_buf_printf(out, "time.fromisoformat(%.*s)", MR_FMT(at));
	return plain(e, task, spell, out, err);
}

static mr_str unquoted(struct export *e, mr_str json)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	mr_str text = MR_STR_NULL;
	if (json.len && json_parse(parser, json, &v, NULL) == 0)
		text = arena_copy(&e->arena, json_str(v));
	json_parser_free(parser);
	return text;
}

/* "module.function": an import, as a DAG written by hand has it. */
static int function(struct export *e, const struct dag_task *task, const struct spell *spell,
		    struct mr_buf *out, struct mr_error *err)
{
	mr_str path = unquoted(e, argument(task, "python_callable"));
	const char *dot = path.len ? memrchr(path.ptr, '.', path.len) : NULL;
	if (!dot)
		return cannot(task, "only a python_callable of the form module.function can be said", err);
	mr_str module = arena_copy(&e->arena, mr_str_n(path.ptr, (size_t)(dot - path.ptr)));
	export_import(e, module.ptr, NULL);
	put_named(out, "python_callable");
	mr_buf_str(out, path);
	return plain(e, task, spell, out, err);
}

static int follow(struct export *e, const struct dag_task *task, const struct spell *spell,
		  struct mr_buf *out, struct mr_error *err)
{
	put_named(out, "python_callable");
	mr_buf_cstr(out, "lambda follow: follow, op_kwargs={\"follow\": ");
	export_json(e, argument(task, "follow"), out);
	mr_buf_char(out, '}');
	return plain(e, task, spell, out, err);
}

static int condition(struct export *e, const struct dag_task *task, const struct spell *spell,
		     struct mr_buf *out, struct mr_error *err)
{
	put_named(out, "python_callable");
	mr_buf_cstr(
	    out,
	    "lambda condition: str(condition).strip() not in (\"\", \"False\", \"false\", \"0\", \"None\", "
	    "\"[]\", \"{}\"), op_kwargs={\"condition\": ");
	export_json(e, argument(task, "condition"), out);
	mr_buf_char(out, '}');
	return plain(e, task, spell, out, err);
}

/* ---- ours: millrace, called by bash ---- */

/* overlay: the arguments of one mapped instance. */
static mr_str text_of(struct export *e, const struct dag_task *task, struct json_value overlay,
		      const char *name)
{
	struct json_value v = json_get(overlay, name);
	struct mr_buf text = {0};
	if (json_present(v)) {
		if (json_type(v) == JSON_STRING)
			mr_buf_str(&text, json_str(v));
		else
			json_write_value(&text, v);
		mr_str copy = arena_copy(&e->arena, mr_buf_view(&text));
		mr_buf_release(&text);
		return copy;
	}
	mr_str json = argument(task, name);
	return json.len && json.ptr[0] == '"' ? unquoted(e, json) : json;
}

/* One statement, or a list of them. */
static void put_statements(struct export *e, const struct dag_task *task, struct json_value overlay,
			   struct mr_buf *sql)
{
	mr_str text = text_of(e, task, overlay, "sql");
	struct json_parser *parser = json_parser_new();
	struct json_value list;
	if (text.len && text.ptr[0] == '[' && json_parse(parser, text, &list, NULL) == 0) {
		for (struct json_iter it = json_iter(list); json_next(&it);)
			mr_buf_printf(sql, "%s%.*s", sql->len ? ";\n" : "", MR_FMT(json_str(it.value)));
	} else {
		mr_buf_str(sql, text);
	}
	json_parser_free(parser);
}

static void put_chore(struct export *e, const struct dag_task *task, struct json_value overlay,
		      struct mr_buf *sql)
{
	bool vacuum = strcmp(task->operator->name, "DeltaVacuumOperator") == 0;
	mr_str where = text_of(e, task, overlay, "where"),
	       hours = text_of(e, task, overlay, "retention_hours");
	mr_str table = text_of(e, task, overlay, "table"), order = argument(task, "zorder_by");
	mr_buf_printf(sql, "%s %.*s", vacuum ? "VACUUM" : "OPTIMIZE", MR_FMT(table));
	if (where.len)
		mr_buf_printf(sql, " WHERE %.*s", MR_FMT(where));
	if (hours.len && !mr_str_is(hours, "null"))
		mr_buf_printf(sql, " RETAIN %.*s HOURS", MR_FMT(hours));
	if (mr_str_is(argument(task, "dry_run"), "true"))
		mr_buf_cstr(sql, " DRY RUN");
	struct json_parser *parser = json_parser_new();
	struct json_value columns;
	if (order.len && json_parse(parser, order, &columns, NULL) == 0 && json_count(columns)) {
		const char *before = " ZORDER BY (";
		for (struct json_iter it = json_iter(columns); json_next(&it); before = ", ")
			mr_buf_printf(sql, "%s%.*s", before, MR_FMT(json_str(it.value)));
		mr_buf_char(sql, ')');
	}
	json_parser_free(parser);
}

static void put_question(struct export *e, const struct dag_task *task, struct json_value overlay,
			 struct mr_buf *sql)
{
	mr_str version = text_of(e, task, overlay, "version"), where = text_of(e, task, overlay, "where");
	mr_str table = text_of(e, task, overlay, "table"), topic = text_of(e, task, overlay, "topic");
	mr_str partition = text_of(e, task, overlay, "partition"),
	       offset = text_of(e, task, overlay, "offset");
	if (topic.len) {
		mr_buf_printf(
		    sql,
		    "SELECT coalesce(sum(end_offset), 0) >= %.*s FROM system.partitions WHERE topic = '%.*s'",
		    MR_FMT(offset.len ? offset : MR_STR("1")), MR_FMT(topic));
		if (partition.len)
			mr_buf_printf(sql, " AND \"partition\" = %.*s", MR_FMT(partition));
	} else if (where.len) {
		mr_buf_printf(sql, "SELECT count(*) > 0 FROM %.*s WHERE %.*s", MR_FMT(table), MR_FMT(where));
	} else {
		mr_buf_printf(
		    sql,
		    "SELECT coalesce(max(version), -1) >= %.*s FROM system.table_history WHERE table_name = "
		    "'%.*s'",
		    MR_FMT(version.len ? version : MR_STR("0")), MR_FMT(table));
	}
}

static void put_sql(struct export *e, const struct dag_task *task, struct json_value overlay,
		    struct mr_buf *sql)
{
	const char *name = task->operator->name;
	if (strcmp(name, "DeltaOptimizeOperator") == 0 || strcmp(name, "DeltaVacuumOperator") == 0)
		put_chore(e, task, overlay, sql);
	else if (strcmp(name, "DeltaTableSensor") == 0 || strcmp(name, "TopicSensor") == 0)
		put_question(e, task, overlay, sql);
	else
		put_statements(e, task, overlay, sql);
}

static void put_env(struct export *e, const struct dag_task *task, struct json_value overlay,
		    struct mr_buf *out)
{
	struct mr_buf sql = {0};
	put_sql(e, task, overlay, &sql);
	mr_buf_cstr(out, "{\"SQL\": ");
	export_string(out, mr_buf_view(&sql));
	mr_buf_char(out, '}');
	mr_buf_release(&sql);
}

/* BashSensor has no append_env: the statement comes in with the command. */
static void put_asking(struct export *e, const struct dag_task *task, struct mr_buf *out)
{
	struct mr_buf text = {0};
	mr_buf_cstr(&text, "SQL=$(cat <<'MILLRACE_END'\n");
	put_sql(e, task, (struct json_value){0}, &text);
	mr_buf_cstr(&text, "\nMILLRACE_END\n)\n");
	export_string(out, mr_buf_view(&text));
	mr_buf_cstr(out, " + MILLRACE_ASK");
	mr_buf_release(&text);
}

static int sql(struct export *e, const struct dag_task *task, const struct spell *spell, struct mr_buf *out,
	       struct mr_error *err)
{
	static const char *const sensor[] = {"poke_interval", "timeout", "soft_fail", NULL};
	(void)spell;
	e->sql |= !task->operator->sensor;
	e->topic |= task->operator->sensor;
	if (task->operator->sensor && dag_task_mapped(task))
		return cannot(task, "it is a mapped sensor", err);
	put_named(out, "bash_command");
	if (task->operator->sensor) {
		put_asking(e, task, out);
	} else {
		mr_buf_cstr(out, "MILLRACE_SQL, append_env=True");
		if (!dag_task_mapped(task)) {
			put_named(out, "env");
			put_env(e, task, (struct json_value){0}, out);
		}
	}
	for (size_t i = 0; i < task->argument_count; i++) {
		if (!among(task->arguments[i].name, sensor))
			continue;
		mr_buf_printf(out, ", %.*s=", MR_FMT(task->arguments[i].name));
		export_json(e, task->arguments[i].json, out);
	}
	return 0;
}

static int refresh(struct export *e, const struct dag_task *task, const struct spell *spell,
		   struct mr_buf *out, struct mr_error *err)
{
	(void)e, (void)task, (void)spell, (void)err;
	mr_buf_cstr(
	    out,
	    ", bash_command='curl -fsS -X POST \"${MILLRACE_URL:-http://127.0.0.1:8080}/api/v1/drain\"'");
	return 0;
}

/* ---- the table ---- */

#define DROP(...) ((const char *const[]){__VA_ARGS__, NULL})
#define STANDARD "airflow.providers.standard."
#define SENSOR_OURS "silent_fail", "mode", "max_wait", "deferrable"

static const struct spell spells[] = {
    {"EmptyOperator", STANDARD "operators.empty", "EmptyOperator", plain, NULL},
    {"BashOperator", STANDARD "operators.bash", "BashOperator", plain, DROP("xcom")},
    {"PythonOperator", STANDARD "operators.python", "PythonOperator", function,
     DROP("python_callable", "env", "python_callable_name", "python_callable_file", "python_file")},
    {"BranchPythonOperator", STANDARD "operators.python", "BranchPythonOperator", function,
     DROP("python_callable", "env", "python_callable_name", "python_callable_file", "python_file")},
    {"BranchOperator", STANDARD "operators.python", "BranchPythonOperator", follow, DROP("follow")},
    {"ShortCircuitOperator", STANDARD "operators.python", "ShortCircuitOperator", condition,
     DROP("condition")},
    {"SQLExecuteQueryOperator", STANDARD "operators.bash", "BashOperator", sql, NULL},
    {"DeltaMergeOperator", STANDARD "operators.bash", "BashOperator", sql, NULL},
    {"DeltaOptimizeOperator", STANDARD "operators.bash", "BashOperator", sql, NULL},
    {"DeltaVacuumOperator", STANDARD "operators.bash", "BashOperator", sql, NULL},
    {"PipelineRefreshOperator", STANDARD "operators.bash", "BashOperator", refresh, NULL},
    {"HttpOperator", "airflow.providers.http.operators.http", "HttpOperator", plain, NULL},
    {"EmailOperator", "airflow.providers.smtp.operators.smtp", "EmailOperator", plain, NULL},
    {"TriggerDagRunOperator", STANDARD "operators.trigger_dagrun", "TriggerDagRunOperator", plain,
     DROP("deferrable")},
    {"FileSensor", STANDARD "sensors.filesystem", "FileSensor", plain, DROP(SENSOR_OURS)},
    {"HttpSensor", "airflow.providers.http.sensors.http", "HttpSensor", plain,
     DROP(SENSOR_OURS, "data", "response_contains")},
    {"SqlSensor", STANDARD "sensors.bash", "BashSensor", sql, NULL},
    {"DeltaTableSensor", STANDARD "sensors.bash", "BashSensor", sql, NULL},
    {"TopicSensor", STANDARD "sensors.bash", "BashSensor", sql, NULL},
    {"TimeSensor", STANDARD "sensors.time", "TimeSensor", time_of_day, DROP(SENSOR_OURS, "target_time")},
    {"DateTimeSensor", STANDARD "sensors.date_time", "DateTimeSensor", plain, DROP(SENSOR_OURS)},
    {"TimeDeltaSensor", STANDARD "sensors.time_delta", "TimeDeltaSensor", plain, DROP(SENSOR_OURS)},
    {"ExternalTaskSensor", STANDARD "sensors.external_task", "ExternalTaskSensor", plain, DROP(SENSOR_OURS)},
};

static const struct spell *spell_of(const struct dag_task *task)
{
	for (size_t i = 0; i < MR_COUNT(spells); i++) {
		if (strcmp(spells[i].name, task->operator->name) == 0)
			return &spells[i];
	}
	return NULL;
}

/* ---- what every task has ---- */

static void put_assets(struct export *e, const char *name, const mr_str *uris, size_t count,
		       struct mr_buf *out)
{
	if (!count)
		return;
	put_named(out, name);
	for (size_t i = 0; i < count; i++) {
		mr_buf_cstr(out, i ? ", " : "[");
		export_asset(e, uris[i], out);
	}
	mr_buf_char(out, ']');
}

static void put_times(struct export *e, const struct dag_task *task, struct mr_buf *out)
{
	const struct {
		const char *name;
		int64_t us, otherwise;
	} durations[] = {
	    {"retry_delay", task->retry_delay_us, 300 * SECOND_US},
	    {"max_retry_delay", task->max_retry_delay_us, 0},
	    {"execution_timeout", task->execution_timeout_us, 0},
	};
	for (size_t i = 0; i < MR_COUNT(durations); i++) {
		if (durations[i].us == durations[i].otherwise)
			continue;
		put_named(out, durations[i].name);
		export_delta(e, durations[i].us, out);
	}
	if (task->start_date_us != NO_TIME && task->start_date_us != e->dag->start_date_us) {
		put_named(out, "start_date");
		export_datetime(e, task->start_date_us, out);
	}
	if (task->end_date_us != NO_TIME && task->end_date_us != e->dag->end_date_us) {
		put_named(out, "end_date");
		export_datetime(e, task->end_date_us, out);
	}
}

static void put_numbers(const struct dag_task *task, struct mr_buf *out)
{
	const struct {
		const char *name;
		int32_t value, otherwise;
	} numbers[] = {
	    {"retries", task->retries, 0},
	    {"pool_slots", task->pool_slots, 1},
	    {"priority_weight", task->priority_weight, 1},
	    {"max_active_tis_per_dag", task->max_active_tis_per_dag, 0},
	    {"max_active_tis_per_dagrun", task->max_active_tis_per_dagrun, 0},
	};
	for (size_t i = 0; i < MR_COUNT(numbers); i++) {
		if (numbers[i].value != numbers[i].otherwise)
			mr_buf_printf(out, ", %s=%d", numbers[i].name, numbers[i].value);
	}
	if (task->retry_exponential_backoff > 0)
		mr_buf_printf(out, ", retry_exponential_backoff=%g", task->retry_exponential_backoff);
}

static void put_words(const struct dag_task *task, struct mr_buf *out)
{
	static const char *const weights[] = {"downstream", "upstream", "absolute"};
	const struct {
		const char *name;
		mr_str value, otherwise;
	} words[] = {
	    {"owner", task->owner, MR_STR("airflow")},
	    {"doc_md", task->doc, MR_STR_NULL},
	    {"pool", task->pool, MR_STR("default_pool")},
	    {"queue", task->queue, MR_STR("default")},
	    {"trigger_rule", mr_str_from(trigger_rule_name(task->trigger_rule)), MR_STR("all_success")},
	    {"weight_rule", mr_str_from(weights[task->weight_rule]), MR_STR("downstream")},
	};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		if (!words[i].value.len || mr_str_eq(words[i].value, words[i].otherwise))
			continue;
		put_named(out, words[i].name);
		export_string(out, words[i].value);
	}
	if (task->depends_on_past)
		mr_buf_cstr(out, ", depends_on_past=True");
	if (task->wait_for_downstream)
		mr_buf_cstr(out, ", wait_for_downstream=True");
	if (!task->do_xcom_push)
		mr_buf_cstr(out, ", do_xcom_push=False");
}

/* ---- mapped tasks ---- */

/* A list that the file gives becomes a list of environments, each with its SQL. */
static int expand_sql(struct export *e, const struct dag_task *task, struct mr_buf *out, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value list;
	const struct dag_expand *expand = &task->expand[0];
	if (task->expand_count != 1 || expand->task >= 0 ||
	    json_parse(parser, expand->json, &list, NULL) < 0 || json_type(list) != JSON_ARRAY) {
		json_parser_free(parser);
		return cannot(task, "only one list that the file gives can be expanded", err);
	}
	mr_buf_cstr(out, ".expand(env=[");
	for (size_t i = 0; i < json_count(list); i++) {
		struct mr_buf one = {0};
		struct json_parser *reader = json_parser_new();
		struct json_value overlay = {0};
		struct json_writer w = json_writer(&one);
		json_begin_object(&w);
		json_key_str(&w, expand->name);
		json_put_value(&w, json_at(list, i));
		json_end_object(&w);
		mr_buf_cstr(out, i ? ", " : "");
		if (json_parse(reader, mr_buf_view(&one), &overlay, NULL) == 0)
			put_env(e, task, overlay, out);
		json_parser_free(reader);
		mr_buf_release(&one);
	}
	mr_buf_cstr(out, "])");
	json_parser_free(parser);
	return 0;
}

static int put_expand(struct export *e, const struct dag_task *task, const struct spell *spell,
		      struct mr_buf *out, struct mr_error *err)
{
	if (spell->arguments == sql)
		return expand_sql(e, task, out, err);
	if (spell->arguments == follow || spell->arguments == condition || spell->arguments == time_of_day)
		return cannot(task, "it is mapped", err);
	mr_buf_cstr(out, ".expand(");
	for (size_t i = 0; i < task->expand_count; i++) {
		const struct dag_expand *expand = &task->expand[i];
		mr_buf_printf(out, "%s%.*s=", i ? ", " : "", MR_FMT(expand->name));
		if (expand->task >= 0)
			mr_buf_printf(out, "%.*s.output", MR_FMT(e->names[expand->task]));
		else
			export_json(e, expand->json, out);
	}
	mr_buf_char(out, ')');
	return 0;
}

int export_task(struct export *e, const struct dag_task *task, struct mr_error *err)
{
	const struct spell *spell = spell_of(task);
	struct mr_buf text = {0};
	if (!spell)
		return cannot(task, "it is not known", err);
	export_import(e, spell->module, spell->class);
	mr_buf_printf(&text, "%s%s(task_id=", spell->class, dag_task_mapped(task) ? ".partial" : "");
	export_string(&text, task->name);
	int rc = spell->arguments(e, task, spell, &text, err);
	put_words(task, &text);
	put_numbers(task, &text);
	put_times(e, task, &text);
	put_assets(e, "outlets", task->outlets, task->outlet_count, &text);
	put_assets(e, "inlets", task->inlets, task->inlet_count, &text);
	mr_buf_char(&text, ')');
	if (rc == 0 && dag_task_mapped(task))
		rc = put_expand(e, task, spell, &text, err);
	if (task->setup)
		mr_buf_cstr(&text, ".as_setup()");
	if (task->teardown)
		mr_buf_printf(&text, ".as_teardown(on_failure_fail_dagrun=%s)",
			      task->on_failure_fail_dagrun ? "True" : "False");
	if (rc == 0)
		export_line(e, "%.*s = %s", MR_FMT(e->names[task->index]), text.ptr);
	if (task->on_failure_count || task->on_success_count || task->on_retry_count)
		export_note(e, "%.*s.%.*s: its callbacks are left out", MR_FMT(e->dag->id), MR_FMT(task->id));
	mr_buf_release(&text);
	return rc;
}
