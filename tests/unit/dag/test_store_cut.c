/* tests/unit/dag/test_store_cut.c - the scheduler's store in SQLite: what a power cut may leave of it. */
#include "test.h"

#include "base/buf.h"
#include "dag/dag.h"
#include "dag/store.h"
#include "env/env.h"

#include <stdlib.h>

#define BATCHES 12
#define FILE_BYTES_MAX ((size_t)64 << 20)

/* Batch n: five events and a note, which come together or not at all. */
static void put_batch(struct dag_store *store, uint64_t epoch, int n)
{
	struct store_batch *batch = store_batch_new();
	struct mr_error err;
	char text[16];
	snprintf(text, sizeof text, "%d", n);
	batch->epoch = epoch;
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

/* The disk kept `main` and this much of the log, and behind it what had been there before. */
static void check_after_cut(const struct mr_buf *main, const struct mr_buf *log, size_t kept, size_t dirt,
			    int durable)
{
	struct mr_error err;
	struct mr_buf torn = {0};
	struct dag_store *store;
	const char *path = test_path("%s/cut-%zu-%zu.db", test_folder(), kept, dirt);
	mr_buf_str(&torn, mr_str_n(log->ptr, kept));
	for (size_t i = 0; i < dirt; i++)
		mr_buf_char(&torn, (char)(i * 7));
	CHECK_OK(disk_replace_file(env_linux()->disk, path, mr_buf_view(main), &err), err);
	CHECK_OK(disk_replace_file(env_linux()->disk, test_path("%s-wal", path), mr_buf_view(&torn), &err),
		 err);
	CHECK_OK(store_sqlite_open(path, &store, &err), err);
	int notes = count(store, "SELECT count(*) AS n FROM note");
	CHECK(notes >= durable && notes <= BATCHES);
	CHECK_INT(count(store, "SELECT count(*) AS n FROM log"), 5 * notes);
	store->ops->free(store);
	mr_buf_release(&torn);
}

/* SQLite syncs its log before a commit returns (synchronous = FULL): what lay in it when apply returned
 * is there after a power cut, what came later is there, torn or gone. */
TEST(store_keeps_what_it_said_is_durable)
{
	struct mr_error err;
	struct dag_store *store;
	struct mr_buf main = {0}, log = {0};
	struct mr_rng rng;
	uint64_t epoch;
	size_t sizes[BATCHES + 1];
	const char *path = test_path("%s/s.db", test_folder());
	rng_seed(&rng, 7);
	CHECK_OK(store_sqlite_open(path, &store, &err), err);
	CHECK_OK(store->ops->claim(store, MR_STR("sim"), NULL, &epoch, &err), err);
	for (int n = 0; n <= BATCHES; n++) {
		if (n)
			put_batch(store, epoch, n);
		read_into(test_path("%s-wal", path), &log);
		sizes[n] = log.len;
	}
	read_into(path, &main);
	for (int n = 0; n <= BATCHES; n++) {
		check_after_cut(&main, &log, sizes[n], 0, n);
		check_after_cut(&main, &log, sizes[n], 512 + rng_below(&rng, 9000), n);
		size_t torn = n < BATCHES ? rng_below(&rng, sizes[n + 1] - sizes[n]) : 0;
		check_after_cut(&main, &log, sizes[n] + torn, rng_below(&rng, 9000) + 1, n);
	}
	mr_buf_release(&main);
	mr_buf_release(&log);
	store->ops->free(store);
}
