/* app/app.h - the program put together: one project folder, every role in one process.
 *
 * app_open locks the data folder, recovers the log, declares topics, opens tables and flows.
 * app_serve starts what moves by itself: ingest, flows, the listeners. Without app_serve the app
 * only answers queries: what `millrace sql` does when no server runs.
 *
 * Threading: open, serve, drain and close from one thread; the rest from any.
 */
#pragma once

#include "auth/auth.h"
#include "base/error.h"
#include "base/types.h"
#include "broker/broker.h"
#include "conf/project.h"
#include "env/env.h"
#include "flow/runner.h"
#include "ingest/ingest.h"
#include "kafka/server.h"
#include "query/session.h"
#include "service/gateway.h"
#include "upkeep/upkeep.h"

struct app;
struct dags;

enum app_part {
	APP_ALL,
	APP_BROKER,    /* topics and the Kafka endpoint alone: no SQL, tables, flows, HTTP */
	APP_EPHEMERAL, /* the same for data that nobody will miss: topics are relaxed when they say nothing */
};
MR_NODISCARD int app_open(const struct env *env, const struct project *project, enum app_part part,
			  struct app **out, struct mr_error *err);
/* Stops the listeners, makes safe what was received, commits what ingest has, closes. At most
 * a few seconds. NULL is fine. */
void app_close(struct app *app);

/* Binds every listener before it starts any. Writes DATA/run.json, by which the other commands
 * find this server. */
MR_NODISCARD int app_serve(struct app *app, struct mr_error *err);
/* Before app_serve: the Kafka endpoint may listen beyond loopback though there is no user. */
void app_allow_insecure(struct app *app);

/* Bring every table up to what the log holds now: commit ingest, then run the flows until
 * nothing is left. The listeners stay; flows pause meanwhile. */
MR_NODISCARD int app_drain(struct app *app, struct mr_error *err);

const struct project *app_project(const struct app *app);
const struct env *app_env(const struct app *app);
struct broker *app_broker(struct app *app);
struct groups *app_groups(struct app *app);
struct auth *app_auth(struct app *app);
struct catalog *app_catalog(struct app *app);
struct session_pool *app_sessions(struct app *app);
struct runner *app_runner(struct app *app);
struct upkeep *app_upkeep(struct app *app);
struct dags *app_dags(struct app *app);          /* NULL when the project has no DAGs */
struct gateway *app_gateway(struct app *app);    /* NULL when there is none */
struct kafka_server *app_kafka(struct app *app); /* NULL when it does not listen */
size_t app_ingests(struct app *app, struct ingest *const **out);
int app_http_port(const struct app *app);      /* 0 when it does not listen */
int64_t app_started_ms(const struct app *app); /* wall clock of app_open */
bool app_ready(const struct app *app);         /* serving, and not closing */
/* Statements of transformations that were left out, with their place. */
size_t app_pipeline_errors(const struct app *app, const struct mr_error **out);

/* {"kafka":"127.0.0.1:9092","http":…}: where a running server of this data folder listens.
 * MR_ERR_NOT_FOUND when none runs. address is "127.0.0.1:PORT" of its HTTP endpoint. */
MR_NODISCARD int app_find_server(const struct env *env, const char *data_dir, char address[64],
				 struct mr_error *err);
