#include "bed.h"

#include "base/mem.h"
#include "codec/jsonschema.h"

#include <stdlib.h>

static mr_str by_date[] = {{"date", 4}};

static void open_topic(struct bed *bed, int32_t partitions, const char *schema)
{
	struct broker_topic_options options = {.on_invalid = ON_INVALID_OFF};
	log_topic_config_default(&options.log);
	options.log.partitions = partitions;
	options.log.segment_bytes = 64 << 10;
	if (schema)
		CHECK_OK(json_schema_compile(mr_str_from(schema), "t.json", &options.schema, &bed->err),
			 bed->err);
	CHECK_OK(broker_topic_declare(bed->broker, MR_STR("t"), &options, &bed->err), bed->err);
}

void bed_open(struct bed *bed, const char *dir, int32_t partitions, const char *schema)
{
	*bed = (struct bed){.dir = dir};
	bed->store = kit_store(dir);
	struct broker_options broker = {.env = env_linux(), .store = bed->store};
	log_topic_config_default(&broker.topic_default);
	CHECK_OK(broker_new(&broker, &bed->broker, &bed->err), bed->err);
	open_topic(bed, partitions, schema);
	struct sql_engine_options engine = {.threads = 1, .memory_bytes_max = 256 << 20};
	CHECK_OK(sql_engine_open(&engine, &bed->engine, &bed->err), bed->err);
	CHECK_OK(topic_source_register(bed->engine, bed->broker, &bed->source, &bed->err), bed->err);
	CHECK_OK(sql_connect(bed->engine, &bed->conn, &bed->err), bed->err);
	bed->conf = (struct conf_ingest){.topic = MR_STR("t"),
					 .table = MR_STR("bronze.t"),
					 .partition_by = by_date,
					 .partition_count = 1,
					 .commit_every_ms = 3600000};
}

void bed_open_ingest(struct bed *bed)
{
	char *tables = test_path("%s/tables", bed->dir);
	struct ingest_options options = {.env = env_linux(),
					 .broker = bed->broker,
					 .engine = bed->engine,
					 .conf = &bed->conf,
					 .tables_dir = tables};
	CHECK_OK(ingest_open(&options, &bed->ingest, &bed->err), bed->err);
	topic_source_add_ingest(bed->source, bed->ingest);
}

void bed_close(struct bed *bed, bool crash)
{
	ingest_close(bed->ingest);
	sql_disconnect(bed->conn);
	sql_engine_close(bed->engine);
	topic_source_free(bed->source);
	broker_free(bed->broker);
	crash ? log_store_abandon(bed->store) : log_store_close(bed->store);
}

void bed_put(struct bed *bed, int32_t partition, int from, int count)
{
	struct log_topic *topic = log_topic_find(bed->store, MR_STR("t"));
	kit_put_numbered(topic, partition, from % 2 ? BATCH_ZSTD : BATCH_NONE, "{\"n\":%d}", from, count);
}

char *bed_query(struct bed *bed, const char *query)
{
	struct delta_snapshot *snapshot;
	struct mr_buf sql = {0};
	CHECK_OK(delta_snapshot(ingest_table(bed->ingest), &snapshot, &bed->err), bed->err);
	const char *at = strstr(query, "%s");
	mr_buf_append(&sql, query, (size_t)(at - query));
	delta_scan_sql(snapshot, &sql);
	mr_buf_cstr(&sql, at + 2);
	struct sql_result *result;
	CHECK_OK(sql_query(bed->conn, mr_buf_view(&sql), &result, &bed->err), bed->err);
	int rc = sql_next(result, &bed->err);
	if (rc < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", query, bed->err.message);
	char *text = mr_strndup(rc == 1 ? sql_text(result, 0) : MR_STR("(no row)"));
	sql_result_free(result);
	delta_snapshot_unref(snapshot);
	mr_buf_release(&sql);
	return text;
}
