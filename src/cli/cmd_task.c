/* cli/cmd_task.c - millrace task: the instances of a run: their states, logs, and having them run again. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/dag_client.h"
#include "conf/nearest.h"
#include "sql/engine.h"

#include <stdio.h>
#include <stdlib.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'o', "FORMAT", "state: box, csv, tsv, json, jsonl, markdown", false},
    {"follow", 'f', NULL, "logs: go on until the try has ended", false},
    {"try", 't', "N", "logs: this try (default: the latest)", false},
    {"map-index", 'm', "N", "logs, clear, mark: this instance of a mapped task", false},
    {"upstream", 'u', NULL, "clear, mark: what it waits for as well", false},
    {"downstream", 'd', NULL, "clear, mark: what waits for it as well", false},
    {"dry-run", 0, NULL, "retry, clear: only show what would run again", false},
};

struct task_call {
	const struct args *args;
	struct dag_client client;
	const char *dag_id, *task_id; /* task_id NULL: all */
	char *run_id;
};

/* ---- state ---- */

static int task_state(struct task_call *call, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(
	    &sql,
	    "SELECT task_id, map_index, state, try_number AS try, operator, start_date, " SQL_DURATION(
		"date_diff('ms', start_date, coalesce(end_date, now())) / 1000.0") " AS duration, "
										   "reason FROM "
										   "system.task_instances "
										   "WHERE dag_id = ");
	sql_quote_literal(&sql, mr_str_from(call->dag_id));
	mr_buf_cstr(&sql, " AND run_id = ");
	sql_quote_literal(&sql, mr_str_from(call->run_id));
	if (call->task_id) {
		mr_buf_cstr(&sql, " AND task_id = ");
		sql_quote_literal(&sql, mr_str_from(call->task_id));
	}
	mr_buf_cstr(&sql, " ORDER BY start_date NULLS LAST, task_id, map_index");
	int rc = dag_client_table(&call->client, sql.ptr, args_get(call->args, "format"), err);
	mr_buf_release(&sql);
	return rc;
}

/* ---- logs ---- */

static void print_line(struct json_value line)
{
	mr_str at = json_str(json_get(line, "timestamp")), event = json_str(json_get(line, "event"));
	mr_str level = json_str(json_get(line, "level"));
	if (at.len)
		printf("[%.*s] %.*s ", MR_FMT(at), MR_FMT(level));
	printf("%.*s\n", MR_FMT(event));
}

struct follow {
	struct mr_buf text;
	struct json_parser *parser;
};

/* Server-sent events as they come; `log_end` ends it. */
static int take_events(void *arg, mr_str bytes)
{
	struct follow *follow = arg;
	const char *end;
	mr_buf_str(&follow->text, bytes);
	while (follow->text.len && (end = memmem(follow->text.ptr, follow->text.len, "\n\n", 2))) {
		mr_str event = mr_str_n(follow->text.ptr, (size_t)(end - follow->text.ptr));
		mr_str log = MR_STR("event: log\ndata: ");
		struct json_value line;
		if (mr_str_starts(event, MR_STR("event: log_end")))
			return 1;
		if (mr_str_starts(event, log) &&
		    json_parse(follow->parser, mr_str_tail(event, log.len), &line, NULL) == 0)
			print_line(line);
		mr_buf_consume(&follow->text, event.len + 2);
	}
	fflush(stdout);
	return 0;
}

static const char *map_index_of(const struct task_call *call)
{
	const char *given = args_get(call->args, "map-index");
	return given ? given : "-1";
}

static int follow_log(struct task_call *call, const char *try, struct mr_error *err)
{
	struct follow follow = {.parser = json_parser_new()};
	const char *path = dag_client_path(&call->client, "/stream?dag_id=", call->dag_id,
					   "&run_id=", call->run_id, "&task_id=", call->task_id,
					   "&map_index=", map_index_of(call), "&try=", try, NULL);
	int rc = target_stream(call->client.target, path, take_events, &follow, err);
	mr_buf_release(&follow.text);
	json_parser_free(follow.parser);
	return rc == MR_ERR_CANCELLED ? 0 : rc;
}

static int print_log(struct task_call *call, const char *try, struct mr_error *err)
{
	char *token = mr_strdup("0");
	int rc = 0;
	for (bool more = true; rc == 0 && more;) {
		struct json_value page;
		const char *path = dag_client_path(
		    &call->client, "/dags/", call->dag_id, "/dagRuns/", call->run_id, "/taskInstances/",
		    call->task_id, "/logs/", try, "?map_index=", map_index_of(call), "&token=", token, NULL);
		rc = dag_client_call(&call->client, "GET", path, MR_STR_NULL, &page, err);
		struct json_value content = rc == 0 ? json_get(page, "content") : (struct json_value){0};
		for (struct json_iter it = json_iter(content); json_next(&it);) {
			/* Without a logger: about the log, not of it. */
			if (json_present(json_get(it.value, "logger")))
				print_line(it.value);
		}
		mr_str next = rc == 0 ? json_str(json_get(page, "continuation_token")) : MR_STR_NULL;
		more = next.len && !mr_str_is(next, token);
		free(token);
		token = mr_strndup(next);
	}
	free(token);
	return rc;
}

static int latest_try(struct task_call *call, char out[16], struct mr_error *err)
{
	struct json_value instance;
	const char *given = args_get(call->args, "try"), *map_index = args_get(call->args, "map-index");
	const char *path = dag_client_path(&call->client, "/dags/", call->dag_id, "/dagRuns/", call->run_id,
					   "/taskInstances/", call->task_id, map_index ? "/" : "",
					   map_index ? map_index : "", NULL);
	int rc = dag_client_call(&call->client, "GET", path, MR_STR_NULL, &instance, err);
	if (rc == MR_ERR_NOT_FOUND && !map_index)
		mr_hint(err, "of a mapped task name the instance: --map-index 0");
	if (rc == 0)
		snprintf(out, 16, "%s", given ? given : "");
	if (rc == 0 && !given)
		snprintf(out, 16, "%lld",
			 (long long)mr_max_i64(json_int(json_get(instance, "try_number")), 1));
	return rc;
}

static int task_logs(struct task_call *call, struct mr_error *err)
{
	char try[16];
	int rc = latest_try(call, try, err);
	if (rc < 0)
		return rc;
	bool follow = args_has(call->args, "follow") && target_is_server(call->client.target);
	return follow ? follow_log(call, try, err) : print_log(call, try, err);
}

/* ---- retry, clear, mark ---- */

static void put_task_ids(const struct task_call *call, struct json_writer *w)
{
	const char *map_index = args_get(call->args, "map-index");
	if (!call->task_id)
		return;
	json_key(w, "task_ids");
	json_begin_array(w);
	if (map_index) {
		json_begin_array(w);
		json_put_cstr(w, call->task_id);
		json_put_int(w, strtoll(map_index, NULL, 10));
		json_end_array(w);
	} else {
		json_put_cstr(w, call->task_id);
	}
	json_end_array(w);
}

static int clear(struct task_call *call, bool only_failed, struct mr_error *err)
{
	bool dry = args_has(call->args, "dry-run");
	struct mr_buf body = {0};
	struct json_value answer;
	struct json_writer w = json_writer(&body);
	json_begin_object(&w);
	json_member_cstr(&w, "dag_run_id", call->run_id);
	json_member_bool(&w, "dry_run", dry);
	json_member_bool(&w, "only_failed", only_failed);
	/* What failed for it has to run again too. */
	json_member_bool(&w, "include_downstream", only_failed || args_has(call->args, "downstream"));
	json_member_bool(&w, "include_upstream", args_has(call->args, "upstream"));
	put_task_ids(call, &w);
	json_end_object(&w);
	const char *path =
	    dag_client_path(&call->client, "/dags/", call->dag_id, "/clearTaskInstances", NULL);
	int rc = dag_client_call(&call->client, "POST", path, mr_buf_view(&body), &answer, err);
	for (struct json_iter it = json_iter(json_get(answer, "task_instances"));
	     rc == 0 && json_next(&it);) {
		mr_str id = json_str(json_get(it.value, "task_id")),
		       state = json_str(json_get(it.value, "state"));
		printf("%.*s\t%lld\t%.*s\n", MR_FMT(id), (long long)json_int(json_get(it.value, "map_index")),
		       MR_FMT(state));
	}
	if (rc == 0)
		fprintf(stderr, "%lld of run %s %s again.\n",
			(long long)json_int(json_get(answer, "total_entries")), call->run_id,
			dry ? "would run" : "run");
	mr_buf_release(&body);
	return rc;
}

static int task_retry(struct task_call *call, struct mr_error *err)
{
	return clear(call, true, err);
}

static int task_clear(struct task_call *call, struct mr_error *err)
{
	return clear(call, false, err);
}

static int mark(struct task_call *call, const char *state, struct mr_error *err)
{
	const char *map_index = args_get(call->args, "map-index");
	struct mr_buf body = {0};
	struct json_value answer;
	struct json_writer w = json_writer(&body);
	json_begin_object(&w);
	json_member_cstr(&w, "new_state", state);
	json_member_bool(&w, "include_upstream", args_has(call->args, "upstream"));
	json_member_bool(&w, "include_downstream", args_has(call->args, "downstream"));
	json_end_object(&w);
	const char *path = dag_client_path(&call->client, "/dags/", call->dag_id, "/dagRuns/", call->run_id,
					   "/taskInstances/", call->task_id, map_index ? "/" : "",
					   map_index ? map_index : "", NULL);
	int rc = dag_client_call(&call->client, "PATCH", path, mr_buf_view(&body), &answer, err);
	if (rc == 0)
		printf("%s of run %s is %s\n", call->task_id, call->run_id, state);
	mr_buf_release(&body);
	return rc;
}

/* ---- the command ---- */

static const struct {
	const char *verb;
	bool needs_task;
	int (*run)(struct task_call *call, struct mr_error *err);
} verbs[] = {
    {"state", false, task_state}, {"logs", true, task_logs}, {"retry", false, task_retry},
    {"clear", false, task_clear}, {"mark", true, NULL},
};

static int find_verb(const char *word, size_t *out, struct mr_error *err)
{
	const char *names[MR_COUNT(verbs)];
	for (size_t i = 0; i < MR_COUNT(verbs); i++) {
		names[i] = verbs[i].verb;
		if (word && strcmp(word, verbs[i].verb) == 0) {
			*out = i;
			return 0;
		}
	}
	mr_fail(err, MR_ERR_INVALID, word ? "millrace task knows no '%s'" : "what about the task?%s",
		word ? word : "");
	const char *near = word ? conf_nearest(mr_str_from(word), names, MR_COUNT(names)) : NULL;
	return mr_hint(err, "%s%s", near ? "did you mean " : "state, logs, retry, clear, mark",
		       near ? near : "");
}

/* DAG [TASK [RUN]]; of mark: STATE DAG TASK [RUN]. A dot stands for every task. */
static int run(const struct args *args, struct mr_error *err)
{
	struct task_call call = {.args = args};
	size_t verb;
	int rc = find_verb(args_positional(args, 0), &verb, err);
	if (rc < 0)
		return rc;
	const char *state = verbs[verb].run ? NULL : args_positional(args, 1);
	size_t at = verbs[verb].run ? 1 : 2;
	call.dag_id = args_positional(args, at);
	call.task_id = args_positional(args, at + 1);
	if (!call.dag_id || (verbs[verb].needs_task && !call.task_id)) {
		mr_fail(err, MR_ERR_INVALID, call.dag_id ? "which task?" : "which DAG?");
		return mr_hint(err, "millrace task %s%s DAG %s [RUN]", verbs[verb].verb,
			       verbs[verb].run ? "" : " STATE", verbs[verb].needs_task ? "TASK" : "[TASK]");
	}
	if (call.task_id && strcmp(call.task_id, ".") == 0)
		call.task_id = NULL;
	rc = dag_client_open(args_get(args, "project"), &call.client, err);
	if (rc == 0)
		rc = dag_client_run(&call.client, call.dag_id, args_positional(args, at + 2), &call.run_id,
				    err);
	if (rc == 0)
		rc = verbs[verb].run ? verbs[verb].run(&call, err) : mark(&call, state, err);
	free(call.run_id);
	dag_client_close(&call.client);
	return rc;
}

int cmd_task(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("task", "state|logs|retry|clear DAG [TASK [RUN]] | mark STATE DAG TASK [RUN]",
			  options, MR_COUNT(options), 5, argc, argv, &args, &code))
		return code;
	struct mr_error err;
	int rc = run(&args, &err);
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}
