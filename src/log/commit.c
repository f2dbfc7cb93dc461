/* log/commit.c - one commit round: all that is pending, one sync.
 *
 *   1. take the queue; bring back fenced partitions for which an append has asked
 *   2. give each partition's flight its place in a segment: small ones that the journal will hold are
 *      written there later (write_back.c), the others now (page cache)
 *   3. make the durable ones safe: one journal frame and one sync for all of them
 *      (or, where that is cheaper, a sync of the segment itself)
 *   4. publish, wake who waits, call the listeners
 *
 * While a round syncs, appends pile up: the next round takes them all. A partition whose write
 * fails is fenced by itself; a journal that fails fences all partitions of the round.
 */
#include "log/store.h"

#include <stdlib.h>

/* Measured (docs/log.md): from here on writing the bytes twice costs more than a second sync. */
#define DIRECT_PARTITIONS_MAX 2
#define DIRECT_BYTES_MIN ((size_t)256 << 10)
#define DIRECT_BYTES_SCANNED_MAX ((int64_t)256 << 20)
#define OPEN_PARTITIONS_MAX 4096
/* Gathering more would not make the write cheaper, and a copy of it in memory costs as much. */
#define WRITTEN_AT_ONCE_MIN ((size_t)128 << 10)

/* How a partition's flight becomes stable. */
enum way { RELAXED, DIRECT, JOURNALLED };

static void take_queue(struct log_store *store)
{
	store->round.len = 0;
	pthread_mutex_lock(&store->queue_lock);
	for (struct log_partition *p = store->queue_head; p; p = p->queue_next)
		mr_vec_push(&store->round, p);
	store->queue_head = NULL;
	store->queue_tail = &store->queue_head;
	pthread_mutex_unlock(&store->queue_lock);
}

static bool is_durable(const struct log_partition *partition)
{
	struct log_topic_config config;
	log_topic_config(partition->topic, &config);
	return config.durability == LOG_DURABLE;
}

static void fail(struct log_partition *partition, const struct mr_error *err)
{
	partition_fence(partition, err);
	flight_drop(partition);
	mr_vec_push(&partition->topic->store->dropped, partition);
	pthread_mutex_lock(&partition->lock);
	for (size_t i = 0; i < partition->segments.len; i++) {
		struct segment *segment = partition->segments.items[i];
		segment->size = segment->stable_size;
		segment->written_size = mr_min_i64(segment->written_size, segment->size);
		segment->synced_size = mr_min_i64(segment->synced_size, segment->size);
	}
	pthread_mutex_unlock(&partition->lock);
	partition->cuts++;
	partition->written_next = partition->stable_offset;
}

void partition_mark_dirty(struct log_partition *partition)
{
	partition->generation = journal_generation(partition->topic->store->journal);
	if (partition->dirty)
		return;
	partition->dirty = true;
	mr_vec_push(&partition->topic->store->dirty, partition);
}

/* Is a sync of the segment itself the better way? It must be when bytes before these are not
 * covered by anything. */
static bool goes_direct(const struct log_store *store, const struct log_partition *partition)
{
	if (partition->uncovered || store->journal_use == LOG_JOURNAL_NEVER)
		return true;
	return store->journal_use == LOG_JOURNAL_AUTO && store->round.len <= DIRECT_PARTITIONS_MAX &&
	       partition->flight.len >= DIRECT_BYTES_MIN;
}

static enum way way_of(const struct log_store *store, const struct log_partition *partition)
{
	if (!is_durable(partition))
		return RELAXED;
	return goes_direct(store, partition) ? DIRECT : JOURNALLED;
}

/* False: nothing of it can be committed in this round. */
static bool prepare(struct log_partition *partition, enum way *way, struct mr_error *err)
{
	struct log_store *store = partition->topic->store;
	pthread_mutex_lock(&partition->lock);
	bool retry = partition->fence_code && partition->retry_wanted;
	bool deleted = partition->deleted;
	partition->retry_wanted = false;
	pthread_mutex_unlock(&partition->lock);
	struct mr_error quiet;
	if (retry && !deleted && !store->journal_broken) {
		partition_mark_dirty(partition);
		(void)!partition_unfence(partition, &quiet);
	}
	flight_take(partition);
	if (partition->flight.len == 0)
		return false;
	if (deleted) {
		flight_drop(partition);
		mr_vec_push(&store->dropped, partition);
		return false;
	}
	partition_mark_dirty(partition);
	*way = way_of(store, partition);
	bool wait = *way == JOURNALLED && store->may_wait && partition->flight.len < WRITTEN_AT_ONCE_MIN;
	if (flight_write(partition, wait, err) < 0) {
		fail(partition, err);
		return false;
	}
	return true;
}

static int add_to_journal(struct log_partition *partition, struct mr_error *err)
{
	struct journal *journal = partition->topic->store->journal;
	for (size_t i = 0; i < partition->runs.len; i++) {
		const struct flight_run *run = &partition->runs.items[i];
		struct journal_entry entry = {
		    .partition = partition->index,
		    .segment = run->segment->base,
		    .position = run->position,
		    .bytes = {partition->flight.ptr + run->from, run->to - run->from},
		};
		memcpy(entry.topic_id, partition->topic->id, sizeof entry.topic_id);
		int rc = journal_add(journal, &entry, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What the round has written to segments belongs to the next checkpoint. */
static int next_journal_file(struct log_store *store, struct log_partition **partitions, size_t count,
			     struct mr_error *err)
{
	int rc = flush_begin(store, err);
	for (size_t i = 0; i < count; i++)
		partition_mark_dirty(partitions[i]);
	return rc;
}

/* A checkpoint syncs the segments: no frame is needed. */
static int sync_instead(struct log_store *store, struct log_partition **partitions, size_t count,
			struct mr_error *err)
{
	for (size_t i = 0; i < count; i++) {
		int rc = flight_write_rest(partitions[i], err);
		if (rc < 0)
			return rc;
	}
	return checkpoint_write(store, err);
}

/* Make the flights of `count` partitions durable with one sync. */
static int journal_round(struct log_store *store, struct log_partition **partitions, size_t count,
			 struct mr_error *err)
{
	size_t entries = 0, bytes = 0;
	for (size_t i = 0; i < count; i++) {
		entries += partitions[i]->runs.len;
		bytes += partitions[i]->flight.len;
	}
	if (count == 0)
		return 0;
	int rc = 0;
	if (store->journal_broken || !journal_could_hold(store->journal, entries, bytes))
		return sync_instead(store, partitions, count, err);
	if (!journal_has_room(store->journal, entries, bytes))
		rc = next_journal_file(store, partitions, count, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = add_to_journal(partitions[i], err);
	store->syncs++;
	if (rc == 0)
		rc = journal_sync(store->journal, err);
	store->journal_broken = rc < 0;
	return rc;
}

static int direct_sync(struct log_partition *partition, struct mr_error *err)
{
	partition->topic->store->direct_bytes += (int64_t)partition->flight.len;
	return partition_sync(partition, err);
}

static void publish(struct log_store *store)
{
	for (size_t i = 0; i < store->moved.len; i++)
		flight_publish(store->moved.items[i]);
	tail_evict(store);
	/* Who waits for what was taken back must hear of it as well. */
	for (size_t i = 0; i < store->dropped.len; i++)
		mr_vec_push(&store->moved, store->dropped.items[i]);
	store->dropped.len = 0;
	if (store->moved.len == 0)
		return;
	pthread_mutex_lock(&store->listeners_lock);
	for (struct log_listener *l = store->listeners; l; l = l->next)
		l->fn(l->arg, store->moved.items, store->moved.len);
	pthread_mutex_unlock(&store->listeners_lock);
}

/* Those of the round that need the journal are moved to its front; the others are settled. */
static size_t settle_without_journal(struct log_store *store, struct mr_error *err, int *first_fault)
{
	size_t journalled = 0;
	for (size_t i = 0; i < store->round.len; i++) {
		struct log_partition *partition = store->round.items[i];
		enum way way;
		if (!prepare(partition, &way, err)) {
			if (partition->fence_code && !*first_fault)
				*first_fault = partition->fence_code;
			continue;
		}
		if (way == RELAXED) {
			partition->uncovered = true;
			mr_vec_push(&store->moved, partition);
		} else if (way == JOURNALLED) {
			store->round.items[journalled++] = partition;
		} else if (direct_sync(partition, err) == 0) {
			mr_vec_push(&store->moved, partition);
		} else {
			fail(partition, err);
			*first_fault = err->code;
		}
	}
	return journalled;
}

int commit_round(struct log_store *store, struct mr_error *err)
{
	struct mr_error local;
	err = err ? err : &local;
	if (store->manual)
		flush_finish(store); /* without a thread it is carried out here, a round later */
	else
		flush_reap(store);
	write_back_reap(store);
	take_queue(store);
	if (store->round.len == 0)
		return 0;
	store->rounds++;
	store->moved.len = 0;
	store->may_wait = write_back_may_wait(store);
	int fault = 0;
	if (store->journal_broken && checkpoint_write(store, err) < 0)
		fault = err->code;
	size_t journalled = settle_without_journal(store, err, &fault);
	int rc = journal_round(store, store->round.items, journalled, err);
	for (size_t i = 0; i < journalled; i++) {
		if (rc == 0)
			mr_vec_push(&store->moved, store->round.items[i]);
		else
			fail(store->round.items[i], err);
	}
	publish(store);
	/* Recovery reads what was synced in place since the checkpoint: keep that short; and so the number of
	 * files that are open, for each partition holds one from its first write to the next checkpoint. */
	bool due = store->direct_bytes > DIRECT_BYTES_SCANNED_MAX || store->dirty.len > OPEN_PARTITIONS_MAX;
	if (due && !flush_under_way(store) && flush_begin(store, err) < 0)
		fault = err->code;
	return rc < 0 ? rc : fault;
}
