#include "api/call.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_NONE_JSON "null"
#define PARAMS_MAX 128

/* ---- query and body ---- */

mr_str api_param(const struct api_call *call, const char *name)
{
	for (size_t i = 0; i < call->request->param_count; i++) {
		if (mr_str_is(call->request->params[i].name, name))
			return call->request->params[i].value;
	}
	return MR_STR_NULL;
}

static bool is_true(mr_str text)
{
	return mr_str_is(text, "true") || mr_str_is(text, "True") || mr_str_is(text, "1");
}

bool api_flag(const struct api_call *call, const char *name, bool otherwise)
{
	mr_str value = api_param(call, name);
	return value.ptr ? is_true(value) : otherwise;
}

void api_fault(struct api_call *call, const char *type, const char *place, const char *name, const char *msg,
	       struct json_value input)
{
	if (call->faults.len)
		mr_buf_char(&call->faults, ',');
	struct json_writer w = json_writer(&call->faults);
	json_begin_object(&w);
	json_member_cstr(&w, "type", type);
	json_key(&w, "loc");
	json_begin_array(&w);
	json_put_cstr(&w, place);
	json_put_cstr(&w, name);
	json_end_array(&w);
	json_member_cstr(&w, "msg", msg);
	json_key(&w, "input");
	if (json_present(input))
		json_put_value(&w, input);
	else
		json_put_null(&w);
	json_end_object(&w);
}

bool api_faulty(const struct api_call *call)
{
	return call->faults.len > 0;
}

/* Absent when it is not there, or null. */
static struct json_value member(struct api_call *call, const char *name, bool required)
{
	struct json_value v = json_get(call->body, name);
	if (required && !json_present(v))
		api_fault(call, "missing", "body", name, "Field required", call->body);
	return json_type(v) == JSON_NULL ? (struct json_value){0} : v;
}

mr_str api_body_str(struct api_call *call, const char *name, bool required)
{
	struct json_value v = member(call, name, required);
	if (json_present(v) && json_type(v) != JSON_STRING) {
		api_fault(call, "string_type", "body", name, "Input should be a valid string", v);
		return MR_STR_NULL;
	}
	return json_present(v) ? json_str(v) : MR_STR_NULL;
}

int64_t api_body_int(struct api_call *call, const char *name, int64_t least, int64_t most, int64_t otherwise)
{
	struct json_value v = member(call, name, false);
	if (!json_present(v))
		return otherwise;
	int64_t n = json_int(v);
	if (json_type(v) != JSON_INT)
		api_fault(call, "int_type", "body", name, "Input should be a valid integer", v);
	else if (n < least || n > most)
		api_fault(call, "greater_than_equal", "body", name, "Input is out of its range", v);
	return n;
}

bool api_body_bool(struct api_call *call, const char *name, bool otherwise)
{
	struct json_value v = member(call, name, false);
	if (json_present(v) && json_type(v) != JSON_BOOL)
		api_fault(call, "bool_type", "body", name, "Input should be a valid boolean", v);
	return json_present(v) ? json_bool(v) : otherwise;
}

int64_t api_body_time(struct api_call *call, const char *name, bool required)
{
	struct json_value v = member(call, name, required);
	int64_t us = NO_TIME;
	if (json_present(v) && (json_type(v) != JSON_STRING || !parse_time(json_str(v), &us)))
		api_fault(call, "datetime_from_date_parsing", "body", name,
			  "Input should be a valid datetime or date", v);
	return us;
}

mr_str api_body_object(struct api_call *call, const char *name)
{
	struct json_value v = member(call, name, false);
	struct mr_buf text = {0};
	if (!json_present(v))
		return MR_STR_NULL;
	if (json_type(v) != JSON_OBJECT) {
		api_fault(call, "dict_type", "body", name, "Input should be a valid dictionary", v);
		return MR_STR_NULL;
	}
	json_write_value(&text, v);
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

/* ---- what handlers share ---- */

int api_query(struct api_call *call, const char *sql, const mr_str *params, size_t param_count,
	      api_row_fn *fn, void *arg, struct mr_error *err)
{
	struct dag_store *store = dags_store(call->dags);
	struct mr_buf lines = {0};
	struct json_parser *parser = json_parser_new();
	struct json_value row;
	int rc = store->ops->query(store, sql, params, param_count, &lines, err);
	mr_str left = mr_buf_view(&lines);
	while (rc == 0 && left.len) {
		const char *end = memchr(left.ptr, '\n', left.len);
		mr_str line = mr_str_n(left.ptr, end ? (size_t)(end - left.ptr) : left.len);
		left = mr_str_tail(left, line.len + 1);
		rc = json_parse(parser, line, &row, err);
		if (rc == 0)
			rc = fn(arg, row, err);
	}
	json_parser_free(parser);
	mr_buf_release(&lines);
	return rc < 0 ? rc : 0;
}

mr_str api_number(mr_str text)
{
	size_t sign = text.len && text.ptr[0] == '-';
	bool number = text.len > sign && text.len <= 18;
	for (size_t i = sign; i < text.len && number; i++)
		number = text.ptr[i] >= '0' && text.ptr[i] <= '9';
	return number ? text : MR_STR("-9");
}

mr_str api_pattern(struct api_call *call, mr_str text)
{
	char *to = arena_alloc(&call->arena, text.len * 2 + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			to[n++] = '\\';
		to[n++] = text.ptr[i];
	}
	to[n] = 0;
	return mr_str_n(to, n);
}

int api_no_dag(mr_str dag_id, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOT_FOUND, "The Dag with ID: `%.*s` was not found", MR_FMT(dag_id));
}

static int take_version(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct mr_buf *version = arg;
	mr_buf_str(version, json_str(json_get(row, "dag_version")));
	return 0;
}

int api_dag(struct api_call *call, mr_str dag_id, struct dag **out, struct mr_error *err)
{
	struct dag *dag = dags_find(call->dags, dag_id);
	struct mr_buf version = {0};
	int rc = 0;
	if (!dag) {
		rc = api_query(call, "SELECT dag_version FROM dag WHERE dag_id = ?1", &dag_id, 1,
			       take_version, &version, err);
		if (rc == 0 && !version.len)
			rc = api_no_dag(dag_id, err);
		if (rc == 0)
			rc = dags_version(call->dags, dag_id, mr_buf_view(&version), &dag, err);
		mr_buf_release(&version);
	}
	if (rc == 0)
		*out = dag;
	return rc;
}

void api_begin_list(struct api_call *call, const char *key)
{
	json_begin_object(&call->w);
	json_key(&call->w, key);
	json_begin_array(&call->w);
}

void api_end_list(struct api_call *call, int64_t total_entries)
{
	json_end_array(&call->w);
	json_member_int(&call->w, "total_entries", total_entries);
	json_end_object(&call->w);
}

/* ---- answers ---- */

static int status_of(int code)
{
	static const struct {
		int code, status;
	} table[] = {
	    {MR_ERR_INVALID, 400}, {MR_ERR_NOT_FOUND, 404},   {MR_ERR_EXISTS, 409}, {MR_ERR_CONFLICT, 409},
	    {MR_ERR_LIMIT, 413},   {MR_ERR_UNSUPPORTED, 400}, {MR_ERR_BUSY, 503},   {MR_ERR_CLOSED, 503},
	    {MR_ERR_TIMEOUT, 504}, {MR_ERR_UNAVAILABLE, 503},
	};
	for (size_t i = 0; i < MR_COUNT(table); i++) {
		if (table[i].code == code)
			return table[i].status;
	}
	return 500;
}

static void answer_error(struct api_reply *reply, int status, const struct mr_error *err)
{
	mr_buf_clear(&reply->body);
	struct json_writer w = json_writer(&reply->body);
	json_begin_object(&w);
	json_member_cstr(&w, "detail", err->message);
	if (err->hint[0])
		json_member_cstr(&w, "hint", err->hint);
	json_end_object(&w);
	reply->status = status;
	reply->content_type = "application/json";
}

static void answer_faults(struct api_call *call)
{
	struct api_reply *reply = call->reply;
	mr_buf_clear(&reply->body);
	mr_buf_cstr(&reply->body, "{\"detail\":[");
	mr_buf_str(&reply->body, mr_buf_view(&call->faults));
	mr_buf_cstr(&reply->body, "]}");
	reply->status = 422;
}

/* ---- dispatch ---- */

static mr_str take_segment(mr_str *path)
{
	const char *slash = path->len ? memchr(path->ptr, '/', path->len) : NULL;
	mr_str segment = mr_str_n(path->ptr, slash ? (size_t)(slash - path->ptr) : path->len);
	*path = mr_str_tail(*path, segment.len + 1);
	return segment;
}

static bool matches(const char *pattern, mr_str path, mr_str *variables)
{
	mr_str left = mr_str_from(pattern);
	size_t n = 0;
	while (left.len && path.len) {
		mr_str want = take_segment(&left), got = take_segment(&path);
		if (want.len && want.ptr[0] == '{')
			variables[n++] = got;
		else if (!mr_str_eq(want, got))
			return false;
	}
	return !left.len && !path.len;
}

static const struct api_route *find_route(struct api_call *call, bool *path_known)
{
	mr_str path = call->request->path;
	if (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	*path_known = false;
	for (size_t i = 0; i < api_route_count; i++) {
		if (!matches(api_routes[i].pattern, path, call->path))
			continue;
		*path_known = true;
		if (mr_str_is(call->request->method, api_routes[i].method))
			return &api_routes[i];
	}
	return NULL;
}

static int read_body(struct api_call *call, struct mr_error *err)
{
	call->parser = json_parser_new();
	if (!call->request->body.len)
		return 0;
	int rc = json_parse(call->parser, call->request->body, &call->body, err);
	if (rc < 0) {
		call->body = (struct json_value){0};
		api_fault(call, "json_invalid", "body", "", "JSON decode error", call->body);
	}
	return rc;
}

void api_handle(struct dags *dags, const struct api_request *request, struct api_reply *reply)
{
	struct api_call call = {.dags = dags, .request = request, .reply = reply};
	struct mr_error err = {0};
	bool path_known;
	call.w = json_writer(&reply->body);
	reply->status = 200;
	reply->content_type = "application/json";
	const struct api_route *route = find_route(&call, &path_known);
	int rc = 0;
	if (!route) {
		mr_fail(&err, MR_ERR_NOT_FOUND, path_known ? "Method Not Allowed" : "Not Found");
		answer_error(reply, path_known ? 405 : 404, &err);
		return;
	}
	if (read_body(&call, &err) == 0)
		rc = route->handle(&call, &err);
	if (api_faulty(&call))
		answer_faults(&call);
	else if (rc < 0)
		answer_error(reply, status_of(err.code), &err);
	mr_buf_release(&call.faults);
	json_parser_free(call.parser);
	arena_release(&call.arena);
}

/* ---- a target as text ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static mr_str decode(struct arena *arena, mr_str text)
{
	char *to = arena_alloc(arena, text.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		bool escape = text.ptr[i] == '%' && i + 2 < text.len && hex(text.ptr[i + 1]) >= 0 &&
			      hex(text.ptr[i + 2]) >= 0;
		to[n++] = escape ? (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2])) : text.ptr[i];
		i += escape ? 2 : 0;
	}
	to[n] = 0;
	return mr_str_n(to, n);
}

void api_handle_target(struct dags *dags, const char *method, const char *target, mr_str body,
		       struct api_reply *reply)
{
	struct arena arena = {0};
	struct api_param params[PARAMS_MAX];
	size_t count = 0;
	const char *query = strchr(target, '?');
	mr_str path = query ? mr_str_n(target, (size_t)(query - target)) : mr_str_from(target);
	mr_str left = query ? mr_str_from(query + 1) : MR_STR("");
	while (left.len && count < PARAMS_MAX) {
		const char *end = memchr(left.ptr, '&', left.len);
		mr_str one = mr_str_n(left.ptr, end ? (size_t)(end - left.ptr) : left.len);
		const char *is = memchr(one.ptr, '=', one.len);
		mr_str name = is ? mr_str_n(one.ptr, (size_t)(is - one.ptr)) : one;
		params[count].name = decode(&arena, name);
		params[count++].value = decode(&arena, mr_str_tail(one, name.len + 1));
		left = mr_str_tail(left, one.len + 1);
	}
	struct api_request request = {.method = mr_str_from(method),
				      .path = decode(&arena, path),
				      .body = body,
				      .params = params,
				      .param_count = count};
	api_handle(dags, &request, reply);
	arena_release(&arena);
}
