/* api/route_stream.c - GET /stream: server-sent events of what changes. Not Airflow's.
 *
 *   ?dag_id=…                           (or none: of all DAGs) events dag, dag_run, task_instance, reset
 *   ?dag_id&run_id&task_id&try[&map_index]   the same, and each line of that try's log as event `log`;
 *                                       `log_end` after the last
 *
 * State changes come from the scheduler's writer (hub.h), log lines when the file grows (inotify). A
 * comment every PING_MS shows that the line is open. */
#include "api/log_line.h"
#include "api/routes.h"

#include "task/task_log.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define PING_MS 15000
#define LOG_LOOK_MS 500 /* has the try ended, has the file come */
#define CHUNK_BYTES ((size_t)256 << 10)

struct stream {
	struct hub_listener *listener;
	struct dags *dags;
	/* A try's log: */
	mr_str params[5]; /* dag_id, run_id, task_id, map_index, try */
	char *texts[5];
	char *log_path; /* NULL: none is followed */
	int64_t offset;
};

static void stream_release(struct stream *stream)
{
	hub_leave(stream->listener);
	for (size_t i = 0; i < MR_COUNT(stream->texts); i++)
		free(stream->texts[i]);
	free(stream->log_path);
	free(stream);
}

/* ---- states ---- */

static void run_states(struct stream *stream, struct http_stream *to)
{
	struct mr_buf text = {0};
	int rc;
	mr_buf_cstr(&text, ": open\n\n");
	do {
		if (http_write(to, mr_buf_view(&text)) != 0)
			break;
		mr_buf_clear(&text);
		rc = hub_wait(stream->listener, PING_MS, &text);
		if (rc == 1)
			mr_buf_cstr(&text, ": ping\n\n");
	} while (rc >= 0);
	mr_buf_release(&text);
}

/* ---- a log ---- */

static bool try_is_over(struct stream *stream)
{
	struct dag_store *store = dags_store(stream->dags);
	struct mr_buf row = {0};
	int rc = store->ops->query(
	    store,
	    "SELECT 1 FROM task_instance t JOIN dag_run r ON r.run_no = t.run_no WHERE "
	    "r.dag_id = ?1 AND r.run_id = ?2 AND t.task_id = ?3 AND t.map_index = CAST(?4 AS "
	    "BIGINT) AND (t.try_number > CAST(?5 AS BIGINT) OR t.state NOT IN ('queued', "
	    "'running', 'restarting', 'deferred', 'up_for_reschedule', 'scheduled', 'none'))",
	    stream->params, 5, &row, NULL);
	bool over = rc < 0 || row.len;
	mr_buf_release(&row);
	return over;
}

/* A piece of what the file has more than was sent; false: there was nothing. */
static bool put_news(struct stream *stream, bool over, struct mr_buf *out)
{
	struct mr_buf text = {0};
	mr_str whole = {0};
	if (task_log_read(stream->log_path, stream->offset, CHUNK_BYTES, &text, NULL) == 0)
		whole = log_whole_lines(mr_buf_view(&text), over || text.len >= CHUNK_BYTES);
	bool any = whole.len > 0;
	stream->offset += (int64_t)whole.len;
	while (whole.len) {
		struct log_line line = log_line_take(&whole);
		mr_buf_cstr(out, "event: log\ndata: ");
		struct json_writer w = json_writer(out);
		log_line_put(&w, &line);
		mr_buf_cstr(out, "\n\n");
	}
	mr_buf_release(&text);
	return any;
}

static void drain(int fd)
{
	char bytes[4096];
	while (read(fd, bytes, sizeof bytes) > 0)
		;
}

static void run_log(struct stream *stream, struct http_stream *to)
{
	struct mr_buf text = {0};
	struct pollfd changes = {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN};
	int watch = -1, quiet_ms = 0, rc = 0;
	bool ended = false, over = false, more = false;
	for (;;) {
		if (watch < 0 && changes.fd >= 0)
			watch = inotify_add_watch(changes.fd, stream->log_path, IN_MODIFY);
		if (!ended && !more)
			over = try_is_over(stream); /* asked before the file is read to its end */
		more = !ended && put_news(stream, over, &text);
		if (over && !ended && !more) {
			mr_buf_cstr(&text, "event: log_end\ndata: {}\n\n");
			ended = true;
		}
		if (quiet_ms >= PING_MS)
			mr_buf_cstr(&text, ": ping\n\n");
		if (text.len && http_write(to, mr_buf_view(&text)) != 0)
			break;
		quiet_ms = text.len ? 0 : quiet_ms + LOG_LOOK_MS;
		mr_buf_clear(&text);
		poll(&changes, 1, ended || more ? 0 : LOG_LOOK_MS);
		drain(changes.fd);
		rc = hub_wait(stream->listener, ended ? LOG_LOOK_MS : 0, &text);
		if (rc < 0)
			break;
	}
	close(changes.fd);
	mr_buf_release(&text);
}

static void run(void *arg, struct http_stream *to)
{
	struct stream *stream = arg;
	if (stream->log_path)
		run_log(stream, to);
	else
		run_states(stream, to);
	stream_release(stream);
}

/* ---- the request ---- */

static void follow_log(struct api_call *call, struct stream *stream)
{
	static const char *const names[] = {"dag_id", "run_id", "task_id", "map_index", "try"};
	struct mr_buf path = {0};
	for (size_t i = 0; i < MR_COUNT(names); i++) {
		mr_str value = api_param(call, names[i]);
		stream->texts[i] = value.len ? mr_strndup(i > 2 ? api_number(value) : value)
					     : mr_strdup(i == 3 ? "-1" : "1");
		stream->params[i] = mr_str_from(stream->texts[i]);
	}
	task_log_path(dags_logs(call->dags), stream->params[0], stream->params[1], stream->params[2],
		      (int32_t)strtol(stream->texts[3], NULL, 10),
		      (int32_t)strtol(stream->texts[4], NULL, 10), &path);
	stream->log_path = mr_buf_take(&path);
}

int api_stream(struct api_call *call, struct mr_error *err)
{
	struct hub_listener *listener = hub_listen(dags_hub(call->dags), api_param(call, "dag_id"));
	if (!listener) {
		mr_fail(err, MR_ERR_BUSY, "too many streams are open");
		return mr_hint(err, "close views that follow runs or logs, or ask again in a moment");
	}
	struct stream *stream = mr_calloc(1, sizeof *stream);
	stream->listener = listener;
	stream->dags = call->dags;
	if (api_param(call, "task_id").len)
		follow_log(call, stream);
	call->reply->content_type = "text/event-stream";
	call->reply->stream = run;
	call->reply->stream_arg = stream;
	return 0;
}
