#include "app/system_fill.h"

#include <stdlib.h>

#define COLUMN SYSTEM_COLUMN

static const struct column_def topics_columns[] = {
    COLUMN("topic", COL_STRING),    COLUMN("partitions", COL_INTEGER), COLUMN("messages", COL_LONG),
    COLUMN("bytes", COL_LONG),      COLUMN("durability", COL_STRING),  COLUMN("contract", COL_BOOLEAN),
    COLUMN("records_in", COL_LONG), COLUMN("invalid", COL_LONG),       COLUMN("retention_ms", COL_LONG),
};

static int fill_topics(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	struct broker *broker = app_broker(arg);
	size_t count;
	struct log_topic **topics = log_topics(broker_store(broker), &count);
	for (size_t i = 0; i < count; i++) {
		struct log_topic_config config;
		log_topic_config(topics[i], &config);
		int64_t messages = 0, bytes = 0;
		for (int32_t p = 0; p < config.partitions; p++) {
			struct log_partition *partition = log_partition_at(topics[i], p);
			messages += log_stable_offset(partition) - log_start_offset(partition);
			bytes += log_size_bytes(partition);
		}
		struct broker_topic_stats stats;
		broker_topic_stats(broker, log_topic_name(topics[i]), &stats);
		system_str(rows, log_topic_name(topics[i]));
		system_int(rows, config.partitions);
		system_int(rows, messages);
		system_int(rows, bytes);
		system_cstr(rows, config.durability == LOG_DURABLE ? "durable" : "relaxed");
		system_int(rows, broker_topic_schema(broker, log_topic_name(topics[i])) != NULL);
		system_int(rows, (int64_t)stats.records_in);
		system_int(rows, (int64_t)stats.invalid);
		system_int(rows, config.retention_ms);
	}
	free(topics);
	return 0;
}

static const struct column_def partitions_columns[] = {
    COLUMN("topic", COL_STRING),       COLUMN("partition", COL_INTEGER), COLUMN("start_offset", COL_LONG),
    COLUMN("stable_offset", COL_LONG), COLUMN("end_offset", COL_LONG),   COLUMN("bytes", COL_LONG),
    COLUMN("fault", COL_STRING),
};

static int fill_partitions(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	size_t count;
	struct log_topic **topics = log_topics(broker_store(app_broker(arg)), &count);
	for (size_t i = 0; i < count; i++) {
		for (int32_t p = 0; p < log_topic_partition_count(topics[i]); p++) {
			struct log_partition *partition = log_partition_at(topics[i], p);
			system_str(rows, log_topic_name(topics[i]));
			system_int(rows, p);
			system_int(rows, log_start_offset(partition));
			system_int(rows, log_stable_offset(partition));
			system_int(rows, log_end_offset(partition));
			system_int(rows, log_size_bytes(partition));
			struct mr_error fault;
			if (log_partition_health(partition, &fault) != 0)
				system_cstr(rows, fault.message);
			else
				system_null(rows);
		}
	}
	free(topics);
	return 0;
}

static const struct column_def flows_columns[] = {
    COLUMN("flow", COL_STRING),           COLUMN("kind", COL_STRING),    COLUMN("state", COL_STRING),
    COLUMN("batches", COL_LONG),          COLUMN("rows", COL_LONG),      COLUMN("version", COL_LONG),
    COLUMN("last_commit", COL_TIMESTAMP), COLUMN("last_ms", COL_DOUBLE), COLUMN("error", COL_STRING),
};

static int fill_flows(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	struct runner *runner = app_runner(arg);
	size_t count = runner_flow_count(runner);
	struct flow_status *status = mr_calloc(count, sizeof *status);
	count = runner_status(runner, status, count);
	static const char *const kinds[] = {"streaming table", "materialized view", "temporary view"};
	for (size_t i = 0; i < count; i++) {
		system_cstr(rows, status[i].name);
		system_cstr(rows, kinds[status[i].kind]);
		system_cstr(rows, flow_state_name(status[i].state));
		system_int(rows, (int64_t)status[i].batches);
		system_int(rows, status[i].rows);
		system_int(rows, status[i].version);
		if (status[i].last_commit_ms)
			system_int(rows, status[i].last_commit_ms * 1000);
		else
			system_null(rows);
		system_double(rows, (double)status[i].last_duration_us / 1000);
		system_cstr(rows, status[i].error.code ? status[i].error.message : NULL);
	}
	free(status);
	return 0;
}

static const struct column_def ingests_columns[] = {
    COLUMN("table_name", COL_STRING),  COLUMN("topic", COL_STRING), COLUMN("rows", COL_LONG),
    COLUMN("rejected", COL_LONG),      COLUMN("commits", COL_LONG), COLUMN("lag_rows", COL_LONG),
    COLUMN("lag_seconds", COL_DOUBLE), COLUMN("error", COL_STRING),
};

static int fill_ingests(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	struct ingest *const *ingests;
	size_t count = app_ingests(arg, &ingests);
	for (size_t i = 0; i < count; i++) {
		struct ingest_stats stats;
		ingest_stats(ingests[i], &stats);
		system_str(rows, ingest_table_name(ingests[i]));
		system_str(rows, ingest_topic_name(ingests[i]));
		system_int(rows, (int64_t)stats.rows);
		system_int(rows, (int64_t)stats.rejected);
		system_int(rows, (int64_t)stats.commits);
		system_int(rows, (int64_t)stats.lag_rows);
		system_double(rows, stats.lag_seconds);
		system_cstr(rows, stats.error.code ? stats.error.message : NULL);
	}
	return 0;
}

static const struct column_def errors_columns[] = {
    COLUMN("place", COL_STRING),
    COLUMN("message", COL_STRING),
    COLUMN("hint", COL_STRING),
};

/* Statements of transformations that were left out. */
static int fill_errors(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	const struct mr_error *errors;
	size_t count = app_pipeline_errors(arg, &errors);
	for (size_t i = 0; i < count; i++) {
		system_cstr(rows, errors[i].where);
		system_cstr(rows, errors[i].message);
		system_cstr(rows, errors[i].hint);
	}
	return 0;
}

struct system_table *app_system_tables(struct app *app, size_t *count)
{
	static const struct system_table tables[] = {
	    SYSTEM_TABLE(topics),  SYSTEM_TABLE(partitions), SYSTEM_TABLE(flows),
	    SYSTEM_TABLE(ingests), SYSTEM_TABLE(errors),
	};
	size_t dag_count, lake_at = MR_COUNT(tables) + system_group_table_count;
	size_t n = lake_at + system_lake_table_count;
	const struct system_table *dags = app_dag_tables(&dag_count);
	struct system_table *all = mr_calloc(n + dag_count, sizeof *all);
	memcpy(all, tables, sizeof tables);
	memcpy(all + MR_COUNT(tables), system_group_tables, system_group_table_count * sizeof *all);
	memcpy(all + lake_at, system_lake_tables, system_lake_table_count * sizeof *all);
	memcpy(all + n, dags, dag_count * sizeof *all);
	*count = n + dag_count;
	for (size_t i = 0; i < *count; i++)
		all[i].arg = app;
	return all;
}
