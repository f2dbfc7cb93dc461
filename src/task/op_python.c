/* PythonOperator and BranchPythonOperator: a function or a script in a Python process of its own.
 *
 * The process gets a small program (below) and its arguments as a JSON file; what the function returns
 * is written to $MILLRACE_XCOM as JSON. Exit code 99: AirflowSkipException, 98: AirflowFailException,
 * known by their names, so Airflow need not be installed.
 */
#include "task/op.h"

#include "dag/civil.h"

#include <stdio.h>

enum { EXIT_FAIL_FINAL = 98, EXIT_SKIP = 99 };

static const char program[] =
    "import importlib, importlib.util, inspect, json, os, runpy, sys\n"
    "job = json.load(open(sys.argv[1]))\n"
    "sys.path.insert(0, job['folder'])\n"
    "def load():\n"
    "    if job['file'] and job['name']:\n"
    "        spec = importlib.util.spec_from_file_location('dag_callable', job['file'])\n"
    "        module = importlib.util.module_from_spec(spec)\n"
    "        spec.loader.exec_module(module)\n"
    "        return getattr(module, job['name'])\n"
    "    module, _, name = job['name'].rpartition('.')\n"
    "    return getattr(importlib.import_module(module), name)\n"
    "def call(function):\n"
    "    kwargs = dict(job['kwargs'])\n"
    "    known = inspect.signature(function).parameters.values()\n"
    "    takes_all = any(p.kind is p.VAR_KEYWORD for p in known)\n"
    "    names = {p.name for p in known}\n"
    "    for key, value in job['context'].items():\n"
    "        if takes_all or key in names:\n"
    "            kwargs.setdefault(key, value)\n"
    "    return function(*job['args'], **kwargs)\n"
    "try:\n"
    "    if job['name']:\n"
    "        result = call(load())\n"
    "        with open(os.environ['MILLRACE_XCOM'], 'w') as out:\n"
    "            json.dump(result, out, default=str)\n"
    "    else:\n"
    "        sys.argv = [job['file'], *map(str, job['args'])]\n"
    "        runpy.run_path(job['file'], init_globals={'context': job['context']}, run_name='__main__')\n"
    "except Exception as error:\n"
    "    names = {kind.__name__ for kind in type(error).__mro__}\n"
    "    if 'AirflowSkipException' in names:\n"
    "        print(f'skipped: {error}', flush=True)\n"
    "        sys.exit(99)\n"
    "    if 'AirflowFailException' in names:\n"
    "        import traceback; traceback.print_exc()\n"
    "        sys.exit(98)\n"
    "    raise\n";

static void put_time(struct json_writer *w, const char *name, int64_t us)
{
	char text[CIVIL_ISO_BYTES];
	json_key(w, name);
	if (us == NO_TIME)
		json_put_null(w);
	else
		json_put_cstr(w, civil_iso(text, us));
}

static void put_context(const struct op_call *call, struct json_writer *w)
{
	const struct dag_try *try = call->try;
	char day[CIVIL_ISO_BYTES];
	json_key(w, "context");
	json_begin_object(w);
	json_member_str(w, "dag_id", try->dag->id);
	json_member_str(w, "task_id", try->task->id);
	json_member_str(w, "run_id", try->run.run_id);
	json_member_int(w, "try_number", try->try_number);
	json_member_int(w, "map_index", try->map_index);
	put_time(w, "logical_date", try->run.logical_date_us);
	put_time(w, "data_interval_start", try->run.data_interval_start_us);
	put_time(w, "data_interval_end", try->run.data_interval_end_us);
	if (try->run.logical_date_us != NO_TIME) {
		json_member_cstr(w, "ts", civil_iso(day, try->run.logical_date_us));
		json_member_str(w, "ds", mr_str_n(day, 10));
	}
	json_key(w, "params");
	json_put_raw(w, try->run.params_json.len ? try->run.params_json : MR_STR("{}"));
	json_key(w, "conf");
	json_put_raw(w, try->run.conf_json.len ? try->run.conf_json : MR_STR("{}"));
	json_key(w, "triggering_asset_events");
	json_put_raw(w, try->run.asset_events_json.len ? try->run.asset_events_json : MR_STR("{}"));
	json_end_object(w);
}

static void put_value(const struct op_call *call, struct json_writer *w, const char *key,
		      const char *argument, const char *otherwise)
{
	struct json_value v = op_arg(call, argument);
	json_key(w, key);
	if (json_type(v) == JSON_NULL)
		json_put_raw(w, mr_str_from(otherwise));
	else
		json_put_value(w, v);
}

static int write_job(struct op_call *call, mr_str name, mr_str file, const char *path, struct mr_error *err)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	json_begin_object(&w);
	json_member_cstr(&w, "folder", call->services->dags_folder);
	json_member_str(&w, "name", name);
	json_member_str(&w, "file", file);
	put_value(call, &w, "args", "op_args", "[]");
	put_value(call, &w, "kwargs", "op_kwargs", "{}");
	put_context(call, &w);
	json_end_object(&w);
	struct mr_file *out;
	int rc =
	    disk_open(call->services->env->disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &out, err);
	if (rc == 0) {
		rc = file_write_at(out, json.ptr, json.len, 0, err);
		file_close(out);
	}
	mr_buf_release(&json);
	return rc;
}

int python_command(struct op_call *call, struct op_command *out, struct mr_error *err)
{
	mr_str name = op_str(call, "python_callable"), file = op_str(call, "python_file");
	if (!name.len)
		name = op_str(call, "python_callable_name");
	if (!file.len)
		file = op_str(call, "python_callable_file");
	bool dotted = name.len && memchr(name.ptr, '.', name.len);
	if ((!name.len && !file.len) || (name.len && !file.len && !dotted)) {
		mr_fail(err, MR_ERR_INVALID, "what to run is not said");
		return mr_hint(err, "python_callable: module.function, or python_file: script.py");
	}
	if (file.len && file.ptr[0] != '/')
		file = arena_printf(&call->arena, "%s/%.*s", call->services->dags_folder, MR_FMT(file));
	char *job = (char *)arena_printf(&call->arena, "%s/job.json", call->folder).ptr;
	int rc = write_job(call, name, file, job, err);
	if (rc != 0)
		return rc;
	const char *const argv[] = {"python3", "-u", "-c", program, job};
	for (size_t i = 0; i < MR_COUNT(argv); i++)
		mr_vec_push(&out->argv, (char *)argv[i]);
	struct json_value env = op_arg(call, "env");
	for (struct json_iter it = json_iter(env); json_next(&it);)
		mr_vec_push(&out->env, (char *)arena_printf(&call->arena, "%.*s=%.*s", MR_FMT(it.key),
							    MR_FMT(json_str(it.value)))
					   .ptr);
	task_log_line(&call->log, "INFO", "Running %.*s %.*s", MR_FMT(name), MR_FMT(file));
	return 0;
}

/* A branch function returns the id of a task, or a list of them. */
static int follow(struct op_call *call, mr_str json, struct op_result *out, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	int rc = json_parse(parser, json.len ? json : MR_STR("null"), &v, err);
	if (rc == 0) {
		bool list = json_type(v) == JSON_ARRAY;
		size_t count = list ? json_count(v) : json_type(v) == JSON_STRING;
		out->follow = DAG_FOLLOW_ONLY;
		out->follow_ids = arena_alloc(&call->arena, (count + 1) * sizeof *out->follow_ids);
		for (size_t i = 0; i < count; i++)
			out->follow_ids[i] = arena_copy(&call->arena, json_str(list ? json_at(v, i) : v));
		out->follow_count = count;
	}
	json_parser_free(parser);
	return rc;
}

int python_finish(struct op_call *call, const struct op_end *end, struct op_result *out, struct mr_error *err)
{
	if (end->exit_code != 0) {
		out->outcome = end->exit_code == EXIT_SKIP         ? DAG_SKIPPED
			       : end->exit_code == EXIT_FAIL_FINAL ? DAG_FAILED_FINAL
								   : DAG_FAILED;
		out->reason = end->line.len /* of a traceback the last line is the error */
				  ? arena_printf(&call->arena, "%.*s", (int)mr_min_size(end->line.len, 500),
						 end->line.ptr)
				  : arena_printf(&call->arena, "exit code %d", end->exit_code);
		return 0;
	}
	out->outcome = DAG_SUCCEEDED;
	out->xcom_json = mr_str_is(end->file, "null") ? MR_STR("") : end->file;
	if (call->try->task->operator->branch)
		return follow(call, end->file, out, err);
	return 0;
}
