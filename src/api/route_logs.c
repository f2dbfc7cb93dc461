/* api/route_logs.c - the log of a try, as structured lines.
 *
 * A page is at most LOG_PAGE_BYTES; continuation_token is where the next begins, null when the try is
 * over and all of it was read. */
#include "api/log_line.h"
#include "api/routes.h"

#include "task/task_log.h"

#include <stdlib.h>

#define LOG_PAGE_BYTES ((size_t)1 << 20)

static int64_t number_of(mr_str text)
{
	return text.len && text.len < 18 ? strtoll(text.ptr, NULL, 10) : 0;
}

static int take_state(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	*(int *)arg = (int)json_int(json_get(row, "done"));
	return 0;
}

/* 1: it is over; 0: not yet; -1: there is no such try. */
static int try_state(struct api_call *call, mr_str map_index, int *out, struct mr_error *err)
{
	mr_str params[] = {call->path[0], call->path[1], call->path[2], api_number(map_index),
			   api_number(call->path[3])};
	*out = -1;
	return api_query(
	    call,
	    "SELECT t.try_number > CAST(?5 AS BIGINT) OR t.state IN ('success', 'failed', "
	    "'skipped', 'up_for_retry', 'upstream_failed', 'removed') AS done FROM task_instance t "
	    "JOIN dag_run r ON r.run_no = t.run_no WHERE r.dag_id = ?1 AND r.run_id = ?2 AND "
	    "t.task_id = ?3 AND t.map_index = CAST(?4 AS BIGINT)",
	    params, 5, take_state, out, err);
}

static void put_lines(struct api_call *call, const char *path, mr_str text, bool first)
{
	json_key(&call->w, "content");
	json_begin_array(&call->w);
	if (first) {
		struct log_line about[] = {{.event = MR_STR("::group::Log message source details")},
					   {.event = mr_str_from(path)},
					   {.event = MR_STR("::endgroup::")}};
		for (size_t i = 0; i < MR_COUNT(about); i++)
			log_line_put(&call->w, &about[i]);
	}
	while (text.len) {
		struct log_line line = log_line_take(&text);
		log_line_put(&call->w, &line);
	}
	json_end_array(&call->w);
}

int api_log(struct api_call *call, struct mr_error *err)
{
	mr_str map_index = api_param(call, "map_index"), token = api_param(call, "token");
	int64_t offset = number_of(token);
	struct mr_buf path = {0}, text = {0};
	int done;
	if (!map_index.len)
		map_index = MR_STR("-1");
	int rc = try_state(call, map_index, &done, err);
	if (rc == 0 && done < 0)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "TaskInstance not found");
	if (rc < 0)
		return rc;
	task_log_path(dags_logs(call->dags), call->path[0], call->path[1], call->path[2],
		      (int32_t)number_of(map_index), (int32_t)number_of(call->path[3]), &path);
	rc = task_log_read(path.ptr, offset, LOG_PAGE_BYTES, &text, err);
	if (rc >= 0) {
		bool more = text.len >= LOG_PAGE_BYTES;
		mr_str whole = log_whole_lines(mr_buf_view(&text), done && !more);
		json_begin_object(&call->w);
		put_lines(call, path.ptr, whole, offset == 0);
		json_key(&call->w, "continuation_token");
		if (done && !more)
			json_put_null(&call->w);
		else
			json_put_str(&call->w, arena_printf(&call->arena, "%lld",
							    (long long)(offset + (int64_t)whole.len)));
		json_end_object(&call->w);
		rc = 0;
	}
	mr_buf_release(&path);
	mr_buf_release(&text);
	return rc;
}
