/* tests/unit/dag/test_store_cut.c - the scheduler's store in SQLite: what a power cut may leave of it. */
#include "test.h"

#include "base/buf.h"
#include "dag/dag.h"
#include "dag/store.h"
#include "env/env.h"

#include <stdlib.h>

#define BATCHES 12
#define SECTOR ((size_t)512)
#define FILE_BYTES_MAX ((size_t)64 << 20)

/* Batch n: five events and a note, which come together or not at all. */
static void put_batch(struct dag_store *store, uint64_t epoch, int n)
{
	struct store_batch *batch = store_batch_new();
	struct mr_error err;
	char text[16];
	snprintf(text, sizeof text, "%d", n);
	batch->epoch = epoch;
	batch->number = (uint64_t)n;
	for (int i = 0; i < 5; i++)
		mr_vec_push(&batch->events, (struct store_event){.what = MR_STR("sim"),
								 .dag_id = MR_STR("d"),
								 .detail = mr_str_from(text),
								 .map_index = -1,
								 .at_us = n});
	mr_vec_push(&batch->notes, (struct store_note){.dag_id = MR_STR("d"),
						       .run_id = mr_str_from(text),
						       .text = mr_str_from(text),
						       .map_index = -1});
	CHECK_OK(store->ops->apply(store, batch, &err), err);
	store_batch_free(batch);
}

static void read_into(const char *path, struct mr_buf *out)
{
	mr_buf_clear(out);
	CHECK_OK(disk_read_file(env_linux()->disk, path, FILE_BYTES_MAX, out, NULL), (struct mr_error){0});
}

static int count(struct dag_store *store, const char *sql)
{
	struct mr_buf text = {0};
	struct mr_error err;
	int n = -1;
	CHECK_OK(store->ops->query(store, sql, NULL, 0, &text, &err), err);
	mr_buf_char(&text, '\0');
	CHECK(sscanf(text.ptr, "{\"n\":%d}", &n) == 1);
	mr_buf_release(&text);
	return n;
}

/* The disk has `main`, and of the log each sector as it was before the last write or after it. */
static void check_after_cut(const struct mr_buf *main, const struct mr_buf *before,
			    const struct mr_buf *after, struct mr_rng *rng, int durable, int round)
{
	struct mr_error err;
	struct mr_buf torn = {0};
	struct dag_store *store;
	const char *path = test_path("%s/cut-%d-%d.db", test_folder(), durable, round);
	uint64_t odds = 1 + rng_below(rng, 4);
	for (size_t at = 0; at < after->len; at += SECTOR) {
		bool late = round && rng_below(rng, odds + 1) == 0;
		const struct mr_buf *from = late ? after : before;
		if (at < from->len)
			mr_buf_str(&torn, mr_str_n(from->ptr + at, mr_min_size(SECTOR, from->len - at)));
		else
			break; /* the file had not grown yet */
	}
	CHECK_OK(disk_replace_file(env_linux()->disk, path, mr_buf_view(main), &err), err);
	CHECK_OK(disk_replace_file(env_linux()->disk, test_path("%s-wal", path), mr_buf_view(&torn), &err),
		 err);
	CHECK_OK(store_sqlite_open(path, &store, &err), err);
	int notes = count(store, "SELECT count(*) AS n FROM note");
	if (notes != durable && notes != durable + 1)
		test_fail(__FILE__, __LINE__, "%d batches after %d were durable, round %d", notes, durable,
			  round);
	CHECK_INT(count(store, "SELECT count(*) AS n FROM log"), 5 * notes);
	store->ops->free(store);
	mr_buf_release(&torn);
}

/* SQLite syncs its log before a commit returns (synchronous = FULL): what lay in it when apply returned
 * is there after a power cut; what is written next is there, torn or gone. */
TEST(store_keeps_what_it_said_is_durable)
{
	struct mr_error err;
	struct dag_store *store;
	struct mr_buf main = {0}, logs[BATCHES + 1] = {{0}};
	struct mr_rng rng;
	uint64_t epoch;
	const char *path = test_path("%s/s.db", test_folder());
	rng_seed(&rng, 7);
	CHECK_OK(store_sqlite_open(path, &store, &err), err);
	CHECK_OK(store->ops->claim(store, MR_STR("sim"), NULL, &epoch, &err), err);
	for (int n = 0; n <= BATCHES; n++) {
		if (n)
			put_batch(store, epoch, n);
		read_into(test_path("%s-wal", path), &logs[n]);
	}
	read_into(path, &main);
	for (int n = 0; n < BATCHES; n++)
		for (int round = 0; round < 6; round++)
			check_after_cut(&main, &logs[n], &logs[n + 1], &rng, n, round);
	for (int n = 0; n <= BATCHES; n++)
		mr_buf_release(&logs[n]);
	mr_buf_release(&main);
	store->ops->free(store);
}
