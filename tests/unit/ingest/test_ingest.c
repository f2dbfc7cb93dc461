/* A topic into a real Delta table: each record once, whatever comes between. */
#include "bed.h"

#include "base/mem.h"
#include "env/disk_linux.h"
#include "env/rng.h"

#include <stdlib.h>
#include <time.h>

static struct ingest_stats stats_of(struct bed *bed)
{
	struct ingest_stats stats;
	ingest_stats(bed->ingest, &stats);
	return stats;
}

static void check_rows(struct bed *bed, int count)
{
	char want[32];
	snprintf(want, sizeof want, "%d", count);
	CHECK_QUERY(bed, "SELECT count(*) FROM %s", want);
	CHECK_QUERY(bed, "SELECT count(DISTINCT n) FROM %s", want);
}

TEST(ingest_lands_typed_rows)
{
	struct bed bed;
	bed_open(&bed, test_folder(), 2, BED_SCHEMA);
	bed_open_ingest(&bed);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 0);
	static const struct kit_record records[] = {
	    {"k", "{\"n\":1,\"ts\":\"2026-01-02T03:04:05.678Z\",\"tags\":[\"a\", 1]}", 1700000000123}};
	kit_put(log_topic_find(bed.store, MR_STR("t")), 1, BATCH_NONE, records, 1);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 1);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 0);
	CHECK_QUERY(&bed,
		    "SELECT concat_ws('|', n, ts, tags, date, kafka_topic, kafka_partition, kafka_offset, "
		    "kafka_timestamp) FROM %s",
		    "1|2026-01-02 03:04:05.678+00|[\"a\", 1]|2026-01-02|t|1|0|2023-11-14 22:13:20.123+00");
	struct ingest_stats stats = stats_of(&bed);
	CHECK_INT(stats.rows, 1);
	CHECK_INT(stats.commits, 1);
	CHECK_INT(stats.lag_rows, 0);
	CHECK(stats.bytes > 61 && stats.last_commit_ms > 0);
	bed_close(&bed, false);
}

TEST(ingest_is_exactly_once_across_every_end)
{
	const char *dir = test_folder();
	struct mr_rng rng;
	rng_seed(&rng, 31);
	int put = 0;
	for (int life = 0; life < test_rounds(8); life++) {
		struct bed bed;
		bed_open(&bed, dir, 3, BED_SCHEMA);
		bed.conf.commit_rows = 1 + (int64_t)rng_below(&rng, 30);
		if (life % 3 == 2)
			bed_put(&bed, 0, put, 7), put += 7; /* there before the ingest opens */
		bed_open_ingest(&bed);
		for (uint64_t turn = rng_below(&rng, 6); turn > 0; turn--) {
			int count = 1 + (int)rng_below(&rng, 20);
			bed_put(&bed, (int32_t)rng_below(&rng, 3), put, count);
			put += count;
			if (rng_below(&rng, 3))
				CHECK_INT(ingest_step(bed.ingest, &bed.err), 1);
		}
		bed_close(&bed, rng_below(&rng, 2));
	}
	struct bed bed;
	bed_open(&bed, dir, 3, BED_SCHEMA);
	bed_open_ingest(&bed);
	CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
	check_rows(&bed, put);
	CHECK_QUERY(&bed, "SELECT count(DISTINCT (kafka_partition, kafka_offset)) = count(*) FROM %s",
		    "true");
	bed_close(&bed, false);
}

TEST(ingest_puts_aside_what_is_no_row)
{
	static const struct kit_record records[] = {{"a", "{\"n\":1}", 5},
						    {"b", "{\"n\":\"one\"}", 6},
						    {"c", NULL, 7},
						    {NULL, "\xff\xfe", 8},
						    {"e", "{\"n\":2}", 9}};
	struct bed bed;
	bed_open(&bed, test_folder(), 1, BED_SCHEMA);
	bed_open_ingest(&bed);
	kit_put(log_topic_find(bed.store, MR_STR("t")), 0, BATCH_NONE, records, MR_COUNT(records));
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 1);
	check_rows(&bed, 2);
	CHECK_INT(stats_of(&bed).rejected, 3);
	CHECK_QUERY(
	    &bed,
	    "WITH x AS (SELECT count(*) FROM %s) SELECT string_agg(concat_ws(' ', hex(key), "
	    "hex(value), headers), ';' ORDER BY \"offset\") FROM millrace_topic_raw('t.dlq', '0:0-3')",
	    "62 7B226E223A226F6E65227D [{\"key\":\"dlq.reason\",\"value\":\"\\\"n\\\" is \\\"one\\\", "
	    "expected long\"},{\"key\":\"dlq.topic\",\"value\":\"t\"},{\"key\":\"dlq.partition\","
	    "\"value\":\"0\"},{\"key\":\"dlq.offset\",\"value\":\"1\"}];"
	    "63 [{\"key\":\"dlq.reason\",\"value\":\"the value is null\"},{\"key\":\"dlq.topic\","
	    "\"value\":\"t\"},{\"key\":\"dlq.partition\",\"value\":\"0\"},{\"key\":\"dlq.offset\","
	    "\"value\":\"2\"}];"
	    "FFFE [{\"key\":\"dlq.reason\",\"value\":\"not valid JSON: The input is not valid UTF-8\"},"
	    "{\"key\":\"dlq.topic\",\"value\":\"t\"},{\"key\":\"dlq.partition\",\"value\":\"0\"},"
	    "{\"key\":\"dlq.offset\",\"value\":\"3\"}]");
	/* Nothing but letters: the position moves all the same. */
	kit_put(log_topic_find(bed.store, MR_STR("t")), 0, BATCH_NONE, &records[1], 1);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 1);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 0);
	check_rows(&bed, 2);
	bed_close(&bed, false);
}

TEST(ingest_without_a_contract_lands_text)
{
	static const struct kit_record records[] = {{"k", "v", 86400000}, {NULL, "\xff", 0}};
	struct bed bed;
	bed_open(&bed, test_folder(), 1, NULL);
	bed_open_ingest(&bed);
	kit_put(log_topic_find(bed.store, MR_STR("t")), 0, BATCH_NONE, records, MR_COUNT(records));
	CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
	CHECK_QUERY(&bed, "SELECT concat_ws('|', key, value, date, kafka_offset) FROM %s",
		    "k|v|1970-01-02|0");
	CHECK_INT(stats_of(&bed).rejected, 1);
	bed_close(&bed, false);
}

/* Waits until the runner has landed so many rows; fails after ten seconds. */
static void wait_rows(struct bed *bed, uint64_t rows)
{
	for (int i = 0; stats_of(bed).rows < rows; i++) {
		if (i == 1000)
			test_fail(__FILE__, __LINE__, "%llu rows after 10 s: %s",
				  (unsigned long long)stats_of(bed).rows, stats_of(bed).error.message);
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
}

TEST(ingest_commits_by_age)
{
	struct bed bed;
	bed_open(&bed, test_folder(), 2, BED_SCHEMA);
	bed.conf.commit_every_ms = 300;
	bed_open_ingest(&bed);
	bed_put(&bed, 0, 0, 1);
	ingest_start(bed.ingest);
	wait_rows(&bed, 1); /* what is there at the start is committed at once */
	for (int put = 1; put < 11; put += 5) {
		int64_t start = clock_mono_ms(env_linux()->clock);
		bed_put(&bed, put % 2, put, 5);
		wait_rows(&bed, (uint64_t)put + 5);
		CHECK(clock_mono_ms(env_linux()->clock) - start >= 290);
	}
	ingest_stop(bed.ingest);
	check_rows(&bed, 11);
	bed_close(&bed, false);
}

TEST(ingest_commits_by_rows_and_by_bytes)
{
	for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
		struct bed bed;
		bed_open(&bed, test_folder(), 1, BED_SCHEMA);
		by_bytes ? (bed.conf.commit_bytes = 3000) : (bed.conf.commit_rows = 100);
		bed_put(&bed, 0, 0, 50); /* so that it knows how large records are */
		bed_open_ingest(&bed);
		CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
		ingest_start(bed.ingest);
		bed_put(&bed, 0, 50, 60);
		nanosleep(&(struct timespec){0, 100000000}, NULL);
		uint64_t before = stats_of(&bed).rows;
		bed_put(&bed, 0, 110, 400);
		wait_rows(&bed, before + 100);
		ingest_stop(bed.ingest); /* commits the rest */
		check_rows(&bed, 510);
		CHECK(stats_of(&bed).commits >= 3);
		bed_close(&bed, false);
	}
}

TEST(ingest_names_a_table_that_is_gone_and_goes_on)
{
	struct bed bed;
	bed_open(&bed, test_folder(), 1, BED_SCHEMA);
	bed.conf.commit_every_ms = 10;
	bed_open_ingest(&bed);
	bed_put(&bed, 0, 0, 3);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 1);
	char *table = test_path("%s/tables/bronze/t", bed.dir), *away = test_path("%s/away", bed.dir);
	CHECK_OK(disk_rename(disk_linux(), table, away, &bed.err), bed.err);
	ingest_start(bed.ingest);
	bed_put(&bed, 0, 3, 3);
	/* The runner may meet the fault before the log's news of the three rows comes. */
	for (int i = 0; i < 500 && !(stats_of(&bed).error.code && stats_of(&bed).lag_rows); i++)
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	CHECK_INT(stats_of(&bed).error.code, MR_ERR_NOT_FOUND);
	CHECK(strstr(stats_of(&bed).error.message, "table bronze.t is gone") != NULL);
	CHECK_INT(stats_of(&bed).lag_rows, 3);
	CHECK_OK(disk_rename(disk_linux(), away, table, &bed.err), bed.err);
	wait_rows(&bed, 6);
	CHECK_INT(stats_of(&bed).error.code, 0);
	ingest_stop(bed.ingest);
	check_rows(&bed, 6);
	bed_close(&bed, false);
}

TEST(ingest_says_what_retention_took)
{
	struct bed bed;
	bed_open(&bed, test_folder(), 1, BED_SCHEMA);
	bed_open_ingest(&bed);
	bed_put(&bed, 0, 0, 2);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 1);
	struct log_topic *topic = log_topic_find(bed.store, MR_STR("t"));
	for (int i = 0; i < 40; i++)
		bed_put(&bed, 0, 2 + i * 1000, 1000);
	struct log_topic_config config;
	log_topic_config(topic, &config);
	config.retention_bytes = 1;
	CHECK_OK(log_topic_alter(topic, &config, &bed.err), bed.err);
	CHECK_OK(log_store_retain(bed.store, &bed.err), bed.err);
	int64_t start = log_start_offset(log_partition_at(topic, 0));
	CHECK(start > 2);
	CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
	CHECK_INT(stats_of(&bed).lost, start - 2);
	CHECK_INT(stats_of(&bed).error.code, MR_ERR_LIMIT);
	check_rows(&bed, 2 + (int)(log_stable_offset(log_partition_at(topic, 0)) - start));
	bed_close(&bed, false);
}

TEST(ingest_begins_anew_with_a_new_topic)
{
	struct bed bed;
	bed_open(&bed, test_folder(), 1, BED_SCHEMA);
	bed_open_ingest(&bed);
	static const struct kit_record bad = {NULL, "none", 0};
	bed_put(&bed, 0, 0, 10);
	kit_put(log_topic_find(bed.store, MR_STR("t")), 0, BATCH_NONE, &bad, 1);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), 1);
	CHECK_OK(log_topic_delete(bed.store, MR_STR("t"), &bed.err), bed.err);
	CHECK_INT(ingest_step(bed.ingest, &bed.err), MR_ERR_NOT_FOUND);
	kit_make_topic(bed.store, "t", 1);
	bed_put(&bed, 0, 10, 4);
	kit_put(log_topic_find(bed.store, MR_STR("t")), 0, BATCH_NONE, &bad, 1);
	CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
	check_rows(&bed, 14);
	CHECK_INT(stats_of(&bed).rejected, 2);
	bed_put(&bed, 0, 14, 4);
	CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
	check_rows(&bed, 18);
	bed_close(&bed, false);
}

/* Writes as usual, and in between lets another ingest of the same table commit first. */
struct rival {
	struct ingest *other;
	int turns;
};

static int write_after_rival(void *arg, struct ingest *ingest, const struct delta_snapshot *snapshot,
			     mr_str ranges, struct arena *arena, struct delta_file **files, size_t *count,
			     struct mr_error *err)
{
	struct rival *rival = arg;
	if (rival->turns-- > 0 && ingest_step(rival->other, err) < 0)
		return err->code;
	return ingest_write_default(ingest, snapshot, ranges, arena, files, count, err);
}

TEST(ingest_turns_away_a_second_writer)
{
	struct bed bed;
	bed_open(&bed, test_folder(), 1, BED_SCHEMA);
	bed_open_ingest(&bed);
	struct rival rival = {bed.ingest, 1};
	struct ingest_writer writer = {write_after_rival, &rival};
	struct ingest_options options = {.env = env_linux(),
					 .broker = bed.broker,
					 .engine = bed.engine,
					 .conf = &bed.conf,
					 .tables_dir = test_path("%s/tables", bed.dir),
					 .writer = &writer};
	struct ingest *second;
	CHECK_OK(ingest_open(&options, &second, &bed.err), bed.err);
	bed_put(&bed, 0, 0, 10);
	CHECK_INT(ingest_step(second, &bed.err), MR_ERR_CONFLICT);
	CHECK(bed.err.hint[0] != 0);
	bed_put(&bed, 0, 10, 10);
	CHECK_OK(ingest_drain(second, &bed.err), bed.err);
	check_rows(&bed, 20);
	ingest_close(second);
	bed_close(&bed, false);
}

TEST(ingest_tail_is_what_the_snapshot_lacks)
{
	struct bed bed;
	struct delta_snapshot *before;
	struct mr_buf ranges = {0};
	bed_open(&bed, test_folder(), 2, BED_SCHEMA);
	bed_open_ingest(&bed);
	bed_put(&bed, 0, 0, 3);
	CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
	CHECK_OK(delta_snapshot(ingest_table(bed.ingest), &before, &bed.err), bed.err);
	ingest_tail_ranges(bed.ingest, before, &ranges);
	CHECK_STR(mr_buf_view(&ranges), "");
	bed_put(&bed, 0, 3, 2);
	bed_put(&bed, 1, 5, 4);
	CHECK_OK(ingest_drain(bed.ingest, &bed.err), bed.err);
	ingest_tail_ranges(bed.ingest, before, &ranges);
	CHECK_STR(mr_buf_view(&ranges), "0:3-5,1:0-4");
	/* Of those and no other columns. */
	CHECK_QUERY(&bed,
		    "SELECT (SELECT sum(n) FROM millrace_events('bronze.t', '0:3-5,1:0-4')) || ' ' || "
		    "(SELECT count(*) FROM millrace_events('bronze.t', '0:3-5')) FROM %s",
		    "33 2");
	delta_snapshot_unref(before);
	mr_buf_release(&ranges);
	bed_close(&bed, false);
}

TEST(ingest_refuses_a_table_that_is_another)
{
	const char *dir = test_folder();
	struct bed bed;
	bed_open(&bed, dir, 1, BED_SCHEMA);
	bed_open_ingest(&bed);
	bed_close(&bed, false);
	static const struct {
		const char *schema, *message;
	} cases[] = {
	    {"{\"properties\":{\"n\":{\"type\":\"string\"},\"ts\":{\"type\":\"string\",\"format\":\"date-"
	     "time\"},\"tags\":{\"type\":\"array\"}}}",
	     "column \"n\" has another type"},
	    {"{\"properties\":{\"n\":{\"type\":\"integer\"},\"more\":{\"type\":\"string\"}}}",
	     "column \"more\" is missing"},
	    {"{\"properties\":{\"n\":{\"type\":\"integer\"}}}", "comes from elsewhere"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		bed_open(&bed, dir, 1, cases[i].schema);
		struct ingest_options options = {.env = env_linux(),
						 .broker = bed.broker,
						 .engine = bed.engine,
						 .conf = &bed.conf,
						 .tables_dir = test_path("%s/tables", dir)};
		CHECK_INT(ingest_open(&options, &bed.ingest, &bed.err), MR_ERR_INVALID);
		if (!strstr(bed.err.message, cases[i].message))
			test_fail(__FILE__, __LINE__, "%s", bed.err.message);
		CHECK(bed.err.hint[0] != 0);
		bed_close(&bed, false);
	}
}

TEST(topic_source_shows_topics)
{
	static const struct kit_record records[] = {{"k", "v\xff", 1500}, {NULL, NULL, 2500}};
	struct bed bed;
	bed_open(&bed, test_folder(), 1, NULL);
	bed_open_ingest(&bed);
	kit_put(log_topic_find(bed.store, MR_STR("t")), 0, BATCH_GZIP, records, MR_COUNT(records));
	CHECK_QUERY(&bed,
		    "WITH x AS (FROM %s) SELECT string_agg(concat_ws('|', key, value, headers, partition, "
		    "\"offset\", timestamp), ';' ORDER BY \"offset\") FROM millrace_topic('t', '0:0-2')",
		    "k|v\xef\xbf\xbd|[]|0|0|1970-01-01 00:00:01.5+00;[]|0|1|1970-01-01 00:00:02.5+00");
	static const struct {
		const char *sql, *message;
	} bad[] = {
	    {"FROM millrace_topic('none', '')", "there is no topic \"none\""},
	    {"FROM millrace_topic('t', 'x')", "no range of offsets at byte 0"},
	    {"FROM millrace_topic('t', '5:0-1')", "has no partition 5"},
	    {"FROM millrace_topic('t', '0:0-9')", "before 9"},
	    {"FROM millrace_events('bronze.x', '')", "no topic is ingested into a table \"bronze.x\""},
	};
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		bed.err = (struct mr_error){0};
		int rc = sql_exec(bed.conn, mr_str_from(bad[i].sql), &bed.err);
		if (rc >= 0 || !strstr(bed.err.message, bad[i].message))
			test_fail(__FILE__, __LINE__, "%s: %d %s", bad[i].sql, rc, bed.err.message);
	}
	bed_close(&bed, false);
}
