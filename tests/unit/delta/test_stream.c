/* A table as a stream's source: every batch size gives the same rows, whatever the versions hold. */
#include "delta_fixture.h"

#include "delta/stream.h"
#include "env/rng.h"

static const struct delta_stream_read whole = {.max_files = INT64_MAX, .max_bytes = INT64_MAX};
static const struct delta_stream_offset nothing = {.version = -1};

struct follower {
	struct delta_fixture *f;
	struct delta_stream_read read;
	struct delta_stream_offset at;
	int64_t sum, count, batches;
};

/* One batch; what delta_stream_sql says. */
static int follow(struct follower *s, struct delta_stream_batch *batch)
{
	struct mr_buf sql = {0};
	struct sql_result *r = NULL;
	struct delta_snapshot *now = delta_now(s->f);
	mr_buf_cstr(&sql, "SELECT coalesce(sum(n), 0), count(*) FROM ");
	int rc = delta_stream_sql(s->f->table, now, &s->read, &s->at, &sql, batch, &s->f->err);
	if (rc == 0) {
		CHECK_OK(sql_query(s->f->conn, mr_buf_view(&sql), &r, &s->f->err), s->f->err);
		CHECK_INT(sql_next(r, &s->f->err), 1);
		s->sum += sql_int(r, 0);
		s->count += sql_int(r, 1);
		s->batches++;
		s->at = batch->end;
		sql_result_free(r);
	}
	delta_snapshot_unref(now);
	mr_buf_release(&sql);
	return rc;
}

static void follow_all(struct follower *s)
{
	struct delta_stream_batch batch = {.more = true};
	while (batch.more)
		CHECK_OK(follow(s, &batch), s->f->err);
}

#define CHECK_FOLLOW(f_, from_, sum_, count_, ...) \
	do { \
		struct follower s_ = {.f = (f_), .at = (from_), .read = {__VA_ARGS__}}; \
		s_.read.max_files = s_.read.max_files ? s_.read.max_files : INT64_MAX; \
		s_.read.max_bytes = s_.read.max_bytes ? s_.read.max_bytes : INT64_MAX; \
		follow_all(&s_); \
		CHECK_INT(s_.sum, (sum_)); \
		CHECK_INT(s_.count, (count_)); \
	} while (0)

static int refused(struct delta_fixture *f, struct delta_stream_read read, struct delta_stream_offset from)
{
	struct delta_stream_batch batch;
	struct follower s = {.f = f, .read = read, .at = from};
	return follow(&s, &batch);
}

/* Every file of the newest snapshot goes, for `query` in their place. */
static void replace_all(struct delta_fixture *f, const char *query, bool rearranges)
{
	struct delta_snapshot *now = delta_now(f);
	struct delta_data_file *files;
	size_t count = delta_files(now, &f->arena, &files);
	mr_str *paths = arena_alloc(&f->arena, (count + 1) * sizeof *paths);
	for (size_t i = 0; i < count; i++)
		paths[i] = files[i].path;
	delta_put(f, query,
		  (struct delta_commit){.operation = rearranges ? "OPTIMIZE" : "WRITE",
					.base = now,
					.removes = paths,
					.remove_count = count,
					.rearranges = rearranges});
	delta_snapshot_unref(now);
}

TEST(stream_reads_the_snapshot_then_what_comes)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT 1 AS n");
	delta_append(&f, "SELECT 2 AS n");
	struct follower s = {.f = &f, .read = whole, .at = nothing};
	follow_all(&s);
	CHECK_INT(s.sum, 3);
	CHECK_INT(s.at.version, 2);
	CHECK(!s.at.initial);
	replace_all(&f, "SELECT unnest([1, 2]) AS n", true); /* dataChange=false */
	delta_append(&f, "SELECT 4 AS n");
	follow_all(&s);
	CHECK_INT(s.sum, 7);
	CHECK_INT(s.count, 3);
	CHECK_INT(s.at.version, 4);
	delta_fixture_close(&f);
}

TEST(stream_starts_where_it_is_told)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	for (int i = 1; i <= 3; i++)
		delta_append(&f, i == 1 ? "SELECT 1 AS n" : i == 2 ? "SELECT 2 AS n" : "SELECT 4 AS n");
	CHECK_FOLLOW(&f, nothing, 6, 2, .start = DELTA_START_VERSION, .start_at = 2);
	CHECK_FOLLOW(&f, nothing, 7, 3, .start = DELTA_START_VERSION, .start_at = 0);
	CHECK_FOLLOW(&f, nothing, 0, 0, .start = DELTA_START_LATEST);
	CHECK_FOLLOW(&f, nothing, 7, 3, .start = DELTA_START_TIMESTAMP, .start_at = 0);
	CHECK_FOLLOW(&f, nothing, 0, 0, .start = DELTA_START_TIMESTAMP, .start_at = INT64_MAX / 4);
	/* A start is for the first batch only. */
	CHECK_FOLLOW(&f, ((struct delta_stream_offset){.version = 2}), 4, 1, .start = DELTA_START_VERSION,
		     .start_at = 0);
	struct delta_stream_read read = whole;
	read.start = DELTA_START_VERSION;
	read.start_at = 9;
	CHECK_INT(refused(&f, read, nothing), MR_ERR_NOT_FOUND);
	CHECK(strstr(f.err.message, "DELTA_VERSION_NOT_FOUND"));
	/* A latest start is decided once, though it brings nothing. */
	struct delta_stream_batch batch;
	struct follower s = {.f = &f, .read = whole, .at = nothing};
	s.read.start = DELTA_START_LATEST;
	CHECK_OK(follow(&s, &batch), f.err);
	CHECK(batch.decided);
	delta_append(&f, "SELECT 8 AS n");
	follow_all(&s);
	CHECK_INT(s.sum, 8);
	delta_fixture_close(&f);
}

TEST(stream_names_what_it_does_not_bear)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT 1 AS n");
	replace_all(&f, "SELECT 2 AS n", false);             /* version 2: a change */
	replace_all(&f, "SELECT 0 AS n WHERE false", false); /* version 3: a delete */
	delta_append(&f, "SELECT 4 AS n");
	struct delta_stream_offset one = {.version = 1}, two = {.version = 2};
	CHECK_INT(refused(&f, whole, one), MR_ERR_UNSUPPORTED);
	CHECK(strstr(f.err.message, "DELTA_SOURCE_TABLE_IGNORE_CHANGES"));
	CHECK_INT(refused(&f, whole, two), MR_ERR_UNSUPPORTED);
	CHECK(strstr(f.err.message, "DELTA_SOURCE_IGNORE_DELETE"));
	struct delta_stream_read read = whole;
	read.ignore_deletes = true;
	CHECK_INT(refused(&f, read, one), MR_ERR_UNSUPPORTED);
	CHECK_FOLLOW(&f, two, 4, 1, .ignore_deletes = true);
	CHECK_FOLLOW(&f, one, 6, 2, .ignore_changes = true);
	CHECK_FOLLOW(&f, one, 4, 1, .skip_change_commits = true);
	delta_fixture_close(&f);
}

TEST(stream_stops_where_the_columns_change)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	struct delta_snapshot *before = delta_now(&f);
	struct delta_stream_read read = whole;
	read.schema_json = arena_copy(&f.arena, delta_schema_json(before));
	struct mr_buf wider = {0};
	mr_str metadata = delta_metadata_json(before);
	const char *field = strstr(metadata.ptr, "[{");
	CHECK(field);
	mr_buf_printf(&wider,
		      "%.*s[{\\\"name\\\":\\\"m\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,"
		      "\\\"metadata\\\":{}},%s",
		      (int)(field - metadata.ptr), metadata.ptr, field + 1);
	struct delta_commit commit = {
	    .operation = "ADD COLUMNS", .base = before, .metadata = mr_buf_view(&wider)};
	int64_t version;
	CHECK_OK(delta_commit(f.table, &commit, &version, &f.err), f.err);
	delta_append(&f, "SELECT 5 AS n, 6 AS m");
	struct delta_stream_offset zero = {.version = 0};
	CHECK_INT(refused(&f, read, zero), MR_ERR_CONFLICT);
	CHECK(strstr(f.err.message, "DELTA_SCHEMA_CHANGED_WITH_VERSION"));
	/* A new run was planned with the new columns. */
	CHECK_FOLLOW(&f, zero, 5, 1);
	mr_buf_release(&wider);
	delta_snapshot_unref(before);
	delta_fixture_close(&f);
}

/* Random versions: a follower with any limits sees what one without sees, and each append once. */
TEST(stream_batches_of_any_size_bring_the_same)
{
	struct delta_fixture f;
	struct mr_rng rng;
	rng_seed(&rng, 11);
	for (int round = 0; round < test_rounds(6); round++) {
		delta_fixture_open(&f);
		delta_fixture_create(&f, "n long, p long", "p");
		struct follower followers[4];
		for (size_t i = 0; i < MR_COUNT(followers); i++) {
			followers[i] = (struct follower){.f = &f, .read = whole, .at = nothing};
			followers[i].read.skip_change_commits = true;
		}
		followers[1].read.max_files = 1 + (int64_t)rng_below(&rng, 4);
		followers[2].read.max_bytes = 1 + (int64_t)rng_below(&rng, 3000);
		followers[3].read.max_files = 2;
		followers[3].read.start = DELTA_START_VERSION;
		int64_t appended = 0;
		for (int step = 0; step < 12; step++) {
			char query[120];
			switch (rng_below(&rng, 5)) {
			default:
				snprintf(query, sizeof query, "SELECT 1 AS n, unnest(range(%d)) AS p",
					 1 + (int)rng_below(&rng, 5));
				delta_append(&f, query);
				appended += strtoll(strstr(query, "range(") + 6, NULL, 10);
				break;
			case 3:
				if (step)
					replace_all(&f, "SELECT 1000 AS n, 7 AS p", true);
				break;
			case 4: /* a batch of some */
				for (size_t i = 0; i < 3; i++) {
					struct delta_stream_batch batch;
					CHECK_OK(follow(&followers[i], &batch), f.err);
				}
			}
			/* The first look decides what the snapshot is: all have it by now. */
			if (step == 0)
				for (size_t i = 0; i < 3; i++) {
					struct delta_stream_batch batch;
					CHECK_OK(follow(&followers[i], &batch), f.err);
				}
		}
		for (size_t i = 0; i < MR_COUNT(followers); i++) {
			follow_all(&followers[i]);
			CHECK_INT(followers[i].sum, appended);
			CHECK_INT(followers[i].count, appended);
			CHECK_INT(followers[i].at.version, followers[0].at.version);
			CHECK_INT(followers[i].at.index, 0);
		}
		delta_fixture_close(&f);
	}
}

TEST(stream_of_changes_keeps_versions_whole)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	struct delta_snapshot *before = delta_now(&f);
	struct mr_buf metadata = {0};
	mr_str json = delta_metadata_json(before);
	const char *at = strstr(json.ptr, "\"configuration\":{");
	CHECK(at);
	at += strlen("\"configuration\":{");
	mr_buf_printf(&metadata, "%.*s\"delta.enableChangeDataFeed\":\"true\"%s%s", (int)(at - json.ptr),
		      json.ptr, *at == '}' ? "" : ",", at);
	struct delta_commit commit = {
	    .operation = "SET TBLPROPERTIES", .base = before, .metadata = mr_buf_view(&metadata)};
	int64_t version;
	CHECK_OK(delta_commit(f.table, &commit, &version, &f.err), f.err);
	delta_append(&f, "SELECT unnest([1, 2]) AS n");
	struct follower s = {.f = &f, .read = whole, .at = nothing};
	s.read.change_feed = true;
	s.read.max_files = 1;
	struct delta_stream_batch batch;
	CHECK_OK(follow(&s, &batch), f.err); /* what it held, as inserts */
	CHECK_INT(s.count, 2);
	replace_all(&f, "SELECT 2 AS n", false); /* 1 and 2 deleted, 2 inserted */
	CHECK_OK(follow(&s, &batch), f.err);
	CHECK_INT(s.count, 5);
	CHECK_INT(s.sum, 8);
	CHECK(!batch.more);
	s.at = (struct delta_stream_offset){.version = -1};
	s.read.start = DELTA_START_VERSION;
	s.read.start_at = 0;
	CHECK_INT(follow(&s, &batch), MR_ERR_INVALID); /* version 0 does not record changes */
	mr_buf_release(&metadata);
	delta_snapshot_unref(before);
	delta_fixture_close(&f);
}
