/* cli/dag_runs.c - dag list, runs, trigger, pause, unpause, backfill: what is asked of the scheduler. */
#include "cli/command.h"
#include "cli/dag_client.h"
#include "cli/dag_verbs.h"

#include "base/mem.h"
#include "sql/engine.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- list, runs ---- */

static void print_import_error(struct json_value fault)
{
	mr_str text = json_str(json_get(fault, "stack_trace"));
	fprintf(stderr, "error: %.*s\n", MR_FMT(text));
}

/* What loads, on standard output; what does not, as errors. */
int dag_list(const struct args *args, struct mr_error *err)
{
	struct dag_client client;
	struct json_value faults = {0};
	int rc = dag_client_open(args_get(args, "project"), &client, err);
	if (rc == 0)
		rc = dag_client_call(&client, "GET", "/importErrors?limit=1000", MR_STR_NULL, &faults, err);
	if (rc == 0)
		rc = dag_client_table(
		    &client,
		    "SELECT dag_id, is_paused AS paused, schedule, next_run_after AS next_run, "
		    "last_state, last_start_date AS last_start, running_runs AS running, file FROM "
		    "system.dags WHERE is_active ORDER BY dag_id",
		    args_get(args, "format"), err);
	size_t count = json_count(json_get(faults, "import_errors"));
	for (struct json_iter it = json_iter(json_get(faults, "import_errors")); rc == 0 && json_next(&it);)
		print_import_error(it.value);
	if (rc == 0 && count)
		rc = mr_fail(err, MR_ERR_INVALID, "%zu of the DAGs cannot be loaded", count);
	dag_client_close(&client);
	return rc;
}

int dag_runs(const struct args *args, struct mr_error *err)
{
	const char *id = dag_named(args, "runs", err);
	struct dag_client client = {0};
	struct mr_buf sql = {0};
	struct json_value v;
	int64_t count;
	if (!id)
		return err->code;
	int rc = args_int(args, "count", 25, 1, 100000, &count, err);
	if (rc == 0)
		rc = dag_client_open(args_get(args, "project"), &client, err);
	if (rc == 0)
		rc = dag_client_call(&client, "GET", dag_client_path(&client, "/dags/", id, NULL),
				     MR_STR_NULL, &v, err);
	mr_buf_cstr(
	    &sql, "SELECT run_id, run_type, state, logical_date, start_date, " SQL_DURATION(
		      "date_diff('ms', start_date, coalesce(end_date, now())) / 1000.0") " AS duration FROM "
											 "system.dag_runs "
											 "WHERE dag_id = ");
	sql_quote_literal(&sql, mr_str_from(id));
	mr_buf_printf(&sql, " ORDER BY run_after DESC LIMIT %lld", (long long)count);
	if (rc == 0)
		rc = dag_client_table(&client, sql.ptr, args_get(args, "format"), err);
	mr_buf_release(&sql);
	dag_client_close(&client);
	return rc;
}

/* ---- trigger ---- */

/* A member that is JSON given by the user, or nothing. */
static int put_conf(struct json_writer *w, const char *name, const struct args *args, struct mr_error *err)
{
	const char *conf = args_get(args, "conf");
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	int rc = conf ? json_parse(parser, mr_str_from(conf), &v, err) : 0;
	if (rc < 0) {
		mr_error_wrap(err, rc, "--conf");
		mr_hint(err, "a JSON object: --conf '{\"country\": \"DE\"}'");
	} else if (conf) {
		json_key(w, name);
		json_put_value(w, v);
	}
	json_parser_free(parser);
	return rc;
}

static int ignore(void *arg, mr_str bytes)
{
	(void)arg, (void)bytes;
	return 0;
}

/* Returns 1 when the run failed. */
static int wait_for(struct dag_client *client, const char *dag_id, const char *run_id, struct mr_error *err)
{
	struct json_value run;
	char text[DURATION_BYTES];
	const char *path =
	    dag_client_path(client, "/dags/", dag_id, "/dagRuns/", run_id, "/wait?interval=10", NULL);
	int rc = target_stream(client->target, path, ignore, NULL, err);
	path = dag_client_path(client, "/dags/", dag_id, "/dagRuns/", run_id, NULL);
	if (rc == 0)
		rc = dag_client_call(client, "GET", path, MR_STR_NULL, &run, err);
	if (rc < 0)
		return rc;
	mr_str state = json_str(json_get(run, "state"));
	if (!mr_str_is(state, "success") && !mr_str_is(state, "failed"))
		return mr_fail(err, MR_ERR_CLOSED, "the server stopped while run %s was %.*s", run_id,
			       MR_FMT(state));
	printf("%s\t%.*s\t%s\n", run_id, MR_FMT(state),
	       duration_text(text, json_double(json_get(run, "duration"))));
	return mr_str_is(state, "failed");
}

static int trigger_body(const struct args *args, struct mr_buf *body, struct mr_error *err)
{
	struct json_writer w = json_writer(body);
	json_begin_object(&w);
	json_key(&w, "logical_date");
	if (args_get(args, "date"))
		json_put_cstr(&w, args_get(args, "date"));
	else
		json_put_null(&w);
	if (args_get(args, "run-id"))
		json_member_cstr(&w, "dag_run_id", args_get(args, "run-id"));
	int rc = put_conf(&w, "conf", args, err);
	json_end_object(&w);
	return rc;
}

/* A run of a paused DAG waits. */
static int is_paused(struct dag_client *client, const char *id, bool *out, struct mr_error *err)
{
	struct json_value dag;
	int rc = dag_client_call(client, "GET", dag_client_path(client, "/dags/", id, NULL), MR_STR_NULL,
				 &dag, err);
	if (rc == 0)
		*out = json_bool(json_get(dag, "is_paused"));
	return rc;
}

static int start_run(struct dag_client *client, const struct args *args, const char *id, struct mr_error *err)
{
	struct mr_buf body = {0};
	struct json_value run;
	bool paused;
	int rc = is_paused(client, id, &paused, err);
	if (rc == 0)
		rc = trigger_body(args, &body, err);
	const char *path = dag_client_path(client, "/dags/", id, "/dagRuns", NULL);
	if (rc == 0)
		rc = dag_client_call(client, "POST", path, mr_buf_view(&body), &run, err);
	if (rc == 0) {
		char *run_id = mr_strndup(json_str(json_get(run, "dag_run_id")));
		bool server = target_is_server(client->target);
		if (server && !paused && args_has(args, "wait"))
			rc = wait_for(client, id, run_id, err);
		else
			printf("%s\n", run_id);
		if (paused)
			fprintf(stderr, "%s is paused: the run waits for 'millrace dag unpause %s'.\n", id,
				id);
		else if (!server)
			fprintf(stderr, "No server runs this project: the run begins with 'millrace up'.\n");
		free(run_id);
	}
	mr_buf_release(&body);
	return rc;
}

int dag_trigger(const struct args *args, struct mr_error *err)
{
	const char *id = dag_named(args, "trigger", err);
	struct dag_client client;
	if (!id)
		return err->code;
	int rc = dag_client_open(args_get(args, "project"), &client, err);
	if (rc == 0)
		rc = start_run(&client, args, id, err);
	dag_client_close(&client);
	return rc;
}

/* ---- pause ---- */

static int set_paused(const struct args *args, const char *verb, const char *body, struct mr_error *err)
{
	const char *id = dag_named(args, verb, err);
	struct dag_client client;
	struct json_value dag;
	if (!id)
		return err->code;
	int rc = dag_client_open(args_get(args, "project"), &client, err);
	if (rc == 0)
		rc = dag_client_call(&client, "PATCH", dag_client_path(&client, "/dags/", id, NULL),
				     mr_str_from(body), &dag, err);
	if (rc == 0)
		printf("%s is %s\n", id, json_bool(json_get(dag, "is_paused")) ? "paused" : "not paused");
	dag_client_close(&client);
	return rc;
}

int dag_pause(const struct args *args, struct mr_error *err)
{
	return set_paused(args, "pause", "{\"is_paused\":true}", err);
}

int dag_unpause(const struct args *args, struct mr_error *err)
{
	return set_paused(args, "unpause", "{\"is_paused\":false}", err);
}

/* ---- backfill ---- */

static int backfill_body(const struct args *args, const char *id, struct mr_buf *body, struct mr_error *err)
{
	const char *from = args_get(args, "from"), *to = args_get(args, "to");
	struct json_writer w = json_writer(body);
	int64_t max_active;
	if (!from || !to) {
		mr_fail(err, MR_ERR_INVALID, "a backfill needs its dates");
		return mr_hint(err, "millrace dag backfill %s --from 2026-01-01 --to 2026-01-31", id);
	}
	int rc = args_int(args, "max-active-runs", 10, 1, INT32_MAX, &max_active, err);
	if (rc < 0)
		return rc;
	json_begin_object(&w);
	json_member_cstr(&w, "dag_id", id);
	json_member_cstr(&w, "from_date", from);
	json_member_cstr(&w, "to_date", to);
	json_member_int(&w, "max_active_runs", max_active);
	json_member_bool(&w, "run_backwards", args_has(args, "backwards"));
	json_member_cstr(&w, "reprocess_behavior",
			 args_get(args, "reprocess") ? args_get(args, "reprocess") : "none");
	rc = put_conf(&w, "dag_run_conf", args, err);
	json_end_object(&w);
	return rc;
}

static void print_dates(struct json_value answer)
{
	for (struct json_iter it = json_iter(json_get(answer, "backfills")); json_next(&it);) {
		mr_str date = json_str(json_get(it.value, "logical_date"));
		printf("%.*s\n", MR_FMT(date));
	}
}

int dag_backfill(const struct args *args, struct mr_error *err)
{
	const char *id = dag_named(args, "backfill", err);
	bool dry = args_has(args, "dry-run");
	struct dag_client client = {0};
	struct mr_buf body = {0};
	struct json_value answer;
	if (!id)
		return err->code;
	int rc = backfill_body(args, id, &body, err);
	if (rc == 0)
		rc = dag_client_open(args_get(args, "project"), &client, err);
	if (rc == 0)
		rc = dag_client_call(&client, "POST", dry ? "/backfills/dry_run" : "/backfills",
				     mr_buf_view(&body), &answer, err);
	if (rc == 0 && dry)
		print_dates(answer);
	else if (rc == 0)
		printf("backfill %lld of %s is under way: millrace dag runs %s\n",
		       (long long)json_int(json_get(answer, "id")), id, id);
	mr_buf_release(&body);
	dag_client_close(&client);
	return rc;
}
