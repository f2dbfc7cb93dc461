/* BashOperator: `bash -c COMMAND`; its result is the last line it prints, or what it writes to
 * $MILLRACE_XCOM. Exit codes of skip_on_exit_code (99) mean skipped. */
#include "task/op.h"

#include <stdio.h>

static char *copy(struct op_call *call, mr_str text)
{
	return (char *)arena_copy(&call->arena, text).ptr;
}

/* A mapping of names to values: K=V. */
static void add_env(struct op_call *call, struct op_command *command)
{
	struct json_value env = op_arg(call, "env");
	for (struct json_iter it = json_iter(env); json_next(&it);) {
		struct mr_buf value = {0};
		if (json_type(it.value) == JSON_STRING)
			mr_buf_str(&value, json_str(it.value));
		else
			json_write_value(&value, it.value);
		char *entry =
		    (char *)arena_printf(&call->arena, "%.*s=%s", MR_FMT(it.key), mr_buf_view(&value).ptr)
			.ptr;
		mr_vec_push(&command->env, entry);
		mr_buf_release(&value);
	}
}

int bash_command(struct op_call *call, struct op_command *out, struct mr_error *err)
{
	mr_str command = op_str(call, "bash_command"), cwd = op_str(call, "cwd");
	if (!command.len)
		return mr_fail(err, MR_ERR_INVALID, "bash_command is empty");
	mr_vec_push(&out->argv, copy(call, MR_STR("bash")));
	mr_vec_push(&out->argv, copy(call, MR_STR("-c")));
	mr_vec_push(&out->argv, copy(call, command));
	out->only_env = json_count(op_arg(call, "env")) > 0 && !op_bool(call, "append_env");
	if (out->only_env) /* without it nothing is found */
		mr_vec_push(&out->env, copy(call, MR_STR("PATH=/usr/local/bin:/usr/bin:/bin")));
	add_env(call, out);
	if (cwd.len)
		out->cwd = copy(call, cwd);
	task_log_line(&call->log, "INFO", "Running command: ['bash', '-c', %.*s]", MR_FMT(command));
	return 0;
}

/* An argument that is not rendered, as JSON; empty when it is not given. */
static mr_str own_argument(const struct op_call *call, const char *name)
{
	const struct dag_task *task = call->try->task;
	for (size_t i = 0; i < task->argument_count; i++)
		if (mr_str_is(task->arguments[i].name, name))
			return task->arguments[i].json;
	return MR_STR("");
}

static bool skips(struct op_call *call, int exit_code)
{
	mr_str given = own_argument(call, "skip_on_exit_code");
	struct json_parser *parser = json_parser_new();
	struct json_value codes;
	bool skip = false;
	if (json_parse(parser, given.len ? given : MR_STR("99"), &codes, NULL) == 0) {
		skip = json_type(codes) == JSON_INT && json_int(codes) == exit_code;
		for (struct json_iter it = json_iter(codes); json_next(&it);)
			skip = skip || (json_type(it.value) == JSON_INT && json_int(it.value) == exit_code);
	}
	json_parser_free(parser);
	return skip;
}

/* The last line as a string, or as the JSON that it is. */
static int line_to_xcom(struct op_call *call, mr_str line, mr_str *out, struct mr_error *err)
{
	mr_str form = own_argument(call, "xcom");
	struct mr_buf json = {0};
	int rc = 0;
	if (mr_str_is(form, "\"none\""))
		return 0;
	if (mr_str_is(form, "\"json\"")) {
		struct json_parser *parser = json_parser_new();
		struct json_value value;
		rc = json_parse(parser, line, &value, err);
		if (rc != 0)
			mr_error_wrap(err, rc, "the last line of the output is no JSON (xcom: json)");
		json_parser_free(parser);
		mr_buf_str(&json, line);
	} else {
		json_quote(&json, line);
	}
	if (rc == 0)
		*out = arena_copy(&call->arena, mr_buf_view(&json));
	mr_buf_release(&json);
	return rc;
}

int bash_finish(struct op_call *call, const struct op_end *end, struct op_result *out, struct mr_error *err)
{
	if (end->exit_code != 0) {
		out->outcome = skips(call, end->exit_code) ? DAG_SKIPPED : DAG_FAILED;
		out->reason = arena_printf(&call->arena, "exit code %d", end->exit_code);
		return 0;
	}
	out->outcome = DAG_SUCCEEDED;
	if (!end->file.len)
		return line_to_xcom(call, end->line, &out->xcom_json, err);
	struct json_parser *parser = json_parser_new();
	struct json_value value;
	int rc = json_parse(parser, end->file, &value, err);
	json_parser_free(parser);
	if (rc != 0)
		return mr_error_wrap(err, rc, "what the task wrote to $MILLRACE_XCOM is no JSON");
	out->xcom_json = end->file;
	return 0;
}
