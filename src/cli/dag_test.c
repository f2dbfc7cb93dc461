/* cli/dag_test.c - dag test: one run of one DAG in the foreground, a line for each task, the logs of what
 * failed. The run leaves nothing in the project but what its tasks do: its store, logs and work are in a
 * folder that goes away. */
#include "cli/command.h"
#include "cli/dag_client.h"
#include "cli/dag_verbs.h"

#include "api/dags.h"
#include "app/app.h"
#include "base/mem.h"
#include "cli/process.h"
#include "dag/civil.h"
#include "task/task_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 200
#define STOP_MS 5000 /* for tasks to end after Ctrl-C */

struct test {
	struct dags *dags;
	struct hub_listener *listener;
	struct json_parser *parser;
	mr_str dag_id;
	struct mr_buf run_id;
	mr_str conf_json;
	int64_t date_us;
	sigset_t signals;
	bool done, failed, interrupted;
};

/* ---- what happens ---- */

static int64_t time_of(struct json_value v)
{
	int64_t us = 0;
	return civil_parse(json_str(v), NULL, &us) ? us : 0;
}

static void print_log(struct test *test, struct json_value task)
{
	struct mr_buf path = {0}, text = {0};
	task_log_path(dags_logs(test->dags), test->dag_id, mr_buf_view(&test->run_id),
		      json_str(json_get(task, "task_id")), (int32_t)json_int(json_get(task, "map_index")),
		      (int32_t)json_int(json_get(task, "try_number")), &path);
	if (task_log_read(path.ptr, 0, 1 << 20, &text, NULL) == 0) {
		mr_str left = mr_buf_view(&text);
		while (left.len) {
			const char *end = memchr(left.ptr, '\n', left.len);
			mr_str line = mr_str_n(left.ptr, end ? (size_t)(end - left.ptr) : left.len);
			printf("    | %.*s\n", MR_FMT(line));
			left = mr_str_tail(left, line.len + 1);
		}
	}
	mr_buf_release(&path);
	mr_buf_release(&text);
}

static void show_task(struct test *test, struct json_value task)
{
	mr_str state = json_str(json_get(task, "state")), id = json_str(json_get(task, "task_id"));
	int64_t map_index = json_int(json_get(task, "map_index"));
	int64_t start = time_of(json_get(task, "start_date")), end = time_of(json_get(task, "end_date"));
	enum task_state known;
	char duration[DURATION_BYTES], number[24] = "";
	if (!task_state_parse(state, &known) || (!task_state_done(known) && known != TASK_UP_FOR_RETRY))
		return;
	if (map_index >= 0)
		snprintf(number, sizeof number, "[%lld]", (long long)map_index);
	bool ran = start && end >= start && known != TASK_SKIPPED && known != TASK_UPSTREAM_FAILED;
	printf("%-16.*s %.*s%s%s%s\n", MR_FMT(state), MR_FMT(id), number, ran ? "  " : "",
	       ran ? duration_text(duration, (double)(end - start) / 1e6) : "");
	if (known == TASK_FAILED || known == TASK_UP_FOR_RETRY)
		print_log(test, task);
	fflush(stdout);
}

static void take_event(struct test *test, mr_str kind, mr_str json)
{
	struct json_value v;
	if (json_parse(test->parser, json, &v, NULL) < 0)
		return;
	mr_str state = json_str(json_get(v, "state"));
	if (mr_str_is(kind, "task_instance"))
		show_task(test, v);
	if (mr_str_is(kind, "dag_run") && (mr_str_is(state, "success") || mr_str_is(state, "failed"))) {
		char duration[DURATION_BYTES];
		int64_t took = time_of(json_get(v, "end_date")) - time_of(json_get(v, "start_date"));
		test->done = true;
		test->failed = mr_str_is(state, "failed");
		printf("%.*s %s in %s\n", MR_FMT(test->dag_id), test->failed ? "failed" : "succeeded",
		       duration_text(duration, (double)took / 1e6));
	}
}

/* "event: KIND\ndata: JSON\n\n", one after the other. Runs stand before their tasks: these are shown
 * first. */
static void take_events(struct test *test, mr_str text)
{
	for (int runs = 0; runs < 2; runs++) {
		mr_str left = text;
		while (left.len) {
			const char *end = memmem(left.ptr, left.len, "\n\n", 2);
			mr_str event = mr_str_n(left.ptr, end ? (size_t)(end - left.ptr) : left.len);
			left = mr_str_tail(left, event.len + 2);
			const char *data = memmem(event.ptr, event.len, "\ndata: ", 7);
			if (!data || !mr_str_starts(event, MR_STR("event: ")))
				continue;
			mr_str kind = mr_str_n(event.ptr + 7, (size_t)(data - event.ptr) - 7);
			if (mr_str_is(kind, "dag_run") == (runs == 1))
				take_event(test, kind, mr_str_tail(event, (size_t)(data - event.ptr) + 7));
		}
	}
}

/* ---- the run ---- */

static int begin_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct test *test = arg;
	struct core_trigger what = {.dag_id = test->dag_id,
				    .conf_json = test->conf_json,
				    .logical_date_us = test->date_us,
				    .who = MR_STR("dag test")};
	return core_trigger(core, &what, &test->run_id, err);
}

static int end_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct test *test = arg;
	return core_mark_run(core, test->dag_id, mr_buf_view(&test->run_id), RUN_FAILED, MR_STR("dag test"),
			     err);
}

static bool interrupted(struct test *test)
{
	struct timespec now = {0};
	return sigtimedwait(&test->signals, NULL, &now) > 0;
}

static int follow(struct test *test, struct mr_error *err)
{
	struct mr_buf events = {0};
	int rc = dags_call(test->dags, begin_in_core, test, err);
	while (rc >= 0 && !test->done) {
		mr_buf_clear(&events);
		rc = hub_wait(test->listener, LOOK_MS, &events);
		if (rc == 0)
			take_events(test, mr_buf_view(&events));
		if (!test->interrupted && interrupted(test)) {
			test->interrupted = true;
			rc = dags_call(test->dags, end_in_core, test, err);
		}
	}
	mr_buf_release(&events);
	return rc < 0 ? rc : 0;
}

static int read_run(const struct args *args, struct test *test, struct mr_error *err)
{
	const char *date = args_get(args, "date"), *conf = args_get(args, "conf");
	test->conf_json = mr_str_from(conf);
	test->date_us = NO_TIME;
	if (date && !civil_parse(mr_str_from(date), NULL, &test->date_us)) {
		mr_fail(err, MR_ERR_INVALID, "--date '%s' is no time", date);
		return mr_hint(err, "2026-01-01, 2026-01-01T02:30 or 2026-01-01T02:30:00+02:00");
	}
	return 0;
}

static int refresh(void *arg, struct mr_error *err)
{
	return app_drain(arg, err);
}

static int run_in(struct app *app, const char *scratch, struct test *test, struct mr_error *err)
{
	const struct project *project = app_project(app);
	struct dags_options options = {.env = app_env(app),
				       .data = project->data,
				       .folder = project->dags.folder,
				       .parallelism = project->dags.parallelism,
				       .catalog = app_catalog(app),
				       .sessions = app_sessions(app),
				       .scratch = scratch,
				       .only = test->dag_id,
				       .refresh = refresh,
				       .refresh_arg = app};
	int rc = dags_open(&options, &test->dags, err);
	if (rc < 0)
		return rc;
	test->parser = json_parser_new();
	test->listener = hub_listen(dags_hub(test->dags), test->dag_id);
	rc = dags_start(test->dags, err);
	if (rc == 0)
		rc = follow(test, err);
	hub_leave(test->listener);
	json_parser_free(test->parser);
	dags_free(test->dags);
	return rc;
}

int dag_test(const struct args *args, struct mr_error *err)
{
	const char *id = dag_named(args, "test", err);
	struct test test = {.dag_id = mr_str_from(id)};
	struct dag_client client = {0};
	struct json_value v;
	if (!id)
		return err->code;
	test.signals = process_block_signals();
	int rc = read_run(args, &test, err);
	if (rc == 0)
		rc = dag_client_open(args_get(args, "project"), &client, err);
	if (rc == 0 && !target_app(client.target)) {
		mr_fail(err, MR_ERR_LOCKED, "a server runs this project");
		rc = mr_hint(err, "let it do the run: millrace dag trigger %s --wait", id);
	}
	if (rc == 0)
		rc = dag_client_call(&client, "GET", dag_client_path(&client, "/dags/", id, NULL),
				     MR_STR_NULL, &v, err);
	if (rc == 0) {
		char *scratch =
		    mr_asprintf("%s/tmp/dag-test-%d", target_project(client.target)->data, getpid());
		rc = run_in(target_app(client.target), scratch, &test, err);
		int removed = disk_remove_all(env_linux()->disk, scratch, rc < 0 ? NULL : err);
		rc = rc < 0 ? rc : removed;
		free(scratch);
	}
	dag_client_close(&client);
	mr_buf_release(&test.run_id);
	return rc < 0 ? rc : test.failed;
}
