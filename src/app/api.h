/* app/api.h - the HTTP endpoints of a serving app.
 *
 *   GET  /healthz              the process answers
 *   GET  /readyz               it serves: 200 "ready", else 503
 *   GET  /metrics              Prometheus text
 *   GET  /api/v1/status        what runs, how far, what failed: JSON
 *   POST /api/v1/sql           body: SQL; ?format=box|csv|tsv|json|jsonl|markdown &width=N
 *   POST /api/v1/admin/VERB    topics, groups, users, ACLs: admin/admin.h
 *   POST /api/v1/consume       a piece of a topic: admin/consume.h
 *   POST /api/v1/records/NAME  produce: body: a value a line; answered when they are safe
 *   POST /api/v1/drain         bring every table up to what the log holds now
 *   ANY  /api/v2/…             DAGs, as Airflow's REST API: api/routes.c
 */
#pragma once

#include "admin/admin.h"
#include "app/app.h"
#include "http/server.h"

MR_NODISCARD int api_serve(struct app *app, const char *address, struct http_server **out, int *port_out,
			   struct mr_error *err);

/* The same, for commands that run without a server. */
void app_status_json(struct app *app, struct mr_buf *out);
/* Run every statement of `text` and render what each returns, one after the other. */
typedef int (*app_put_fn)(void *arg, mr_str bytes);
MR_NODISCARD int app_sql(struct app *app, mr_str text, const char *format, int width, app_put_fn put,
			 void *arg, struct mr_error *err);
struct admin app_admin(struct app *app);
/* METHOD /api/v2 TARGET ("/dags?limit=2", percent-encoded), answered by this process. */
MR_NODISCARD int app_dag_call(struct app *app, const char *method, const char *target, mr_str body,
			      struct mr_buf *out, struct mr_error *err);
/* Every line of `lines` a record; returns when all are safe. *count_out: how many. */
MR_NODISCARD int app_topic_produce(struct app *app, mr_str name, mr_str lines, int64_t *count_out,
				   struct mr_error *err);
