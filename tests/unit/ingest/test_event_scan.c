/* Records into rows: ranges, stretches, codecs, rejects, the derived date. */
#include "ingest_kit.h"

#include "base/vec.h"
#include "env/rng.h"
#include "ingest/event_scan.h"
#include "ingest/reader.h"

#include <stdlib.h>

#define COLUMN(text, col_type) \
	{ \
		.name = {text, sizeof(text) - 1}, .type = (col_type) \
	}

/* Every record of the ranges, by the reader, against what was put there. */
static void check_reader(struct log_store *store, const struct topic_range *ranges, size_t count)
{
	struct topic_reader *reader;
	struct mr_error err;
	struct arena arena = {0};
	CHECK_OK(topic_reader_open(store, MR_STR("t"), ranges, count, &reader, &err), err);
	size_t at = 0;
	int64_t next = count ? ranges[0].from : 0;
	for (;;) {
		struct record record;
		int32_t partition;
		int rc = topic_reader_next(reader, &arena, &record, &partition, &err);
		if (rc == READER_STRETCH_END)
			continue;
		while (at < count && next == ranges[at].to) {
			at++;
			next = at < count ? ranges[at].from : 0;
		}
		if (rc == READER_END)
			break;
		CHECK_INT(rc, READER_RECORD);
		CHECK(at < count);
		CHECK_INT(partition, ranges[at].partition);
		CHECK_INT(record.offset, next);
		char expected[32];
		snprintf(expected, sizeof expected, "%lld", (long long)next);
		CHECK_STR(record.value, expected);
		next++;
	}
	CHECK_INT(at, count);
	topic_reader_close(reader);
	arena_release(&arena);
}

TEST(reader_gives_each_record_of_its_ranges_once)
{
	struct log_store *store = kit_store(test_folder());
	struct log_topic *topic = kit_make_topic(store, "t", 3);
	struct mr_rng rng;
	rng_seed(&rng, 5);
	int64_t ends[3] = {0};
	for (int i = 0; i < 60; i++) {
		int32_t p = (int32_t)rng_below(&rng, 3);
		int count = 1 + (int)rng_below(&rng, 40);
		kit_put_numbered(topic, p, i % 3 ? BATCH_NONE : BATCH_ZSTD, "%d", (int)ends[p], count);
		ends[p] += count;
	}
	for (int round = 0; round < test_rounds(300); round++) {
		struct topic_range ranges[4];
		size_t count = rng_below(&rng, 5);
		for (size_t i = 0; i < count; i++) {
			int32_t p = (int32_t)rng_below(&rng, 3);
			int64_t from = (int64_t)rng_below(&rng, (uint64_t)ends[p] + 1);
			ranges[i] = (struct topic_range){
			    p, from, from + (int64_t)rng_below(&rng, (uint64_t)(ends[p] - from) + 1)};
		}
		check_reader(store, ranges, count);
	}
	log_store_close(store);
}

TEST(reader_names_what_is_not_there)
{
	struct log_store *store = kit_store(test_folder());
	struct log_topic *topic = kit_make_topic(store, "t", 1);
	kit_put_numbered(topic, 0, BATCH_NONE, "%d", 0, 3);
	struct topic_reader *reader;
	struct mr_error err;
	struct topic_range range = {1, 0, 1};
	CHECK_INT(topic_reader_open(store, MR_STR("none"), NULL, 0, &reader, &err), MR_ERR_NOT_FOUND);
	CHECK_INT(topic_reader_open(store, MR_STR("t"), &range, 1, &reader, &err), MR_ERR_NOT_FOUND);
	range = (struct topic_range){0, 0, 4};
	CHECK_OK(topic_reader_open(store, MR_STR("t"), &range, 1, &reader, &err), err);
	struct arena arena = {0};
	struct record record;
	int32_t partition;
	int rc, records = 0;
	while ((rc = topic_reader_next(reader, &arena, &record, &partition, &err)) > 0)
		records += rc == READER_RECORD;
	CHECK_INT(rc, MR_ERR_LIMIT);
	CHECK_INT(records, 3);
	CHECK_STR(mr_str_from(err.message), "t-0 ends at offset 3, before 4");
	topic_reader_close(reader);
	log_store_close(store);
}

struct rejected {
	int32_t partition;
	int64_t offset;
	char reason[128];
};
struct rejects {
	MR_VEC(struct rejected) list;
};

static int collect(void *arg, int32_t partition, const struct record *record, const char *reason,
		   struct mr_error *err)
{
	struct rejects *rejects = arg;
	struct rejected one = {.partition = partition, .offset = record->offset};
	snprintf(one.reason, sizeof one.reason, "%s", reason);
	mr_vec_push(&rejects->list, one);
	return 0;
}

static struct event_layout *layout_of(const struct column_def *contract, size_t count, const char *date_from)
{
	static const mr_str date[] = {{"date", 4}};
	struct event_layout_options options = {.topic = MR_STR("t"),
					       .table = MR_STR("bronze.t"),
					       .contract = contract,
					       .contract_count = count,
					       .partition_by = date,
					       .partition_count = 1,
					       .date_from = mr_str_from(date_from)};
	struct event_layout *layout;
	struct mr_error err;
	CHECK_OK(event_layout_new(&options, &layout, &err), err);
	return layout;
}

TEST(event_scan_makes_typed_rows_and_tells_the_rest)
{
	static const struct column_def contract[] = {COLUMN("id", COL_LONG), COLUMN("ts", COL_TIMESTAMP)};
	static const struct kit_record records[] = {
	    {"k", "{\"id\":1,\"ts\":\"2026-01-02T23:59:59Z\"}", 1000},
	    {"k", "not json", 1000},
	    {"k", "{\"id\":\"x\"}", 1000},
	    {"k", NULL, 1000},
	    {NULL, "{\"id\":2}", 86400000},
	};
	struct log_store *store = kit_store(test_folder());
	kit_put(kit_make_topic(store, "t", 1), 0, BATCH_LZ4, records, MR_COUNT(records));
	struct event_layout *layout = layout_of(contract, MR_COUNT(contract), NULL);
	CHECK_INT(layout->column_count, 7);
	struct rejects rejects = {0};
	uint64_t bytes = 0;
	struct event_rejects tell = {.fn = collect, .arg = &rejects, .bytes_read = &bytes};
	struct topic_range range = {0, 0, 5};
	struct event_scan *scan;
	struct columns batch;
	struct mr_error err;
	columns_init(&batch, layout->columns, layout->column_count);
	CHECK_OK(event_scan_open(store, layout, &range, 1, &tell, &scan, &err), err);
	CHECK_INT(event_scan_next(scan, &batch, &err), 1);
	CHECK_INT(batch.rows, 2);
	CHECK_INT(((int64_t *)batch.columns[0].values)[0], 1);
	CHECK_INT(((int32_t *)batch.columns[2].values)[0], 20455); /* 2026-01-02 */
	CHECK_INT(batch.columns[2].valid[1], 0);                   /* no ts, no date */
	CHECK_STR(((mr_str *)batch.columns[3].values)[1], "t");
	CHECK_INT(((int64_t *)batch.columns[5].values)[1], 4);
	CHECK_INT(((int64_t *)batch.columns[6].values)[1], 86400000000);
	columns_clear(&batch);
	CHECK_INT(event_scan_next(scan, &batch, &err), 0);
	event_scan_close(scan);
	CHECK(bytes > 61);
	CHECK_INT(rejects.list.len, 3);
	CHECK_INT(rejects.list.items[1].offset, 2);
	CHECK_STR(mr_str_from(rejects.list.items[1].reason), "\"id\" is \"x\", expected long");
	CHECK_STR(mr_str_from(rejects.list.items[2].reason), "the value is null");
	mr_vec_release(&rejects.list);
	columns_release(&batch);
	event_layout_free(layout);
	log_store_close(store);
}

TEST(event_scan_without_a_contract_keeps_text)
{
	static const struct kit_record records[] = {
	    {"k", "v", -1}, {NULL, NULL, 86400000}, {"k", "\xff", 0}, {"\xc3", "v", 0}};
	struct log_store *store = kit_store(test_folder());
	kit_put(kit_make_topic(store, "t", 1), 0, BATCH_NONE, records, MR_COUNT(records));
	struct event_layout *layout = layout_of(NULL, 0, NULL);
	struct rejects rejects = {0};
	struct event_rejects tell = {.fn = collect, .arg = &rejects};
	struct topic_range range = {0, 0, 4};
	struct event_scan *scan;
	struct columns batch;
	struct mr_error err;
	columns_init(&batch, layout->columns, layout->column_count);
	CHECK_OK(event_scan_open(store, layout, &range, 1, &tell, &scan, &err), err);
	CHECK_INT(event_scan_next(scan, &batch, &err), 1);
	CHECK_INT(batch.rows, 2);
	CHECK_STR(((mr_str *)batch.columns[1].values)[0], "v");
	CHECK_INT(((int32_t *)batch.columns[2].values)[0], -1); /* a ms before 1970 */
	CHECK_INT(batch.columns[1].valid[1], 0);
	CHECK_INT(((int32_t *)batch.columns[2].values)[1], 1);
	event_scan_close(scan);
	CHECK_STR(mr_str_from(rejects.list.items[0].reason), "the value is not UTF-8");
	CHECK_STR(mr_str_from(rejects.list.items[1].reason), "the key is not UTF-8");
	mr_vec_release(&rejects.list);
	columns_release(&batch);
	event_layout_free(layout);
	log_store_close(store);
}

TEST(event_layout_refuses_what_cannot_be)
{
	static const struct column_def twice[] = {COLUMN("a", COL_LONG), COLUMN("a", COL_LONG)};
	static const struct column_def taken[] = {COLUMN("kafka_offset", COL_LONG)};
	static const struct column_def fine[] = {COLUMN("a", COL_LONG), COLUMN("ts", COL_TIMESTAMP)};
	static const mr_str by_date[] = {{"date", 4}}, by_none[] = {{"none", 4}};
	static const struct {
		const struct column_def *contract;
		size_t count;
		const mr_str *by;
		const char *date_from;
	} cases[] = {{twice, 2, by_date, ""},
		     {taken, 1, by_date, ""},
		     {fine, 2, by_none, ""},
		     {fine, 2, by_date, "a"},
		     {fine, 2, by_date, "nowhere"}};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct event_layout_options options = {.topic = MR_STR("t"),
						       .table = MR_STR("b.t"),
						       .contract = cases[i].contract,
						       .contract_count = cases[i].count,
						       .partition_by = cases[i].by,
						       .partition_count = 1,
						       .date_from = mr_str_from(cases[i].date_from)};
		struct event_layout *layout;
		struct mr_error err = {0};
		CHECK_INT(event_layout_new(&options, &layout, &err), MR_ERR_INVALID);
		CHECK(err.hint[0]);
	}
	struct event_layout *layout = layout_of(fine, 2, "kafka_timestamp");
	CHECK(layout->date_from == SIZE_MAX);
	event_layout_free(layout);
}
