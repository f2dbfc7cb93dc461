/* HttpOperator, HttpSensor and EmailOperator. */
#include "task/mail.h"
#include "task/op.h"
#include "task/web.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- HTTP ---- */

/* endpoint below the connection's host; a whole URL stands for itself. */
static int make_url(struct op_call *call, const struct connection *c, const char **out, struct mr_error *err)
{
	mr_str endpoint = op_str(call, "endpoint");
	bool whole =
	    mr_str_starts(endpoint, MR_STR("http://")) || mr_str_starts(endpoint, MR_STR("https://"));
	if (!whole && !c->host.len) {
		mr_fail(err, MR_ERR_INVALID, "where '%.*s' is, is not said", MR_FMT(endpoint));
		return mr_hint(err, "give a whole URL, or set AIRFLOW_CONN_HTTP_DEFAULT=http://host:port");
	}
	mr_str scheme =
	    mr_str_is(c->type, "https") || mr_str_is(c->schema, "https") ? MR_STR("https") : MR_STR("http");
	bool slash = endpoint.len && endpoint.ptr[0] == '/';
	if (whole)
		*out = arena_copy(&call->arena, endpoint).ptr;
	else if (c->port)
		*out = arena_printf(&call->arena, "%.*s://%.*s:%d%s%.*s", MR_FMT(scheme), MR_FMT(c->host),
				    (int)c->port, slash ? "" : "/", MR_FMT(endpoint))
			   .ptr;
	else
		*out = arena_printf(&call->arena, "%.*s://%.*s%s%.*s", MR_FMT(scheme), MR_FMT(c->host),
				    slash ? "" : "/", MR_FMT(endpoint))
			   .ptr;
	return 0;
}

static int find_connection(struct op_call *call, const char *argument, struct connection *out,
			   struct mr_error *err)
{
	mr_str id = op_str(call, argument);
	*out = (struct connection){.extra_json = MR_STR("{}")};
	int rc =
	    call->services->vault ? vault_connection(call->services->vault, id, &call->arena, out, err) : 1;
	return rc < 0 ? rc : 0; /* one that is not there has nothing to say */
}

static const char *c_text(struct op_call *call, mr_str text)
{
	return text.len ? arena_copy(&call->arena, text).ptr : NULL;
}

static size_t put_headers(struct op_call *call, const char ***out)
{
	struct json_value headers = op_arg(call, "headers");
	size_t n = 0;
	*out = arena_alloc(&call->arena, (json_count(headers) + 1) * sizeof **out);
	for (struct json_iter it = json_iter(headers); json_next(&it);) {
		const char *line =
		    arena_printf(&call->arena, "%.*s: %.*s", MR_FMT(it.key), MR_FMT(json_str(it.value))).ptr;
		if (!strpbrk(line, "\r\n"))
			(*out)[n++] = line;
	}
	return n;
}

static bool call_stopped(void *call)
{
	return op_stopped(call);
}

static int call_http(struct op_call *call, const char *method, int *status, struct mr_buf *body,
		     struct mr_error *err)
{
	struct connection c;
	struct mr_buf data = {0};
	struct web_request request = {.method = method};
	const char **headers;
	int rc = find_connection(call, "http_conn_id", &c, err);
	if (rc == 0)
		rc = make_url(call, &c, &request.url, err);
	if (rc != 0)
		return rc;
	struct json_value given = op_arg(call, "data");
	if (json_type(given) == JSON_STRING)
		mr_buf_str(&data, json_str(given));
	else if (json_type(given) != JSON_NULL)
		json_write_value(&data, given);
	request.header_count = put_headers(call, &headers);
	request.headers = headers;
	request.body = mr_buf_view(&data);
	request.login = c_text(call, c.login);
	request.password = c_text(call, c.password);
	request.stopped = call_stopped;
	request.arg = call;
	request.timeout_ms = call->try->task->execution_timeout_us / 1000;
	task_log_line(&call->log, "INFO", "Calling %s %s", method, request.url);
	rc = web_call(&request, status, body, err);
	if (rc == 0)
		task_log_line(&call->log, "INFO", "Status %d, %zu bytes", *status, body->len);
	mr_buf_release(&data);
	return rc;
}

int http_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	struct mr_buf body = {0}, json = {0};
	int status = 0;
	int rc = call_http(call, c_text(call, op_str(call, "method")), &status, &body, err);
	if (rc == 0 && (status < 200 || status > 299))
		rc = mr_fail(err, MR_ERR_UNAVAILABLE, "status %d: %.*s", status,
			     (int)mr_min_size(body.len, 300), mr_buf_view(&body).ptr);
	if (rc == 0) {
		if (op_bool(call, "log_response"))
			task_log_text(&call->log, mr_buf_view(&body));
		json_quote(&json, mr_buf_view(&body));
		out->outcome = DAG_SUCCEEDED;
		out->xcom_json = arena_copy(&call->arena, mr_buf_view(&json));
	}
	mr_buf_release(&body);
	mr_buf_release(&json);
	return rc;
}

/* Found on a 2xx; 404 is "not yet", as in Airflow; anything else is an error. */
int http_poke(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err)
{
	struct mr_buf body = {0};
	int status = 0;
	int rc = call_http(call, c_text(call, op_str(call, "method")), &status, &body, err);
	*found = rc == 0 && status >= 200 && status <= 299;
	mr_str want = op_str(call, "response_contains");
	if (*found && want.len)
		*found = body.len && memmem(body.ptr, body.len, want.ptr, want.len);
	if (rc == 0 && (status < 200 || status > 299) && status != 404)
		rc = mr_fail(err, MR_ERR_UNAVAILABLE, "status %d", status);
	mr_buf_release(&body);
	return rc;
}

/* ---- mail ---- */

int email_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	mr_str *to, *cc, *bcc;
	size_t to_count = op_list(call, "to", &to), cc_count = op_list(call, "cc", &cc),
	       bcc_count = op_list(call, "bcc", &bcc), n = 0;
	mr_str *all = arena_alloc(&call->arena, (to_count + cc_count + bcc_count + 1) * sizeof *all);
	for (size_t i = 0; i < to_count; i++)
		all[n++] = to[i];
	for (size_t i = 0; i < cc_count; i++)
		all[n++] = cc[i];
	for (size_t i = 0; i < bcc_count; i++)
		all[n++] = bcc[i];
	struct letter letter = {.conn_id = op_str(call, "conn_id"),
				.subject = op_str(call, "subject"),
				.html = op_str(call, "html_content"),
				.to = all,
				.to_count = n,
				.shown = to_count + cc_count,
				.stopped = call_stopped,
				.arg = call};
	if (n == 0)
		return mr_fail(err, MR_ERR_INVALID, "there is nobody to send to");
	out->outcome = DAG_SUCCEEDED;
	return mail_send(call->services->vault, &letter, err);
}
