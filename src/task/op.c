#include "task/op.h"

#include <stdio.h>
#include <stdlib.h>

static const struct task_op ops[] = {
    {.name = "BashOperator", .command = bash_command, .finish = bash_finish},
    {.name = "AirflowOperator", .command = airflow_command, .finish = airflow_finish},
    {.name = "PythonOperator", .command = python_command, .finish = python_finish},
    {.name = "BranchPythonOperator", .command = python_command, .finish = python_finish},
    {.name = "BranchOperator", .run = branch_run},
    {.name = "ShortCircuitOperator", .run = short_circuit_run},
    {.name = "SQLExecuteQueryOperator", .run = sql_run},
    {.name = "DeltaOptimizeOperator", .run = delta_optimize_run},
    {.name = "DeltaVacuumOperator", .run = delta_vacuum_run},
    {.name = "DeltaMergeOperator", .run = sql_run},
    {.name = "PipelineRefreshOperator", .run = pipeline_run},
    {.name = "HttpOperator", .run = http_run},
    {.name = "EmailOperator", .run = email_run},
    {.name = "TriggerDagRunOperator", .run = trigger_dag_run},
    {.name = "FileSensor", .poke = file_poke},
    {.name = "SqlSensor", .poke = sql_poke},
    {.name = "HttpSensor", .poke = http_poke},
    {.name = "DeltaTableSensor", .poke = delta_poke, .arm = delta_arm},
    {.name = "TopicSensor", .poke = topic_poke, .arm = topic_arm},
    {.name = "TimeSensor", .poke = time_poke},
    {.name = "TimeDeltaSensor", .poke = time_poke},
    {.name = "DateTimeSensor", .poke = time_poke},
    {.name = "ExternalTaskSensor", .poke = external_task_poke},
};

const struct task_op *op_find(const char *name)
{
	for (size_t i = 0; i < MR_COUNT(ops); i++)
		if (strcmp(ops[i].name, name) == 0)
			return &ops[i];
	return NULL;
}

/* One member of the arguments. What a mapped instance was given comes before what the task says. */
static int put_argument(struct op_call *call, struct json_writer *w, struct json_parser *parser, mr_str name,
			mr_str json, bool templated, struct mr_error *err)
{
	struct json_value value;
	struct mr_buf rendered = {0};
	int rc = json_parse(parser, json, &value, err);
	if (rc == 0)
		rc = task_render_json(&call->context, value, templated, &rendered, err);
	if (rc == 0) {
		json_key_str(w, name);
		json_put_raw(w, mr_buf_view(&rendered));
	} else {
		mr_error_wrap(err, rc, "argument '%.*s'", MR_FMT(name));
	}
	mr_buf_release(&rendered);
	return rc;
}

static int render_arguments(struct op_call *call, struct mr_buf *out, struct mr_error *err)
{
	const struct dag_task *task = call->try->task;
	const struct operator* op = task->operator;
	struct json_parser *parser = json_parser_new(), *mapped = json_parser_new();
	struct json_writer w = json_writer(out);
	struct json_value map = {0};
	int rc = call->try->map_json.len ? json_parse(mapped, call->try->map_json, &map, err) : 0;
	json_begin_object(&w);
	for (struct json_iter it = json_iter(map); rc == 0 && json_next(&it);) {
		const struct operator_argument *spec = operator_argument(op, it.key);
		struct mr_buf json = {0};
		json_write_value(&json, it.value);
		if (spec)
			rc = put_argument(call, &w, parser, it.key, mr_buf_view(&json), spec->templated, err);
		mr_buf_release(&json);
	}
	for (size_t i = 0; rc == 0 && i < task->argument_count; i++)
		if (!json_present(json_get_str(map, task->arguments[i].name)))
			rc = put_argument(call, &w, parser, task->arguments[i].name, task->arguments[i].json,
					  task->arguments[i].templated, err);
	for (size_t i = 0; rc == 0 && i < op->argument_count; i++) { /* the first of a name counts */
		if (!op->arguments[i].preset)
			continue;
		json_key(&w, op->arguments[i].name);
		json_put_raw(&w, mr_str_from(op->arguments[i].preset));
	}
	json_end_object(&w);
	json_parser_free(parser);
	json_parser_free(mapped);
	return rc;
}

int op_call_init(struct op_call *call, const struct task_services *services, struct dag_try *try, bool bare,
		 struct mr_error *err)
{
	*call = (struct op_call){
	    .services = services, .try = dag_try_ref(try), .parser = json_parser_new(), .log.fd = -1};
	call->folder = (char *)arena_printf(&call->arena, "%s/work/%s", services->folder, try->id).ptr;
	if (services->vault)
		call->secret_count = vault_secrets(services->vault, &call->arena, &call->secrets);
	int rc = task_log_open(&call->log, services->logs, try, call->secrets, call->secret_count, err);
	if (rc == 0)
		rc = task_context_init(&call->context, try, services->sink, services->vault, &call->arena,
				       err);
	if (rc != 0 || bare)
		return rc;
	struct mr_buf json = {0};
	rc = render_arguments(call, &json, err);
	if (rc == 0)
		rc = json_parse(call->parser, mr_buf_view(&json), &call->args, err);
	mr_buf_release(&json);
	return rc;
}

void op_call_release(struct op_call *call)
{
	task_log_close(&call->log);
	json_parser_free(call->parser);
	arena_release(&call->arena);
	dag_try_unref(call->try);
}

struct json_value op_arg(const struct op_call *call, const char *name)
{
	return json_get(call->args, name);
}

static mr_str value_text(struct op_call *call, struct json_value v)
{
	if (json_type(v) == JSON_STRING)
		return json_str(v);
	if (json_type(v) == JSON_NULL)
		return MR_STR("");
	struct mr_buf text = {0};
	json_write_value(&text, v);
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

mr_str op_str(const struct op_call *call, const char *name)
{
	return value_text((struct op_call *)call, op_arg(call, name));
}

bool op_text_truth(mr_str text)
{
	static const char *const falsy[] = {"",     "False", "false", "0",  "None",
					    "none", "null",  "[]",    "{}", "0.0"};
	for (size_t i = 0; i < MR_COUNT(falsy); i++)
		if (mr_str_is(text, falsy[i]))
			return false;
	return true;
}

bool op_bool(const struct op_call *call, const char *name)
{
	struct json_value v = op_arg(call, name);
	if (json_type(v) == JSON_BOOL)
		return json_bool(v);
	return op_text_truth(op_str(call, name));
}

double op_number(const struct op_call *call, const char *name, double otherwise)
{
	struct json_value v = op_arg(call, name);
	if (json_type(v) == JSON_STRING) {
		char text[64], *end;
		snprintf(text, sizeof text, "%.*s", MR_FMT(json_str(v)));
		double n = strtod(text, &end);
		return text[0] && !*end ? n : otherwise;
	}
	return json_type(v) == JSON_NULL ? otherwise : json_double(v);
}

size_t op_list(struct op_call *call, const char *name, mr_str **out)
{
	struct json_value v = op_arg(call, name);
	struct json_parser *parser = json_parser_new();
	size_t n = 0;
	if (json_type(v) == JSON_ARRAY && json_count(v) == 1 && json_type(json_at(v, 0)) == JSON_STRING)
		v = json_at(v, 0); /* one template may have made a list */
	if (json_type(v) == JSON_STRING && mr_str_starts(json_str(v), MR_STR("["))) {
		struct json_value list;
		struct mr_buf json = {0};
		mr_str text = json_str(v);
		for (size_t i = 0; i < text.len; i++) /* Python prints a list with single quotes */
			mr_buf_char(&json, text.ptr[i] == '\'' && !memchr(text.ptr, '"', text.len)
					       ? '"'
					       : text.ptr[i]);
		if (json_parse(parser, mr_buf_view(&json), &list, NULL) == 0)
			v = list;
		mr_buf_release(&json);
	}
	size_t cap = json_type(v) == JSON_ARRAY ? json_count(v) : 1;
	*out = arena_alloc(&call->arena, (cap + 1) * sizeof **out);
	if (json_type(v) == JSON_ARRAY)
		for (struct json_iter it = json_iter(v); json_next(&it);)
			(*out)[n++] = arena_copy(&call->arena, value_text(call, it.value));
	else if (json_type(v) != JSON_NULL)
		(*out)[n++] = arena_copy(&call->arena, value_text(call, v));
	json_parser_free(parser);
	return n;
}

mr_str op_masked(struct op_call *call, mr_str text)
{
	struct mask mask;
	struct mr_buf out = {0};
	mask_init(&mask, call->secrets, call->secret_count);
	mask_feed(&mask, text, &out);
	mask_end(&mask, &out);
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&out));
	mask_release(&mask);
	mr_buf_release(&out);
	return copy;
}
