/* HttpOperator, HttpSensor and EmailOperator, and the callbacks of DAG files (notify). */
#include "task/op.h"

#include "dag/civil.h"
#include "task/notify.h"
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

/* A header's value on one line. */
static void put_header(struct mr_buf *out, const char *name, mr_str value)
{
	mr_buf_printf(out, "%s: ", name);
	for (size_t i = 0; i < value.len; i++)
		mr_buf_char(out, value.ptr[i] == '\r' || value.ptr[i] == '\n' ? ' ' : value.ptr[i]);
	mr_buf_cstr(out, "\r\n");
}

static void put_lines(struct mr_buf *out, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
			mr_buf_char(out, '\r');
		mr_buf_char(out, text.ptr[i]);
	}
	mr_buf_cstr(out, "\r\n");
}

struct letter {
	mr_str subject, html;
	const mr_str *to;
	size_t to_count;
};

static int send_letter(struct vault *vault, mr_str conn_id, const struct letter *letter, struct arena *arena,
		       struct mr_error *err)
{
	struct connection c = {.extra_json = MR_STR("{}")};
	struct mr_buf message = {0}, all = {0};
	int rc = vault ? vault_connection(vault, conn_id, arena, &c, err) : 1;
	if (rc == 1) {
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no connection '%.*s' to send mail with",
			MR_FMT(conn_id));
		rc = mr_hint(
		    err, "set AIRFLOW_CONN_SMTP_DEFAULT=smtp://user:password@host:587/?from_email=me@host");
	}
	if (rc < 0)
		return rc;
	struct json_parser *parser = json_parser_new();
	struct json_value extra = {0};
	mr_str from = c.login;
	if (json_parse(parser, c.extra_json, &extra, NULL) == 0 &&
	    json_str(json_get(extra, "from_email")).len)
		from = arena_copy(arena, json_str(json_get(extra, "from_email")));
	json_parser_free(parser);
	for (size_t i = 0; i < letter->to_count; i++) {
		mr_buf_cstr(&all, i ? ", " : "");
		mr_buf_str(&all, letter->to[i]);
	}
	put_header(&message, "From", from);
	put_header(&message, "To", mr_buf_view(&all));
	put_header(&message, "Subject", letter->subject);
	mr_buf_cstr(&message, "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n");
	put_lines(&message, letter->html);
	bool tls = mr_str_is(c.type, "smtps") || c.port == 465;
	struct web_mail mail = {
	    .url = arena_printf(arena, "%s://%.*s:%d", tls ? "smtps" : "smtp", MR_FMT(c.host),
				c.port ? (int)c.port : 25)
		       .ptr,
	    .login = c.login.len && c.password.len ? arena_copy(arena, c.login).ptr : NULL,
	    .password = c.password.len ? arena_copy(arena, c.password).ptr : NULL,
	    .from = from,
	    .to = letter->to,
	    .to_count = letter->to_count,
	    .message = mr_buf_view(&message),
	};
	rc = web_mail(&mail, err);
	mr_buf_release(&message);
	mr_buf_release(&all);
	return rc;
}

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
	struct letter letter = {op_str(call, "subject"), op_str(call, "html_content"), all, n};
	if (n == 0)
		return mr_fail(err, MR_ERR_INVALID, "there is nobody to send to");
	out->outcome = DAG_SUCCEEDED;
	return send_letter(call->services->vault, op_str(call, "conn_id"), &letter, &call->arena, err);
}

/* ---- callbacks ---- */

static void put_notice(const struct task_notice *notice, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_str(&w, "event", notice->what);
	json_member_str(&w, "dag_id", notice->dag_id);
	json_member_str(&w, "run_id", notice->run_id);
	json_member_str(&w, "task_id", notice->task_id);
	json_member_int(&w, "map_index", notice->map_index);
	json_member_str(&w, "detail", notice->detail);
	json_end_object(&w);
}

/* webhook: a URL or a connection's id, alone or as {"url": …} / {"conn_id": …}. */
static int send_webhook(struct vault *vault, struct json_value how, const struct task_notice *notice,
			struct arena *arena, struct mr_error *err)
{
	struct mr_buf json = {0}, body = {0};
	const char *type = "Content-Type: application/json";
	struct connection c;
	int status = 0, rc = 0;
	mr_str target = json_type(how) == JSON_STRING ? json_str(how) : json_str(json_get(how, "url"));
	if (!target.len)
		target = json_str(json_get(how, "conn_id"));
	if (!mr_str_starts(target, MR_STR("http"))) {
		rc = vault ? vault_connection(vault, target, arena, &c, err) : 1;
		if (rc == 1)
			rc = mr_fail(err, MR_ERR_NOT_FOUND, "there is no connection '%.*s'", MR_FMT(target));
		if (rc < 0)
			return rc;
		target = c.port ? arena_printf(arena, "%.*s://%.*s:%d/%.*s", MR_FMT(c.type), MR_FMT(c.host),
					       (int)c.port, MR_FMT(c.schema))
				: arena_printf(arena, "%.*s://%.*s/%.*s", MR_FMT(c.type), MR_FMT(c.host),
					       MR_FMT(c.schema));
	}
	put_notice(notice, &json);
	struct web_request request = {.method = "POST",
				      .url = arena_copy(arena, target).ptr,
				      .headers = &type,
				      .header_count = 1,
				      .body = mr_buf_view(&json),
				      .timeout_ms = 10000};
	rc = web_call(&request, &status, &body, err);
	if (rc == 0 && (status < 200 || status > 299))
		rc = mr_fail(err, MR_ERR_UNAVAILABLE, "the webhook answered %d", status);
	mr_buf_release(&json);
	mr_buf_release(&body);
	return rc;
}

static int send_mail(struct vault *vault, struct json_value how, const struct task_notice *notice,
		     struct arena *arena, struct mr_error *err)
{
	struct json_value to = json_type(how) == JSON_OBJECT ? json_get(how, "to") : how;
	bool many = json_type(to) == JSON_ARRAY;
	size_t count = many ? json_count(to) : 1;
	mr_str *list = arena_alloc(arena, (count + 1) * sizeof *list);
	for (size_t i = 0; i < count; i++)
		list[i] = arena_copy(arena, json_str(many ? json_at(to, i) : to));
	mr_str conn = json_str(json_get(how, "conn_id"));
	struct letter letter = {
	    arena_printf(arena, "millrace: %.*s %.*s", MR_FMT(notice->what), MR_FMT(notice->dag_id)),
	    arena_printf(arena, "%.*s: DAG %.*s, run %.*s, task %.*s<br>%.*s", MR_FMT(notice->what),
			 MR_FMT(notice->dag_id), MR_FMT(notice->run_id), MR_FMT(notice->task_id),
			 MR_FMT(notice->detail)),
	    list, count};
	return send_letter(vault, conn.len ? conn : MR_STR("smtp_default"), &letter, arena, err);
}

int task_notify(struct vault *vault, mr_str kind, mr_str how_json, const struct task_notice *notice,
		struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct arena arena = {0};
	struct json_value how;
	int rc = json_parse(parser, how_json, &how, err);
	if (rc == 0 && mr_str_is(kind, "webhook"))
		rc = send_webhook(vault, how, notice, &arena, err);
	else if (rc == 0 && mr_str_is(kind, "email"))
		rc = send_mail(vault, how, notice, &arena, err);
	else if (rc == 0)
		rc = mr_fail(err, MR_ERR_UNSUPPORTED, "there is no callback '%.*s'", MR_FMT(kind));
	json_parser_free(parser);
	arena_release(&arena);
	return rc;
}
