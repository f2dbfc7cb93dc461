/* log/flusher.c - checkpoints that no commit round waits for.
 *
 * When a journal file is full a round begins a *flush* and goes on in the other file at once. The flush
 * is a plan, made with the io_lock held: which files have bytes that only the journal covers, and what
 * DIR/checkpoint will say once they are synced. A thread carries it out without any lock of the store:
 * it syncs the files, replaces DIR/checkpoint, and reports. Who holds the io_lock next takes the report
 * in (flush_reap). Before a file is synced what it is owed is written to it (write_back.c), and between
 * flushes the same thread does that a second after it began to be owed. The full journal file stays valid
 * until the other one is full as well; a round that needs it before the flush is over waits, so nothing is
 * overwritten that is still needed.
 *
 * A journal file that was filled and checkpointed is made twice as large before its next use, as long as no
 * round waits for it: under load checkpoints so become rarer, and a quiet server's journal stays small.
 *
 * A sync that fails leaves DIR/checkpoint alone and the partition marked before anybody else can sync
 * it (sync_lock): its pages may count as clean without having been written. The next checkpoint is then
 * taken in the round (checkpoint_write), which writes such bytes again.
 */
#include "log/store.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

/* A segment file or (base FOLDER) a partition's folder. */
struct flush_item {
	struct log_partition *partition;
	int64_t base;
	uint32_t version; /* of the segment: a compacted one is another file */
	uint32_t cuts;    /* of the partition: after a cut the same bytes are others */
	uint32_t names;
	int64_t size;
	struct shared_file *file; /* NULL: opened when its turn comes */
	bool synced;
};

enum { FOLDER = -1 };

struct flush {
	MR_VEC(struct flush_item) items;
	MR_VEC(struct log_partition *) partitions;
	struct mr_buf checkpoint;
	bool failed;
};

static void flush_free(struct flush *flush)
{
	for (size_t i = 0; i < flush->items.len; i++)
		shared_file_drop(flush->items.items[i].file);
	mr_vec_release(&flush->items);
	mr_vec_release(&flush->partitions);
	mr_buf_release(&flush->checkpoint);
	free(flush);
}

/* ---- the plan ---- */

/* The first segment with bytes that no sync covers: the ones before it are older still. */
static size_t first_unsynced(const struct log_partition *partition)
{
	size_t first = partition->segments.len;
	for (; first > 0; first--) {
		const struct segment *segment = partition->segments.items[first - 1];
		if (segment->size > 0 && segment->synced_size == segment->size)
			break;
	}
	return first;
}

/* What this round has placed and not written is not stable yet, and the next flush's. */
static void plan_partition(struct log_partition *partition, struct flush *flush)
{
	pthread_mutex_lock(&partition->lock);
	for (size_t i = first_unsynced(partition); i < partition->segments.len; i++) {
		const struct segment *segment = partition->segments.items[i];
		struct flush_item item = {
		    .partition = partition,
		    .base = segment->base,
		    .version = segment->version,
		    .cuts = partition->cuts,
		    .size = mr_max_i64(segment->written_size, segment->stable_size),
		    .file = segment->file ? shared_file_hold(segment->file) : NULL,
		};
		mr_vec_push(&flush->items, item);
	}
	pthread_mutex_unlock(&partition->lock);
	if (partition->dir_unsynced)
		mr_vec_push(
		    &flush->items,
		    ((struct flush_item){.partition = partition, .base = FOLDER, .names = partition->names}));
	mr_vec_push(&flush->partitions, partition);
}

static void plan(struct log_store *store, struct flush *flush)
{
	for (size_t i = 0; i < store->dirty.len; i++) {
		struct log_partition *partition = store->dirty.items[i];
		if (partition->deleted)
			continue;
		plan_partition(partition, flush);
		checkpoint_tidy(partition);
	}
	checkpoint_record(store, &flush->checkpoint);
}

/* After a failed sync a sync alone says nothing: a checkpoint in the round writes the bytes again. */
static bool needs_rewriting(const struct log_store *store)
{
	bool needs = store->flush_failed || store->journal_broken;
	for (size_t i = 0; i < store->dirty.len && !needs; i++)
		needs = store->dirty.items[i]->sync_failed;
	return needs;
}

static void hand_over(struct log_store *store, struct flush *flush)
{
	pthread_mutex_lock(&store->flush_lock);
	store->flush = flush;
	store->flush_done = false;
	pthread_cond_broadcast(&store->flush_changed);
	pthread_mutex_unlock(&store->flush_lock);
}

int flush_begin(struct log_store *store, struct mr_error *err)
{
	flush_finish(store);
	if (needs_rewriting(store))
		return checkpoint_write(store, err);
	struct flush *flush = mr_calloc(1, sizeof *flush);
	plan(store, flush);
	if (journal_start(store->journal, false, err) < 0) {
		flush_free(flush);
		return checkpoint_write(store, err);
	}
	for (size_t i = 0; i < store->dirty.len; i++)
		store->dirty.items[i]->dirty = false;
	store->dirty.len = 0;
	store->direct_bytes = 0;
	hand_over(store, flush);
	return 0;
}

/* ---- carrying it out, in the thread ---- */

/* Nobody asks for what is gone: a deleted topic's, a segment that retention dropped. */
static bool is_gone(const struct flush_item *item)
{
	struct log_partition *partition = item->partition;
	pthread_mutex_lock(&partition->lock);
	bool gone = partition->deleted || (item->base != FOLDER && !partition_segment(partition, item->base));
	pthread_mutex_unlock(&partition->lock);
	return gone;
}

/* sync_lock held. */
static int sync_file(struct flush_item *item, struct mr_buf *chunk, struct mr_error *err)
{
	struct log_partition *partition = item->partition;
	struct mr_disk *disk = partition->topic->store->env->disk;
	int rc = write_back_locked(partition, chunk, err);
	if (rc < 0)
		write_back_fault(partition, err);
	if (rc == 0 && !item->file)
		rc = segment_open_shared(disk, partition->dir, item->base, &item->file, err);
	if (rc < 0)
		return rc;
	rc = file_sync(item->file->file, err);
	if (rc < 0)
		partition->sync_failed = true;
	return rc;
}

static void sync_item(struct log_store *store, struct flush_item *item, struct mr_buf *chunk)
{
	struct log_partition *partition = item->partition;
	struct mr_error err;
	store->syncs++;
	pthread_mutex_lock(&partition->sync_lock);
	int rc = item->base == FOLDER ? disk_sync_dir(store->env->disk, partition->dir, &err)
				      : sync_file(item, chunk, &err);
	pthread_mutex_unlock(&partition->sync_lock);
	item->synced = rc == 0;
}

static bool has_time(struct log_store *store)
{
	pthread_mutex_lock(&store->flush_lock);
	bool has = !store->flush_awaited && !store->flusher_stopping;
	pthread_mutex_unlock(&store->flush_lock);
	return has;
}

/* Where that fails, for want of room, say, the file stays as it is. */
static void enlarge_journal(struct log_store *store)
{
	struct mr_error quiet;
	int rc = write_back_has_room(store);
	while (rc > 0 && has_time(store))
		rc = journal_grow_ahead(store->journal, &quiet);
}

static void carry_out(struct log_store *store, struct flush *flush)
{
	struct mr_error err;
	struct mr_buf chunk = {0};
	for (size_t i = 0; i < flush->items.len; i++) {
		struct flush_item *item = &flush->items.items[i];
		sync_item(store, item, &chunk);
		shared_file_drop(item->file);
		item->file = NULL;
		flush->failed |= !item->synced && !is_gone(item);
	}
	mr_buf_release(&chunk);
	for (size_t i = 0; i < flush->partitions.len; i++) {
		struct log_partition *partition = flush->partitions.items[i];
		pthread_mutex_lock(&partition->sync_lock);
		checkpoint_side_files(partition);
		pthread_mutex_unlock(&partition->sync_lock);
	}
	if (!flush->failed && checkpoint_replace(store, mr_buf_view(&flush->checkpoint), &err) < 0)
		flush->failed = true;
	if (!flush->failed)
		enlarge_journal(store);
	pthread_mutex_lock(&store->flush_lock);
	store->flush_done = true;
	pthread_cond_broadcast(&store->flush_changed);
	pthread_mutex_unlock(&store->flush_lock);
}

/* flush_lock held: sleep until there is something to do; true when what is owed is due. */
static bool wait_for_work(struct log_store *store)
{
	bool due = false;
	while (!store->flusher_stopping && (!store->flush || store->flush_done) && !due) {
		if (store->owing.len == 0)
			pthread_cond_wait(&store->flush_changed, &store->flush_lock);
		else
			due = store->owed_bytes >= WRITE_BACK_WAKE ||
			      pthread_cond_timedwait(&store->flush_changed, &store->flush_lock,
						     &store->owing_due) == ETIMEDOUT;
	}
	return due;
}

static void *run(void *arg)
{
	struct log_store *store = arg;
	for (;;) {
		pthread_mutex_lock(&store->flush_lock);
		bool due = wait_for_work(store);
		struct flush *flush = store->flush_done ? NULL : store->flush;
		bool stop = store->flusher_stopping && (!flush || store->abandoned);
		pthread_mutex_unlock(&store->flush_lock);
		if (stop)
			return NULL;
		if (flush)
			carry_out(store, flush);
		if (due)
			write_back_all(store);
	}
}

/* ---- taking the report in ---- */

static void take_item(struct flush_item *item)
{
	struct log_partition *partition = item->partition;
	if (!item->synced)
		return;
	if (item->base == FOLDER && item->names == partition->names)
		partition->dir_unsynced = false;
	if (item->base == FOLDER || item->cuts != partition->cuts)
		return;
	for (size_t i = 0; i < partition->segments.len; i++) {
		struct segment *segment = partition->segments.items[i];
		if (segment->base == item->base && segment->version == item->version)
			segment->synced_size = mr_max_i64(segment->synced_size, item->size);
	}
}

void flush_reap(struct log_store *store)
{
	pthread_mutex_lock(&store->flush_lock);
	struct flush *flush = store->flush_done ? store->flush : NULL;
	if (flush)
		store->flush = NULL;
	pthread_mutex_unlock(&store->flush_lock);
	if (!flush)
		return;
	for (size_t i = 0; i < flush->items.len; i++)
		take_item(&flush->items.items[i]);
	for (size_t i = 0; flush->failed && i < flush->partitions.len; i++)
		partition_mark_dirty(flush->partitions.items[i]);
	store->flush_failed |= flush->failed;
	store->checkpoints += !flush->failed;
	flush_free(flush);
}

void flush_finish(struct log_store *store)
{
	pthread_mutex_lock(&store->flush_lock);
	struct flush *mine = store->flush && !store->flush_done && !store->flusher_runs ? store->flush : NULL;
	store->flush_awaited = true;
	while (!mine && store->flush && !store->flush_done)
		pthread_cond_wait(&store->flush_changed, &store->flush_lock);
	store->flush_awaited = false;
	pthread_mutex_unlock(&store->flush_lock);
	if (mine)
		carry_out(store, mine);
	flush_reap(store);
}

bool flush_under_way(struct log_store *store)
{
	pthread_mutex_lock(&store->flush_lock);
	bool under_way = store->flush != NULL;
	pthread_mutex_unlock(&store->flush_lock);
	return under_way;
}

/* ---- the thread ---- */

int flusher_start(struct log_store *store, struct mr_error *err)
{
	int rc = pthread_create(&store->flusher, NULL, run, store);
	if (rc != 0)
		return mr_fail(err, MR_ERR_INTERNAL, "cannot start the flusher thread: %s", strerror(rc));
	store->flusher_runs = true;
	return 0;
}

void flusher_stop(struct log_store *store)
{
	if (!store->flusher_runs)
		return;
	pthread_mutex_lock(&store->flush_lock);
	store->flusher_stopping = true;
	pthread_cond_broadcast(&store->flush_changed);
	pthread_mutex_unlock(&store->flush_lock);
	pthread_join(store->flusher, NULL);
	store->flusher_runs = false;
}

void flusher_release(struct log_store *store)
{
	if (store->flush)
		flush_free(store->flush);
	store->flush = NULL;
}
