/* api/route_wait.c - GET …/dagRuns/{dag_run_id}/wait: a line of JSON with the run's state, and another at
 * least each `interval` seconds, until the run has ended: newline-delimited JSON, as Airflow's. The last
 * line comes as soon as the end is durable. With result=TASK it has what these tasks returned. */
#include "api/routes.h"

#include <stdlib.h>

#define INTERVAL_MAX_S 60
#define RESULTS_MAX 32

struct waiting {
	struct dags *dags;
	struct hub_listener *listener;
	char *dag_id, *run_id;
	char *results[RESULTS_MAX];
	size_t result_count;
	int64_t interval_ms;
};

static void waiting_free(struct waiting *waiting)
{
	hub_leave(waiting->listener);
	for (size_t i = 0; i < waiting->result_count; i++)
		free(waiting->results[i]);
	free(waiting->dag_id);
	free(waiting->run_id);
	free(waiting);
}

/* Appends the state; false: there is no such run. */
static bool put_state(const struct waiting *waiting, struct json_writer *w, int64_t *run_no, bool *ended)
{
	struct dag_store *store = dags_store(waiting->dags);
	mr_str params[] = {mr_str_from(waiting->dag_id), mr_str_from(waiting->run_id)};
	struct json_parser *parser = json_parser_new();
	struct json_value row;
	struct mr_buf text = {0};
	bool found =
	    store->ops->query(store,
			      "SELECT run_no, state, state IN ('success', 'failed') AS ended FROM dag_run "
			      "WHERE dag_id = ?1 AND run_id = ?2",
			      params, 2, &text, NULL) == 0 &&
	    text.len && json_parse(parser, mr_buf_view(&text), &row, NULL) == 0;
	if (found) {
		json_member_str(w, "state", json_str(json_get(row, "state")));
		*run_no = json_int(json_get(row, "run_no"));
		*ended = json_int(json_get(row, "ended")) != 0;
	}
	mr_buf_release(&text);
	json_parser_free(parser);
	return found;
}

static void put_results(const struct waiting *waiting, int64_t run_no, struct json_writer *w)
{
	struct dag_store *store = dags_store(waiting->dags);
	json_key(w, "results");
	json_begin_object(w);
	for (size_t i = 0; i < waiting->result_count; i++) {
		struct mr_buf value = {0};
		json_key(w, waiting->results[i]);
		int rc = store->ops->xcom(store, run_no, mr_str_from(waiting->results[i]), -1,
					  MR_STR("return_value"), &value, NULL);
		if (rc == 0)
			json_put_raw(w, mr_buf_view(&value));
		else
			json_put_null(w);
		mr_buf_release(&value);
	}
	json_end_object(w);
}

/* True when the run has ended, or is gone. */
static bool put_line(const struct waiting *waiting, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	int64_t run_no = 0;
	bool ended = true;
	json_begin_object(&w);
	bool found = put_state(waiting, &w, &run_no, &ended);
	if (found && ended && waiting->result_count)
		put_results(waiting, run_no, &w);
	json_end_object(&w);
	mr_buf_char(out, '\n');
	return ended;
}

static void run(void *arg, struct http_stream *to)
{
	struct waiting *waiting = arg;
	struct mr_buf line = {0}, events = {0};
	bool ended = false;
	int rc = 0;
	while (!ended && rc >= 0) {
		mr_buf_clear(&line);
		ended = put_line(waiting, &line);
		if (http_write(to, mr_buf_view(&line)) != 0 || ended)
			break;
		/* Events of the DAG's other runs wake it too; only the end is looked for early. */
		do {
			mr_buf_clear(&events);
			rc = hub_wait(waiting->listener, waiting->interval_ms, &events);
		} while (rc == 0 && !memmem(events.ptr, events.len, "event: dag_run\n", 15) &&
			 !memmem(events.ptr, events.len, "event: reset\n", 13));
	}
	mr_buf_release(&line);
	mr_buf_release(&events);
	waiting_free(waiting);
}

static int check_run(struct api_call *call, struct mr_error *err)
{
	int rc = api_run_get(call, err);
	mr_buf_clear(&call->reply->body);
	return rc;
}

int api_run_wait(struct api_call *call, struct mr_error *err)
{
	mr_str interval = api_param(call, "interval");
	double seconds = interval.len ? strtod(interval.ptr, NULL) : 0;
	if (!(seconds > 0 && seconds <= INTERVAL_MAX_S))
		api_fault(call, "greater_than", "query", "interval",
			  "Input should be greater than 0, at most 60", (struct json_value){0});
	if (api_faulty(call))
		return 0;
	/* It listens before it looks: an end between the two is not missed. */
	struct hub_listener *listener = hub_listen(dags_hub(call->dags), call->path[0]);
	if (!listener) {
		mr_fail(err, MR_ERR_BUSY, "too many streams are open");
		return mr_hint(err, "close views that follow runs or logs, or ask again in a moment");
	}
	int rc = check_run(call, err);
	if (rc < 0) {
		hub_leave(listener);
		return rc;
	}
	struct waiting *waiting = mr_calloc(1, sizeof *waiting);
	*waiting = (struct waiting){.dags = call->dags,
				    .listener = listener,
				    .dag_id = mr_strndup(call->path[0]),
				    .run_id = mr_strndup(call->path[1]),
				    .interval_ms = (int64_t)(seconds * 1000)};
	for (size_t i = 0; i < call->request->param_count; i++) {
		const struct api_param *param = &call->request->params[i];
		if (mr_str_is(param->name, "result") && waiting->result_count < RESULTS_MAX)
			waiting->results[waiting->result_count++] = mr_strndup(param->value);
	}
	call->reply->content_type = "application/x-ndjson";
	call->reply->stream = run;
	call->reply->stream_arg = waiting;
	return 0;
}
