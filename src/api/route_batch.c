/* api/route_batch.c - lists whose filters come in a body, and counts of runs by state. */
#include "api/list.h"
#include "api/routes.h"

#define PARAMS_MAX 1000

/* ---- a body as query parameters ---- */

static mr_str param_name(struct api_call *call, mr_str member)
{
	static const struct {
		const char *member, *param;
	} names[] = {
	    {"page_limit", "limit"},   {"page_offset", "offset"}, {"dag_ids", "dag_id"},
	    {"dag_run_ids", "run_id"}, {"task_ids", "task_id"},   {"states", "state"},
	};
	for (size_t i = 0; i < MR_COUNT(names); i++) {
		if (mr_str_is(member, names[i].member))
			return mr_str_from(names[i].param);
	}
	return arena_copy(&call->arena, member);
}

static mr_str param_value(struct api_call *call, struct json_value v)
{
	struct mr_buf text = {0};
	if (json_type(v) == JSON_STRING)
		mr_buf_str(&text, json_str(v));
	else
		json_write_value(&text, v); /* a null among states: no status */
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

static void take_member(struct api_call *call, struct api_param *params, size_t *count, mr_str member,
			struct json_value v)
{
	struct json_iter items = json_iter(v);
	mr_str name = param_name(call, member);
	if (json_type(v) == JSON_NULL)
		return;
	if (json_type(v) != JSON_ARRAY && *count < PARAMS_MAX) {
		params[(*count)++] = (struct api_param){name, param_value(call, v)};
		return;
	}
	while (json_type(v) == JSON_ARRAY && *count < PARAMS_MAX && json_next(&items))
		params[(*count)++] = (struct api_param){name, param_value(call, items.value)};
}

/* From here on the call has the body's members as parameters. */
static void use_body(struct api_call *call)
{
	struct api_request *request = arena_calloc(&call->arena, 1, sizeof *request);
	struct api_param *params = arena_calloc(&call->arena, PARAMS_MAX, sizeof *params);
	*request = *call->request;
	request->param_count = 0;
	for (struct json_iter it = json_iter(call->body);
	     json_type(call->body) == JSON_OBJECT && json_next(&it);)
		take_member(call, params, &request->param_count, it.key, it.value);
	request->params = params;
	call->request = request;
}

int api_run_batch(struct api_call *call, struct mr_error *err)
{
	use_body(call);
	return api_run_list(call, err);
}

int api_instance_batch(struct api_call *call, struct mr_error *err)
{
	use_body(call);
	return api_instance_list(call, err);
}

/* ---- counts ---- */

struct stats {
	struct api_call *call;
	int64_t total;
};

static int put_stats(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct stats *stats = arg;
	struct json_writer *w = &stats->call->w;
	json_begin_object(w);
	json_member_str(w, "dag_id", json_str(json_get(row, "dag_id")));
	json_member_str(w, "dag_display_name", json_str(json_get(row, "dag_id")));
	json_key(w, "stats");
	json_begin_array(w);
	for (int s = 0; s < RUN_STATES; s++) {
		const char *state = run_state_name((enum run_state)s);
		json_begin_object(w);
		json_member_cstr(w, "state", state);
		json_member_int(w, "count", json_int(json_get(row, state)));
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
	stats->total++;
	return 0;
}

/* ?dag_ids=a&dag_ids=b; none: every DAG. */
int api_dag_stats(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {0};
	struct mr_buf sql = {0};
	struct stats stats = {call, 0};
	mr_buf_cstr(&sql, "SELECT d.dag_id AS dag_id");
	for (int s = 0; s < RUN_STATES; s++)
		mr_buf_printf(
		    &sql,
		    ", (SELECT count(*) FROM dag_run r WHERE r.dag_id = d.dag_id AND r.state = '%s') AS %s",
		    run_state_name((enum run_state)s), run_state_name((enum run_state)s));
	mr_buf_cstr(&sql, " FROM dag d WHERE d.is_active = 1 AND (");
	for (size_t i = 0; i < call->request->param_count; i++) {
		if (!mr_str_is(call->request->params[i].name, "dag_ids") ||
		    params.count == MR_COUNT(params.items))
			continue;
		sql_param(&params, call->request->params[i].value);
		mr_buf_printf(&sql, "d.dag_id = ?%zu OR ", params.count);
	}
	mr_buf_cstr(&sql, params.count ? "FALSE) ORDER BY d.dag_id" : "TRUE) ORDER BY d.dag_id");
	api_begin_list(call, "dags");
	int rc = api_query(call, sql.ptr, params.items, params.count, put_stats, &stats, err);
	api_end_list(call, stats.total);
	mr_buf_release(&sql);
	return rc;
}
