#include "app/api.h"

#include "admin/consume.h"
#include "api/call.h"
#include "api/http.h"
#include "app/metrics.h"
#include "base/mem.h"
#include "console/console.h"
#include "http/client.h"
#include "query/script.h"

#include <stdlib.h>

#define PRODUCE_TIMEOUT_MS 30000

/* ---- what the endpoints do, for commands in the same process too ---- */

int app_sql(struct app *app, mr_str text, const char *format, int width, app_put_fn put, void *arg,
	    struct mr_error *err)
{
	return script_run(app_sessions(app), text, format, width, put, arg, err);
}

static int nothing(struct core *core, void *arg, struct mr_error *err)
{
	(void)core, (void)arg, (void)err;
	return 0;
}

int app_dag_call(struct app *app, const char *method, const char *target, mr_str body, struct mr_buf *out,
		 struct mr_error *err)
{
	struct dags *dags = app_dags(app);
	struct api_reply reply = {0};
	if (!dags) {
		mr_fail(err, MR_ERR_NOT_FOUND, "this project has no DAGs");
		return mr_hint(err, "its folder of DAG files is %s", app_project(app)->dags.folder);
	}
	/* Without a scheduler nobody else tells the store what the files say. */
	int rc = dags_started(dags) ? 0 : dags_call(dags, nothing, NULL, err);
	if (rc < 0 && rc != MR_ERR_UNAVAILABLE) /* another server leads: what is there can be read */
		return rc;
	api_handle_target(dags, method, target, body, &reply);
	if (reply.status >= 300)
		rc = http_detail(mr_buf_view(&reply.body), reply.status, err);
	else
		mr_buf_str(out, mr_buf_view(&reply.body));
	mr_buf_release(&reply.body);
	return rc;
}

struct admin app_admin(struct app *app)
{
	return (struct admin){app_env(app), app_broker(app), app_groups(app), app_auth(app)};
}

static int add_line(struct app *app, struct producer *producer, mr_str topic, mr_str line, uint64_t token,
		    struct mr_error *err)
{
	int64_t now_ms = clock_wall_ms(app_env(app)->clock);
	int rc;
	while ((rc = producer_add(producer, topic, MR_STR_NULL, line, NULL, 0, now_ms, token, err)) ==
	       MR_ERR_BUSY) {
		rc = producer_drain(producer, PRODUCE_TIMEOUT_MS, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int app_topic_produce(struct app *app, mr_str name, mr_str lines, int64_t *count_out, struct mr_error *err)
{
	struct producer_options options = {0};
	struct producer *producer;
	int rc = producer_new(app_broker(app), &options, &producer, err);
	if (rc < 0)
		return rc;
	int64_t count = 0;
	while (lines.len && rc == 0) {
		const char *end = memchr(lines.ptr, '\n', lines.len);
		mr_str line = mr_str_n(lines.ptr, end ? (size_t)(end - lines.ptr) : lines.len);
		lines = mr_str_tail(lines, line.len + 1);
		rc = add_line(app, producer, name, line, (uint64_t)++count, err);
	}
	if (rc == 0)
		rc = producer_drain(producer, PRODUCE_TIMEOUT_MS, err);
	producer_free(producer);
	if (rc == 0)
		*count_out = count;
	return rc;
}

/* ---- handlers ---- */

static void handle_health(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg, (void)request;
	reply->content_type = "text/plain";
	mr_buf_cstr(&reply->body, "ok\n");
}

static void handle_ready(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)request;
	reply->content_type = "text/plain";
	reply->status = app_ready(arg) ? 200 : 503;
	mr_buf_cstr(&reply->body, app_ready(arg) ? "ready\n" : "not ready\n");
}

static void handle_metrics(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)request;
	reply->content_type = "text/plain; version=0.0.4";
	app_metrics(arg, &reply->body);
}

static void handle_status(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)request;
	app_status_json(arg, &reply->body);
}

#define SQL_REPLY_MAX ((size_t)256 << 20)

static int sql_collect(void *arg, mr_str bytes)
{
	struct mr_buf *body = arg;
	mr_buf_str(body, bytes);
	return body->overflow;
}

/* Collected whole before it is sent, so that an error in row N still is an error to the client. */
static void handle_sql(void *arg, const struct http_request *request, struct http_reply *reply)
{
	const char *format = http_param(request, "format"), *width = http_param(request, "width");
	struct mr_error err;
	mr_buf_init(&reply->body, SQL_REPLY_MAX);
	int rc = app_sql(arg, request->body, format ? format : "json",
			 width ? (int)strtol(width, NULL, 10) : 0, sql_collect, &reply->body, &err);
	if (reply->body.overflow)
		rc = mr_fail(&err, MR_ERR_LIMIT,
			     "the result is larger than 256 MiB: narrow the query, or add a LIMIT");
	if (rc < 0)
		http_reply_error(reply, &err);
	else
		reply->content_type = "text/plain; charset=utf-8";
}

static void handle_admin(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct admin admin = app_admin(arg);
	struct mr_error err;
	if (admin_call(&admin, request->tail, request->body, &reply->body, &err) < 0)
		http_reply_error(reply, &err);
}

static void handle_consume(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct admin admin = app_admin(arg);
	struct mr_error err;
	reply->content_type = "application/octet-stream";
	if (admin_consume(&admin, request->body, &reply->body, &err) < 0)
		http_reply_error(reply, &err);
}

static void handle_produce(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct mr_error err;
	int64_t count;
	if (app_topic_produce(arg, request->tail, request->body, &count, &err) < 0)
		http_reply_error(reply, &err);
	else
		mr_buf_printf(&reply->body, "{\"records\":%lld}", (long long)count);
}

static void handle_drain(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)request;
	struct mr_error err;
	if (app_drain(arg, &err) < 0)
		http_reply_error(reply, &err);
	else
		mr_buf_cstr(&reply->body, "{}");
}

static void handle_dags(void *arg, const struct http_request *request, struct http_reply *reply)
{
	api_handle_http(app_dags(arg), request, reply);
}

int api_serve(struct app *app, const char *address, struct http_server **out, int *port_out,
	      struct mr_error *err)
{
	const struct http_route routes[] = {
	    {"GET", "/healthz", handle_health, app},
	    {"GET", "/readyz", handle_ready, app},
	    {"GET", "/metrics", handle_metrics, app},
	    {"GET", "/api/v1/status", handle_status, app},
	    {"POST", "/api/v1/sql", handle_sql, app},
	    {"POST", "/api/v1/admin/*", handle_admin, app},
	    {"POST", "/api/v1/consume", handle_consume, app},
	    {"POST", "/api/v1/records/*", handle_produce, app},
	    {"POST", "/api/v1/drain", handle_drain, app},
	    {"GET", API_PREFIX "/*", handle_dags, app},
	    {"POST", API_PREFIX "/*", handle_dags, app},
	    {"PATCH", API_PREFIX "/*", handle_dags, app},
	    {"DELETE", API_PREFIX "/*", handle_dags, app},
	    {"GET", "/", console_page, NULL},
	    {"GET", "/dags", console_page, NULL},
	    {"GET", "/dags/*", console_page, NULL},
	    {"GET", "/assets/*", console_asset, NULL},
	};
	return http_server_start(address, routes, MR_COUNT(routes), out, port_out, err);
}
