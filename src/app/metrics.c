#include "app/metrics.h"

#include "api/dags.h"
#include "codec/json.h"
#include "http/metrics.h"

#include <stdlib.h>

#define APIS_MAX 128

static void put_process(struct app *app, struct mr_buf *out)
{
	metric_family(out, "millrace_uptime_seconds", METRIC_GAUGE,
		      "Seconds since the process opened its data folder.");
	metric_sample(out, "millrace_uptime_seconds",
		      (double)(clock_wall_ms(app_env(app)->clock) - app_started_ms(app)) / 1000, NULL);
}

static void put_topics(struct app *app, struct mr_buf *out)
{
	static const struct {
		const char *name, *help;
		enum metric_type type;
	} families[] = {
	    {"millrace_topic_messages_total", "Messages acknowledged, by topic.", METRIC_COUNTER},
	    {"millrace_topic_size_bytes", "Bytes on disk, by topic.", METRIC_GAUGE},
	    {"millrace_topic_invalid_total", "Records refused by the topic's contract.", METRIC_COUNTER},
	};
	size_t count;
	struct log_topic **topics = log_topics(broker_store(app_broker(app)), &count);
	for (size_t f = 0; f < MR_COUNT(families); f++) {
		metric_family(out, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < count; i++) {
			double messages = 0, bytes = 0;
			for (int32_t p = 0; p < log_topic_partition_count(topics[i]); p++) {
				messages += (double)log_stable_offset(log_partition_at(topics[i], p));
				bytes += (double)log_size_bytes(log_partition_at(topics[i], p));
			}
			struct broker_topic_stats stats;
			broker_topic_stats(app_broker(app), log_topic_name(topics[i]), &stats);
			const double values[] = {messages, bytes, (double)stats.invalid};
			char *name = mr_strndup(log_topic_name(topics[i]));
			metric_sample(out, families[f].name, values[f], "topic", name, NULL);
			free(name);
		}
	}
	free(topics);
}

static void put_log(struct app *app, struct mr_buf *out)
{
	struct log_stats stats;
	log_store_stats(broker_store(app_broker(app)), &stats);
	metric_family(out, "millrace_log_appended_bytes_total", METRIC_COUNTER, "Batch bytes appended.");
	metric_sample(out, "millrace_log_appended_bytes_total", (double)stats.appended_bytes, NULL);
	metric_family(out, "millrace_log_syncs_total", METRIC_COUNTER, "fdatasync calls of the committer.");
	metric_sample(out, "millrace_log_syncs_total", (double)stats.syncs, NULL);
	metric_family(out, "millrace_log_pending_bytes", METRIC_GAUGE, "Appended and not yet stable.");
	metric_sample(out, "millrace_log_pending_bytes", (double)stats.pending_bytes, NULL);
}

static void put_kafka(struct app *app, struct mr_buf *out)
{
	if (!app_kafka(app))
		return;
	struct kafka_stats stats;
	kafka_server_stats(app_kafka(app), &stats);
	metric_family(out, "millrace_kafka_connections", METRIC_GAUGE, "Kafka connections open.");
	metric_sample(out, "millrace_kafka_connections", (double)stats.connections_open, NULL);
	metric_family(out, "millrace_kafka_bytes_total", METRIC_COUNTER, "Bytes on Kafka connections.");
	metric_sample(out, "millrace_kafka_bytes_total", (double)stats.bytes_in, "direction", "in", NULL);
	metric_sample(out, "millrace_kafka_bytes_total", (double)stats.bytes_out, "direction", "out", NULL);
	struct kafka_api_stats apis[APIS_MAX];
	size_t count = kafka_server_api_stats(app_kafka(app), apis, APIS_MAX);
	metric_family(out, "millrace_kafka_requests_total", METRIC_COUNTER, "Kafka requests, by API.");
	for (size_t i = 0; i < count; i++)
		metric_sample(out, "millrace_kafka_requests_total", (double)apis[i].requests, "api",
			      apis[i].name, NULL);
	metric_family(out, "millrace_kafka_request_seconds_total", METRIC_COUNTER,
		      "Time from request to answer, by API.");
	for (size_t i = 0; i < count; i++)
		metric_sample(out, "millrace_kafka_request_seconds_total",
			      (double)apis[i].latency_us_sum / 1e6, "api", apis[i].name, NULL);
}

static void put_groups(struct app *app, struct mr_buf *out)
{
	static const struct {
		const char *name, *help;
	} families[] = {
	    {"millrace_group_lag_rows", "Records after the committed offset."},
	    {"millrace_group_lag_seconds", "From the next record to read to the newest one."},
	};
	struct groups_stats stats;
	groups_stats(app_groups(app), &stats);
	metric_family(out, "millrace_groups", METRIC_GAUGE, "Consumer groups.");
	metric_sample(out, "millrace_groups", (double)stats.groups, NULL);
	metric_family(out, "millrace_group_members", METRIC_GAUGE, "Members of consumer groups.");
	metric_sample(out, "millrace_group_members", (double)stats.members, NULL);
	metric_family(out, "millrace_group_rebalances_total", METRIC_COUNTER,
		      "Rebalances of consumer groups.");
	metric_sample(out, "millrace_group_rebalances_total", (double)stats.rebalances, NULL);
	struct arena arena = {0};
	size_t count;
	struct group_lag *lags = groups_lag(app_groups(app), MR_STR_NULL, &count, &arena);
	for (size_t f = 0; f < MR_COUNT(families); f++) {
		metric_family(out, families[f].name, METRIC_GAUGE, families[f].help);
		for (size_t i = 0; i < count; i++)
			metric_sample(out, families[f].name,
				      f == 0 ? (double)lags[i].lag_rows : lags[i].lag_seconds, "group",
				      arena_copy(&arena, lags[i].group).ptr, "topic",
				      arena_copy(&arena, lags[i].topic).ptr, "partition",
				      arena_printf(&arena, "%d", (int)lags[i].partition).ptr, NULL);
	}
	arena_release(&arena);
}

static void put_gateway(struct app *app, struct mr_buf *out)
{
	if (!app_gateway(app))
		return;
	struct gateway_stats stats;
	gateway_stats(app_gateway(app), &stats);
	const struct {
		const char *outcome;
		uint64_t value;
	} lines[] = {{"forwarded", stats.forwarded}, {"dead", stats.dead}};
	metric_family(out, "millrace_gateway_lines_received_total", METRIC_COUNTER, "Syslog lines received.");
	metric_sample(out, "millrace_gateway_lines_received_total", (double)stats.lines, NULL);
	metric_family(out, "millrace_gateway_lines_total", METRIC_COUNTER, "Syslog lines safe in a topic.");
	for (size_t i = 0; i < MR_COUNT(lines); i++)
		metric_sample(out, "millrace_gateway_lines_total", (double)lines[i].value, "outcome",
			      lines[i].outcome, NULL);
	metric_family(out, "millrace_gateway_connections", METRIC_GAUGE, "Syslog connections open.");
	metric_sample(out, "millrace_gateway_connections", (double)stats.connections_open, NULL);
}

static void put_ingests(struct app *app, struct mr_buf *out)
{
	static const struct {
		const char *name, *help;
		enum metric_type type;
	} families[] = {
	    {"millrace_ingest_rows_total", "Rows committed to the table since start.", METRIC_COUNTER},
	    {"millrace_ingest_dead_letter_total", "Records that did not decode.", METRIC_COUNTER},
	    {"millrace_ingest_lag_rows", "Stable records not committed yet.", METRIC_GAUGE},
	    {"millrace_ingest_lag_seconds", "Age of the oldest record not committed yet.", METRIC_GAUGE},
	    {"millrace_ingest_failing", "1 while the last commit failed.", METRIC_GAUGE},
	};
	struct ingest *const *ingests;
	size_t count = app_ingests(app, &ingests);
	for (size_t f = 0; f < MR_COUNT(families); f++) {
		metric_family(out, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < count; i++) {
			struct ingest_stats stats;
			ingest_stats(ingests[i], &stats);
			const double values[] = {(double)stats.rows, (double)stats.rejected,
						 (double)stats.lag_rows, stats.lag_seconds,
						 stats.error.code != 0};
			char *name = mr_strndup(ingest_table_name(ingests[i]));
			metric_sample(out, families[f].name, values[f], "table", name, NULL);
			free(name);
		}
	}
}

static void put_flows(struct app *app, struct mr_buf *out)
{
	size_t count = runner_flow_count(app_runner(app));
	struct flow_status *status = mr_calloc(count, sizeof *status);
	count = runner_status(app_runner(app), status, count);
	metric_family(out, "millrace_pipeline_rows_total", METRIC_COUNTER,
		      "Rows written by a flow since start.");
	for (size_t i = 0; i < count; i++)
		metric_sample(out, "millrace_pipeline_rows_total", (double)status[i].rows, "flow",
			      status[i].name, NULL);
	metric_family(out, "millrace_pipeline_batches_total", METRIC_COUNTER,
		      "Batches committed by a flow since start.");
	for (size_t i = 0; i < count; i++)
		metric_sample(out, "millrace_pipeline_batches_total", (double)status[i].batches, "flow",
			      status[i].name, NULL);
	metric_family(out, "millrace_pipeline_failing", METRIC_GAUGE,
		      "1 while the flow's last batch failed.");
	for (size_t i = 0; i < count; i++)
		metric_sample(out, "millrace_pipeline_failing", status[i].error.code != 0, "flow",
			      status[i].name, NULL);
	free(status);
}

/* Runs that are open and their instances: a long history is not counted at every scrape. */
static void put_dag_states(struct dags *dags, const char *family, const char *sql, const char *help,
			   struct mr_buf *out)
{
	struct dag_store *store = dags_store(dags);
	struct json_parser *parser = json_parser_new();
	struct mr_buf lines = {0};
	struct json_value row;
	metric_family(out, family, METRIC_GAUGE, help);
	mr_str left = MR_STR("");
	if (store->ops->query(store, sql, NULL, 0, &lines, NULL) == 0)
		left = mr_buf_view(&lines);
	while (left.len) {
		const char *end = memchr(left.ptr, '\n', left.len);
		mr_str line = mr_str_n(left.ptr, end ? (size_t)(end - left.ptr) : left.len);
		if (json_parse(parser, line, &row, NULL) == 0) {
			char *state = mr_strndup(json_str(json_get(row, "state")));
			metric_sample(out, family, (double)json_int(json_get(row, "n")), "state", state,
				      NULL);
			free(state);
		}
		left = mr_str_tail(left, line.len + 1);
	}
	mr_buf_release(&lines);
	json_parser_free(parser);
}

static void put_dags(struct app *app, struct mr_buf *out)
{
	struct dags *dags = app_dags(app);
	if (!dags || !dags_started(dags))
		return;
	struct scheduler_stats stats = dags_stats(dags);
	const struct {
		const char *name, *help;
		enum metric_type type;
		double value;
	} families[] = {
	    {"millrace_scheduler_batches_total", "Transactions of the scheduler.", METRIC_COUNTER,
	     (double)stats.batches},
	    {"millrace_scheduler_submits_total", "Tries handed to executors.", METRIC_COUNTER,
	     (double)stats.submits},
	    {"millrace_scheduler_write_errors_total", "Writes of the scheduler's store that failed.",
	     METRIC_COUNTER, (double)stats.write_errors},
	    {"millrace_scheduler_mailbox_max", "Most messages that waited for the scheduler.", METRIC_GAUGE,
	     (double)stats.mailbox_max},
	    {"millrace_stream_listeners", "Clients of /api/v2/stream.", METRIC_GAUGE,
	     (double)hub_listeners(dags_hub(dags))},
	};
	for (size_t i = 0; i < MR_COUNT(families); i++) {
		metric_family(out, families[i].name, families[i].type, families[i].help);
		metric_sample(out, families[i].name, families[i].value, NULL);
	}
	put_dag_states(
	    dags, "millrace_dag_runs_open",
	    "SELECT state, count(*) AS n FROM dag_run WHERE state IN ('queued', 'running') GROUP BY state",
	    "Runs that are not finished, by state.", out);
	put_dag_states(
	    dags, "millrace_task_instances_open",
	    "SELECT t.state AS state, count(*) AS n FROM dag_run r JOIN task_instance t ON t.run_no = "
	    "r.run_no WHERE r.state IN ('queued', 'running') GROUP BY t.state",
	    "Instances of the runs that are not finished, by state.", out);
}

void app_metrics(struct app *app, struct mr_buf *out)
{
	put_process(app, out);
	put_topics(app, out);
	put_log(app, out);
	put_kafka(app, out);
	put_groups(app, out);
	put_gateway(app, out);
	put_ingests(app, out);
	put_flows(app, out);
	put_dags(app, out);
}
