/* app/app.c - wiring: who is made from what, in which order, and who is stopped first. */
#include "app/app.h"

#include "api/dags.h"
#include "app/api.h"
#include "app/lock.h"
#include "app/system.h"
#include "app/table_watch.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/vec.h"
#include "broker/admin.h"
#include "codec/json.h"
#include "codec/jsonschema.h"
#include "http/server.h"
#include "ingest/topic_source.h"
#include "stream/spark_macros.h"
#include "share/share.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SESSIONS_MAX 8
#define STOP_MS 3000

#define EPHEMERAL_JOURNAL_BYTES ((size_t)4 << 20)

struct app {
	const struct env *env;
	const struct project *project;
	enum app_part part;
	int lock_fd;
	int64_t started_ms;
	_Atomic bool ready;
	struct log_store *store;
	struct broker *broker;
	struct groups *groups;
	struct txns *txns;
	struct share *share;
	struct auth *auth;
	struct sql_engine *engine;
	struct topic_source *topic_source;
	struct system_table *system_rows;
	struct system_tables *system;
	struct pipeline *pipeline;
	struct catalog *catalog;
	struct session_pool *sessions;
	struct runner *runner;
	struct table_watch *watch;
	pthread_mutex_t draining; /* ingests and runner are one caller's to stop and start */
	struct dags *dags;        /* NULL: the project has none */
	MR_VEC(struct ingest *) ingests;
	bool insecure;
	bool ingests_run;
	bool flows_run;
	struct kafka_server *kafka;
	struct gateway *gateway;
	struct http_server *http;
	int http_port;
	char cluster_id[32];
};

/* ---- opening ---- */

static void note(struct app *app, const char *name, const char *protocol, mr_str value)
{
	struct mr_buf text = {0};
	if (value.len) {
		mr_buf_printf(&text, "%s%.*s", protocol, MR_FMT(value));
		broker_config_note(broker_config_of(app->broker), name, mr_buf_view(&text));
	}
	mr_buf_release(&text);
}

static void note_number(struct app *app, const char *name, int64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)value);
	note(app, name, "", mr_str_from(text));
}

/* What kafka-configs shows as STATIC_BROKER_CONFIG. */
static void note_static_configs(struct app *app)
{
	const struct project *project = app->project;
	note(app, "listeners", "PLAINTEXT://", project->kafka_listen);
	note(app, "advertised.listeners", "PLAINTEXT://", project->kafka_advertised);
	note(app, "log.dirs", "", mr_str_from(project->data));
	note_number(app, "max.connections", project->kafka_max_connections);
	note_number(app, "connections.max.idle.ms", project->kafka_max_idle_ms);
	char partitions[16];
	snprintf(partitions, sizeof partitions, "%d", project->num_partitions);
	if (project->num_partitions != 1)
		note(app, "num.partitions", "", mr_str_from(partitions));
	if (!project->auto_create_topics)
		note(app, "auto.create.topics.enable", "", MR_STR("false"));
}

static void tell_health(void *arg, struct log_partition *partition, const struct mr_error *fault)
{
	(void)arg;
	const char *topic = log_topic_name(log_partition_topic(partition)).ptr;
	int index = (int)log_partition_index(partition);
	if (fault)
		mr_warn("log", "%s-%d takes no appends until its disk is well: %s", topic, index,
			fault->message);
	else
		mr_info("log", "%s-%d takes appends again", topic, index);
}

static int open_log(struct app *app, struct mr_error *err)
{
	bool ephemeral = app->part == APP_EPHEMERAL;
	struct log_store_options options = {.env = app->env,
					    .dir = app->project->data,
					    .journal_bytes = ephemeral ? EPHEMERAL_JOURNAL_BYTES : 0,
					    .health = tell_health};
	int rc = log_store_open(&options, &app->store, err);
	if (rc < 0)
		return rc;
	char *config_path = mr_asprintf("%s/broker.config", app->project->data);
	char *group_config_path = mr_asprintf("%s/group.config", app->project->data);
	struct broker_options broker = {.env = app->env,
					.store = app->store,
					.auto_create = app->project->auto_create_topics,
					.config_path = config_path,
					.group_config_path = group_config_path};
	log_topic_config_default(&broker.topic_default);
	broker.topic_default.partitions = app->project->num_partitions;
	if (ephemeral)
		broker.topic_default.durability = LOG_RELAXED;
	rc = broker_new(&broker, &app->broker, err);
	free(config_path);
	free(group_config_path);
	if (rc == 0)
		note_static_configs(app);
	return rc;
}

static int open_groups(struct app *app, struct mr_error *err)
{
	struct groups_options options;
	groups_options_default(&options);
	options.env = app->env;
	options.broker = app->broker;
	return groups_open(&options, &app->groups, err);
}

static int open_txns(struct app *app, struct mr_error *err)
{
	struct txns_options options;
	txns_options_default(&options);
	options.env = app->env;
	options.broker = app->broker;
	options.groups = app->groups;
	return txns_open(&options, &app->txns, err);
}

static int open_share(struct app *app, struct mr_error *err)
{
	struct share_options options;
	share_options_default(&options);
	options.env = app->env;
	options.broker = app->broker;
	options.groups = app->groups;
	return share_open(&options, &app->share, err);
}

static int open_auth(struct app *app, struct mr_error *err)
{
	const struct project *project = app->project;
	struct auth_user_option *users = mr_calloc(mr_max_size(project->user_count, 1), sizeof *users);
	for (size_t i = 0; i < project->user_count; i++)
		users[i] = (struct auth_user_option){project->users[i].name, project->users[i].password,
						     project->users[i].super};
	struct auth_options options = {
	    .env = app->env, .dir = project->data, .users = users, .user_count = project->user_count};
	int rc = auth_open(&options, &app->auth, err);
	free(users);
	return rc;
}

static enum on_invalid on_invalid_from(mr_str word)
{
	return mr_str_is(word, "off")      ? ON_INVALID_OFF
	       : mr_str_is(word, "reject") ? ON_INVALID_REJECT
					   : ON_INVALID_DLQ;
}

/* topics.NAME.config: one by one, so that a refusal has its place. */
static int configure_topic(struct app *app, const struct conf_topic *topic, struct mr_error *err)
{
	struct arena arena = {0};
	int rc = 0;
	for (size_t i = 0; i < topic->config_count && rc == 0; i++) {
		const struct conf_setting *given = &topic->config[i];
		struct config_change change = {given->name, CONFIG_SET,
					       config_from_people(given->name, given->value, &arena)};
		rc = broker_topic_configure(app->broker, topic->name, &change, 1, false, false, err);
		if (rc != 0)
			rc = err->code = MR_ERR_INVALID;
		if (rc != 0)
			mr_error_where(err, app->project->file, given->line, given->column);
	}
	arena_release(&arena);
	return rc;
}

static int declare_topic(struct app *app, const struct conf_topic *topic, struct mr_error *err)
{
	struct broker_topic_options options = {.on_invalid = on_invalid_from(topic->on_invalid)};
	log_topic_config_default(&options.log);
	options.log.partitions = topic->partitions;
	options.log.retention_ms = topic->retention_ms;
	options.log.retention_bytes = topic->retention_bytes;
	options.log.durability = mr_str_is(topic->durability, "relaxed") ? LOG_RELAXED : LOG_DURABLE;
	if (topic->segment_bytes > 0)
		options.log.segment_bytes = topic->segment_bytes;
	if (topic->max_message_bytes > 0)
		options.log.max_message_bytes = topic->max_message_bytes;
	char *schema_path = mr_strndup(topic->schema_path);
	int rc = 0;
	if (topic->schema_json.len) {
		options.schema_path = schema_path;
		rc = json_schema_compile(topic->schema_json, schema_path, &options.schema, err);
	}
	if (rc == 0)
		rc = broker_topic_declare(app->broker, topic->name, &options, err);
	if (rc == 0)
		rc = configure_topic(app, topic, err);
	free(schema_path);
	return rc;
}

static int declare_topics(struct app *app, struct mr_error *err)
{
	for (size_t i = 0; i < app->project->topic_count; i++) {
		int rc = declare_topic(app, &app->project->topics[i], err);
		if (rc < 0)
			return mr_error_wrap(err, rc, "topic %.*s", MR_FMT(app->project->topics[i].name));
	}
	return 0;
}

/* From here on SQL reads and writes the data folder and nothing else: a query that comes over HTTP
 * must not read the user's files. Once off, external access cannot be put on again. */
static int confine_engine(struct app *app, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SET GLOBAL allowed_directories = [");
	sql_quote_literal(&sql, mr_str_from(app->project->data));
	mr_buf_cstr(&sql, "]; SET GLOBAL enable_external_access = false");
	int rc = sql_engine_install(app->engine, mr_buf_view(&sql).ptr, err);
	mr_buf_release(&sql);
	lake_confine(catalog_lake(app->catalog));
	return rc;
}

static int open_engine(struct app *app, struct mr_error *err)
{
	char *temp = mr_asprintf("%s/tmp", app->project->data);
	int rc = disk_mkdir_all(app->env->disk, temp, err);
	struct sql_engine_options options = {.temp_dir = temp};
	if (rc == 0)
		rc = sql_engine_open(&options, &app->engine, err);
	free(temp);
	if (rc == 0)
		rc = sql_engine_install(app->engine, spark_macros(), err);
	if (rc == 0)
		rc = topic_source_register(app->engine, app->broker, &app->topic_source, err);
	size_t count;
	app->system_rows = app_system_tables(app, &count);
	if (rc == 0)
		rc = system_tables_register(app->engine, app->system_rows, count, &app->system, err);
	return rc;
}

static int open_ingests(struct app *app, struct mr_error *err)
{
	char *tables = mr_asprintf("%s/tables", app->project->data);
	int rc = 0;
	for (size_t i = 0; i < app->project->ingest_count && rc == 0; i++) {
		struct ingest_options options = {.env = app->env,
						 .broker = app->broker,
						 .engine = app->engine,
						 .conf = &app->project->ingests[i],
						 .tables_dir = tables};
		struct ingest *ingest;
		rc = ingest_open(&options, &ingest, err);
		if (rc < 0)
			break;
		mr_vec_push(&app->ingests, ingest);
		topic_source_add_ingest(app->topic_source, ingest);
	}
	free(tables);
	return rc;
}

/* What SQL files may name without defining it: ingest tables and topics. */
static int load_pipeline(struct app *app, struct mr_error *err)
{
	const struct project *project = app->project;
	MR_VEC(struct pipeline_file) files = {0};
	MR_VEC(mr_str) known = {0};
	for (size_t i = 0; i < project->sql_file_count; i++)
		mr_vec_push(&files,
			    (struct pipeline_file){project->sql_files[i].path, project->sql_files[i].text});
	for (size_t i = 0; i < project->ingest_count; i++)
		mr_vec_push(&known, project->ingests[i].table);
	for (size_t i = 0; i < project->topic_count; i++)
		mr_vec_push(&known, project->topics[i].name);
	int rc = pipeline_load(files.items, files.len, known.items, known.len, &app->pipeline, err);
	mr_vec_release(&files);
	mr_vec_release(&known);
	return rc;
}

static int open_catalog(struct app *app, struct mr_error *err)
{
	char *tables = mr_asprintf("%s/tables", app->project->data);
	struct catalog_options options = {.env = app->env,
					  .engine = app->engine,
					  .broker = app->broker,
					  .system = app->system,
					  .tables_dir = tables};
	int rc = catalog_new(&options, &app->catalog, err);
	free(tables);
	for (size_t i = 0; i < app->ingests.len && rc == 0; i++)
		rc = catalog_add_ingest(app->catalog, app->ingests.items[i], err);
	if (rc == 0)
		rc = load_pipeline(app, err);
	const struct flow *const *flows;
	size_t count = rc == 0 ? pipeline_flows(app->pipeline, &flows) : 0;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = catalog_add_flow(app->catalog, flows[i], err);
	if (rc == 0)
		rc = session_pool_new(app->catalog, SESSIONS_MAX, &app->sessions, err);
	struct runner_options runner = {.env = app->env,
					.catalog = app->catalog,
					.stream_every_ms = app->project->stream_every_ms,
					.materialize_every_ms = app->project->materialize_every_ms};
	if (rc == 0)
		rc = runner_new(&runner, &app->runner, err);
	struct table_watch_options watch = {app->env, app->project, app->catalog, app->runner};
	if (rc == 0)
		table_watch_new(&watch, &app->watch);
	return rc;
}

static int refresh_flows(void *arg, struct mr_error *err)
{
	return app_drain(arg, err);
}

/* A project without a folder of DAG files has no scheduler. */
static int open_dags(struct app *app, struct mr_error *err)
{
	const struct project *project = app->project;
	if (!project->dags.folder || !disk_exists(app->env->disk, project->dags.folder))
		return 0;
	struct dags_options options = {.env = app->env,
				       .data = project->data,
				       .folder = project->dags.folder,
				       .parallelism = project->dags.parallelism,
				       .executor = project->dags.executor,
				       .metadata =
					   project->dags.metadata.len ? project->dags.metadata.ptr : NULL,
				       .lease_ms = project->dags.lease_ms,
				       .catalog = app->catalog,
				       .sessions = app->sessions,
				       .groups = app->groups,
				       .refresh = refresh_flows,
				       .refresh_arg = app};
	return dags_open(&options, &app->dags, err);
}

static int start_dags(struct app *app, struct mr_error *err)
{
	return app->dags ? dags_start(app->dags, err) : 0;
}

/* Kafka's cluster id: 22 characters of base 64, made once for a data folder. */
static int load_cluster_id(struct app *app, struct mr_error *err)
{
	char *path = mr_asprintf("%s/cluster.id", app->project->data);
	struct mr_buf text = {0};
	int rc = disk_read_file(app->env->disk, path, 64, &text, err);
	if (rc == MR_ERR_NOT_FOUND) {
		static const char base64[] =
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
		for (int i = 0; i < 22; i++)
			mr_buf_char(&text, base64[rng_below(app->env->rng, 64)]);
		rc = disk_replace_file(app->env->disk, path, mr_buf_view(&text), err);
	}
	if (rc == 0)
		snprintf(app->cluster_id, sizeof app->cluster_id, "%.22s", text.ptr);
	mr_buf_release(&text);
	free(path);
	return rc;
}

typedef int app_step(struct app *app, struct mr_error *err);

static int run_steps(struct app *app, app_step *const *steps, size_t count, struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = steps[i](app, err);
	return rc;
}

static app_step *const broker_steps[] = {load_cluster_id, open_log,   open_auth,     open_groups,
					 open_txns,       open_share, declare_topics};
static app_step *const table_steps[] = {open_engine, open_ingests, open_catalog, open_dags};

int app_open(const struct env *env, const struct project *project, enum app_part part, struct app **out,
	     struct mr_error *err)
{
	int rc = disk_mkdir_all(env->disk, project->data, err);
	if (rc < 0)
		return rc;
	struct app *app = mr_calloc(1, sizeof *app);
	pthread_mutex_init(&app->draining, NULL);
	app->part = part;
	app->env = env;
	app->project = project;
	app->lock_fd = -1;
	app->started_ms = clock_wall_ms(env->clock);
	rc = data_lock(project->data, &app->lock_fd, err);
	if (rc == 0)
		rc = run_steps(app, broker_steps, MR_COUNT(broker_steps), err);
	if (rc == 0 && part == APP_ALL)
		rc = run_steps(app, table_steps, MR_COUNT(table_steps), err);
	if (rc < 0) {
		app_close(app);
		return rc;
	}
	*out = app;
	return 0;
}

/* ---- serving ---- */

static enum tls_client_auth client_auth_of(mr_str word)
{
	return mr_str_is(word, "required")    ? TLS_CLIENT_REQUIRED
	       : mr_str_is(word, "requested") ? TLS_CLIENT_REQUESTED
					      : TLS_CLIENT_NONE;
}

static char *text_or_null(mr_str text)
{
	return text.len ? mr_strndup(text) : NULL;
}

static int serve_kafka(struct app *app, struct mr_error *err)
{
	const struct project *project = app->project;
	const struct conf_tls *tls = &project->kafka_tls;
	if (!project->kafka_listen.len && !tls->listen.len)
		return 0;
	char *texts[] = {text_or_null(project->kafka_listen), text_or_null(project->kafka_advertised),
			 text_or_null(tls->listen), text_or_null(tls->advertised)};
	struct kafka_server_options options = {
	    .env = app->env,
	    .broker = app->broker,
	    .groups = app->groups,
	    .txns = app->txns,
	    .share = app->share,
	    .auth = app->auth,
	    .listen = texts[0],
	    .advertised = texts[1],
	    .tls_listen = texts[2],
	    .tls_advertised = texts[3],
	    .tls = {tls->certificate, tls->key, tls->client_ca, client_auth_of(tls->client_auth)},
	    .insecure = app->insecure,
	    .connections_max = (size_t)project->kafka_max_connections,
	    .idle_ms = project->kafka_max_idle_ms,
	    .cluster_id = app->cluster_id,
	};
	int rc = kafka_server_start(&options, &app->kafka, err);
	for (size_t i = 0; i < MR_COUNT(texts); i++)
		free(texts[i]);
	return rc;
}

static int serve_gateway(struct app *app, struct mr_error *err)
{
	if (!app->project->gateway.listen_count)
		return 0;
	return gateway_start(app->env, app->broker, &app->project->gateway, &app->gateway, err);
}

static int serve_http(struct app *app, struct mr_error *err)
{
	if (!app->project->http_listen.len)
		return 0;
	char *listen = mr_strndup(app->project->http_listen);
	int rc = api_serve(app, listen, &app->http, &app->http_port, err);
	free(listen);
	return rc;
}

static int write_run_file(struct app *app, struct mr_error *err)
{
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	json_member_int(&w, "pid", getpid());
	json_member_int(&w, "http_port", app->http_port);
	json_member_int(&w, "kafka_port", app->kafka ? kafka_server_port(app->kafka) : 0);
	json_member_int(&w, "kafka_tls_port", app->kafka ? kafka_server_tls_port(app->kafka) : 0);
	json_key(&w, "gateway_ports");
	json_begin_array(&w);
	size_t listeners = app->gateway ? gateway_listener_count(app->gateway) : 0;
	for (size_t i = 0; i < listeners; i++) {
		mr_str protocol;
		char address[64];
		gateway_listener(app->gateway, i, &protocol, address);
		json_put_int(&w, strtol(strrchr(address, ':') + 1, NULL, 10));
	}
	json_end_array(&w);
	json_end_object(&w);
	char *path = mr_asprintf("%s/run.json", app->project->data);
	int rc = disk_replace_file_unsynced(app->env->disk, path, mr_buf_view(&text), err);
	free(path);
	mr_buf_release(&text);
	return rc;
}

static void start_ingests(struct app *app)
{
	for (size_t i = 0; i < app->ingests.len; i++)
		ingest_start(app->ingests.items[i]);
	app->ingests_run = true;
}

static void stop_ingests(struct app *app)
{
	for (size_t i = 0; i < app->ingests.len && app->ingests_run; i++)
		ingest_stop(app->ingests.items[i]);
	app->ingests_run = false;
}

int app_serve(struct app *app, struct mr_error *err)
{
	static app_step *const steps[] = {confine_engine, serve_kafka, serve_gateway,
					  serve_http,     start_dags,  write_run_file};
	if (app->part != APP_ALL) {
		int rc = serve_kafka(app, err);
		app->ready = rc == 0;
		return rc;
	}
	int rc = run_steps(app, steps, MR_COUNT(steps), err);
	if (rc < 0)
		return rc;
	start_ingests(app);
	runner_start(app->runner);
	upkeep_start(table_watch_upkeep(app->watch));
	app->flows_run = true;
	app->ready = true;
	return 0;
}

static int drain(struct app *app, struct mr_error *err)
{
	bool flows = app->flows_run, ingests = app->ingests_run;
	runner_stop(app->runner);
	stop_ingests(app);
	int rc = 0;
	for (size_t i = 0; i < app->ingests.len && rc == 0; i++)
		rc = ingest_drain(app->ingests.items[i], err);
	if (rc == 0)
		rc = runner_drain(app->runner, err);
	if (ingests)
		start_ingests(app);
	if (flows)
		runner_start(app->runner);
	return rc;
}

/* Over HTTP and from tasks at once: one after the other. */
int app_drain(struct app *app, struct mr_error *err)
{
	pthread_mutex_lock(&app->draining);
	int rc = drain(app, err);
	pthread_mutex_unlock(&app->draining);
	return rc;
}

void app_close(struct app *app)
{
	if (!app)
		return;
	app->ready = false;
	/* What brings data in stops first, then what moves it on, then what holds it. */
	if (app->gateway)
		gateway_stop(app->gateway, STOP_MS);
	if (app->kafka)
		kafka_server_stop(app->kafka, STOP_MS);
	if (app->dags)
		hub_close(dags_hub(app->dags)); /* or streams would hold the HTTP server */
	http_server_stop(app->http);
	if (app->dags)
		dags_stop(app->dags);
	stop_ingests(app);
	table_watch_stop(app->watch);
	runner_free(app->runner);
	dags_free(app->dags);
	session_pool_free(app->sessions);
	table_watch_free(app->watch);
	catalog_free(app->catalog);
	pipeline_free(app->pipeline);
	for (size_t i = 0; i < app->ingests.len; i++)
		ingest_close(app->ingests.items[i]);
	mr_vec_release(&app->ingests);
	sql_engine_close(app->engine);
	topic_source_free(app->topic_source);
	system_tables_free(app->system);
	free(app->system_rows);
	share_close(app->share);
	txns_close(app->txns);
	groups_close(app->groups);
	auth_free(app->auth);
	broker_free(app->broker);
	log_store_close(app->store);
	if (app->lock_fd >= 0) {
		char *path = mr_asprintf("%s/run.json", app->project->data);
		if (app->http_port)
			(void)!unlink(path);
		free(path);
		close(app->lock_fd);
	}
	pthread_mutex_destroy(&app->draining);
	free(app);
}

/* ---- looking ---- */

const struct project *app_project(const struct app *app)
{
	return app->project;
}

const struct env *app_env(const struct app *app)
{
	return app->env;
}

void app_allow_insecure(struct app *app)
{
	app->insecure = true;
}

struct auth *app_auth(struct app *app)
{
	return app->auth;
}

struct broker *app_broker(struct app *app)
{
	return app->broker;
}

struct groups *app_groups(struct app *app)
{
	return app->groups;
}

struct catalog *app_catalog(struct app *app)
{
	return app->catalog;
}

struct session_pool *app_sessions(struct app *app)
{
	return app->sessions;
}

struct runner *app_runner(struct app *app)
{
	return app->runner;
}

struct upkeep *app_upkeep(struct app *app)
{
	return table_watch_upkeep(app->watch);
}

struct dags *app_dags(struct app *app)
{
	return app->dags;
}

struct gateway *app_gateway(struct app *app)
{
	return app->gateway;
}

struct kafka_server *app_kafka(struct app *app)
{
	return app->kafka;
}

size_t app_ingests(struct app *app, struct ingest *const **out)
{
	*out = app->ingests.items;
	return app->ingests.len;
}

int app_http_port(const struct app *app)
{
	return app->http_port;
}

int64_t app_started_ms(const struct app *app)
{
	return app->started_ms;
}

bool app_ready(const struct app *app)
{
	return app->ready;
}

size_t app_pipeline_errors(const struct app *app, const struct mr_error **out)
{
	return pipeline_errors(app->pipeline, out);
}

int app_find_server(const struct env *env, const char *data_dir, char address[64], struct mr_error *err)
{
	char *path = mr_asprintf("%s/run.json", data_dir);
	struct mr_buf text = {0};
	struct json_parser *parser = json_parser_new();
	struct json_value v = {0};
	int rc = disk_read_file(env->disk, path, 4096, &text, err);
	if (rc == 0)
		rc = json_parse(parser, mr_buf_view(&text), &v, err);
	int64_t port = rc == 0 ? json_int(json_get(v, "http_port")) : 0;
	/* A process that was killed leaves its run.json, not its lock. */
	if (rc == 0 && (port <= 0 || !data_is_locked(data_dir)))
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "no millrace serves %s", data_dir);
	if (rc == 0)
		snprintf(address, 64, "127.0.0.1:%d", (int)port);
	json_parser_free(parser);
	mr_buf_release(&text);
	free(path);
	return rc;
}
