/* log/write_back.c - stable bytes on their way from memory into a segment's file.
 *
 * A round that makes a partition's batches durable by the journal leaves them in the tail's memory and
 * writes no segment: bytes [written_size, stable_size) of the last segment are *owed* to its file. A
 * second later, or when WRITE_BACK_WAKE bytes are owed in all, the flusher writes what gathered, 256 KiB
 * at a time, where the round would have made a small write for each partition. Checkpoints, syncs of
 * the partition, rolling and larger flights write what is owed before they go on.
 *
 * Readers see no difference: a cursor takes from the tail what the file lacks, and a tail keeps
 * what is owed. After a crash the journal has it.
 *
 * A disk that is nearly full is written to within the round (write_back_may_wait), so that the one
 * partition that finds no room is fenced before its batches are acknowledged. A write that fails
 * here is told to the next round, which fences the partition; its bytes stay in memory and
 * journal, and a retry writes them before the partition opens again.
 *
 * Threading: who writes holds the partition's sync_lock, and looks at its segments under its lock only.
 */
#include "log/store.h"

#include <stdatomic.h>
#include <time.h>

#define WRITE_CHUNK ((size_t)256 << 10)

/* Where the next bytes go. */
struct target {
	int64_t base;
	uint32_t version;
	int64_t position;
	struct shared_file *file; /* held; NULL: to be opened */
};

int64_t write_back_owed(const struct segment *segment)
{
	return mr_max_i64(0, segment->stable_size - segment->written_size);
}

/* Copies what is to be written next; false when nothing is owed. */
static bool next_chunk(struct log_partition *partition, struct mr_buf *chunk, struct target *out)
{
	pthread_mutex_lock(&partition->lock);
	const struct segment *active = partition_active(partition);
	bool any = active && !partition->deleted && write_back_owed(active) > 0;
	if (any) {
		*out = (struct target){
		    .base = active->base,
		    .version = active->version,
		    .position = active->written_size,
		    .file = active->file ? shared_file_hold(active->file) : NULL,
		};
		mr_buf_clear(chunk);
		mr_buf_reserve(chunk, WRITE_CHUNK);
		chunk->len = tail_copy(&partition->tail, active->base, active->written_size, chunk->ptr,
				       mr_min_size(WRITE_CHUNK, (size_t)write_back_owed(active)));
	}
	pthread_mutex_unlock(&partition->lock);
	return any;
}

static void note_written(struct log_partition *partition, const struct target *target, size_t len)
{
	pthread_mutex_lock(&partition->lock);
	struct segment *segment = partition_segment(partition, target->base);
	if (segment && segment->version == target->version) {
		int64_t owed = write_back_owed(segment);
		segment->written_size = mr_max_i64(segment->written_size, target->position + (int64_t)len);
		partition->topic->store->owed_bytes -= (size_t)(owed - write_back_owed(segment));
	}
	pthread_mutex_unlock(&partition->lock);
}

static int write_chunk(struct log_partition *partition, const struct mr_buf *chunk, struct target *target,
		       struct mr_error *err)
{
	if (chunk->len == 0)
		return mr_fail(err, MR_ERR_INTERNAL, "%s-%d: byte %lld of segment %lld is not in memory",
			       partition->topic->name, (int)partition->index, (long long)target->position,
			       (long long)target->base);
	int rc = 0;
	if (!target->file)
		rc = segment_open_shared(partition->topic->store->env->disk, partition->dir, target->base,
					 &target->file, err);
	return rc < 0 ? rc : file_write_at(target->file->file, chunk->ptr, chunk->len, target->position, err);
}

int write_back_locked(struct log_partition *partition, struct mr_buf *chunk, struct mr_error *err)
{
	struct target target;
	int rc = 0;
	while (rc == 0 && next_chunk(partition, chunk, &target)) {
		rc = write_chunk(partition, chunk, &target, err);
		shared_file_drop(target.file);
		if (rc == 0)
			note_written(partition, &target, chunk->len);
	}
	return rc;
}

int write_back(struct log_partition *partition, struct mr_error *err)
{
	struct mr_buf chunk = {0};
	pthread_mutex_lock(&partition->sync_lock);
	int rc = write_back_locked(partition, &chunk, err);
	pthread_mutex_unlock(&partition->sync_lock);
	mr_buf_release(&chunk);
	return rc;
}

void write_back_forget(struct log_partition *partition)
{
	struct segment *active = partition_active(partition);
	if (!active)
		return;
	partition->topic->store->owed_bytes -= (size_t)write_back_owed(active);
	active->written_size = mr_max_i64(active->written_size, active->stable_size);
}

/* ---- who owes ---- */

bool write_back_has_room(const struct log_store *store)
{
	/* What waits takes no room yet: leave enough for all that ever waits, here and for a recovery. */
	int64_t room = 2 * (int64_t)journal_size(store->journal) + (int64_t)WRITE_BACK_MAX;
	return disk_free_bytes(store->env->disk, store->dir) > room;
}

bool write_back_may_wait(const struct log_store *store)
{
	return store->owed_bytes <= WRITE_BACK_MAX && write_back_has_room(store);
}

static void due_in_a_second(struct timespec *at)
{
	clock_gettime(CLOCK_MONOTONIC, at);
	at->tv_sec++;
}

void write_back_note(struct log_partition *partition, size_t len)
{
	struct log_store *store = partition->topic->store;
	size_t before = atomic_fetch_add(&store->owed_bytes, len);
	bool full = before < WRITE_BACK_WAKE && before + len >= WRITE_BACK_WAKE;
	bool listed = atomic_exchange(&partition->owes, true);
	if (listed && !full)
		return;
	pthread_mutex_lock(&store->flush_lock);
	bool first = store->owing.len == 0;
	if (first)
		due_in_a_second(&store->owing_due);
	if (!listed)
		mr_vec_push(&store->owing, partition);
	if (first || full)
		pthread_cond_broadcast(&store->flush_changed);
	pthread_mutex_unlock(&store->flush_lock);
}

static void note_fault(struct log_partition *partition, const struct mr_error *err)
{
	struct log_store *store = partition->topic->store;
	pthread_mutex_lock(&store->flush_lock);
	mr_vec_push(&store->write_faults, ((struct write_fault){partition, *err}));
	pthread_mutex_unlock(&store->flush_lock);
	partition_ask_round(partition);
}

void write_back_fault(struct log_partition *partition, const struct mr_error *err)
{
	pthread_mutex_lock(&partition->lock);
	bool known = partition->deleted || partition->fence_code;
	pthread_mutex_unlock(&partition->lock);
	if (!known)
		note_fault(partition, err);
}

void write_back_all(struct log_store *store)
{
	struct mr_buf chunk = {0};
	MR_VEC(struct log_partition *) owing;
	pthread_mutex_lock(&store->flush_lock);
	memcpy(&owing, &store->owing, sizeof owing);
	memset(&store->owing, 0, sizeof store->owing);
	pthread_mutex_unlock(&store->flush_lock);
	for (size_t i = 0; i < owing.len; i++) {
		struct log_partition *partition = owing.items[i];
		struct mr_error err;
		partition->owes = false; /* before its bytes are looked at: what comes now lists it again */
		pthread_mutex_lock(&partition->sync_lock);
		int rc = write_back_locked(partition, &chunk, &err);
		pthread_mutex_unlock(&partition->sync_lock);
		if (rc < 0)
			write_back_fault(partition, &err);
	}
	mr_vec_release(&owing);
	mr_buf_release(&chunk);
}

void log_store_write_back(struct log_store *store)
{
	write_back_all(store);
}

void write_back_reap(struct log_store *store)
{
	for (;;) {
		struct write_fault fault = {0};
		pthread_mutex_lock(&store->flush_lock);
		if (store->write_faults.len > 0)
			fault = store->write_faults.items[--store->write_faults.len];
		pthread_mutex_unlock(&store->flush_lock);
		if (!fault.partition)
			return;
		partition_fence(fault.partition, &fault.error);
		mr_vec_push(&store->dropped, fault.partition);
	}
}
