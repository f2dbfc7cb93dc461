/* log/partition_sync.c - making a partition's files durable, and mending it after a fault.
 *
 * After a failed fdatasync Linux calls the pages clean that it could not write, so a second
 * sync that succeeds proves nothing. Whatever the first good sync does not cover is therefore
 * written again before the next try.
 */
#include "log/store.h"

#include "base/mem.h"

#include <stdlib.h>

#define COPY_CHUNK (256 << 10)
#define PROBE_BYTES (64 << 10)

static int rewrite_unsynced(struct segment *segment, struct mr_error *err)
{
	char *chunk = mr_alloc(COPY_CHUNK);
	int rc = 0;
	for (int64_t at = segment->synced_size; at < segment->written_size && rc == 0;) {
		size_t got;
		rc = file_read_at(segment->file->file, chunk,
				  (size_t)mr_min_i64(COPY_CHUNK, segment->written_size - at), at, &got, err);
		if (rc == 0 && got == 0)
			rc = mr_fail(err, MR_ERR_CORRUPT, "a segment is shorter than what was written to it");
		if (rc == 0)
			rc = file_write_at(segment->file->file, chunk, got, at, err);
		at += (int64_t)got;
	}
	free(chunk);
	return rc;
}

static int sync_segment(struct log_partition *partition, struct segment *segment, struct mr_error *err)
{
	struct log_store *store = partition->topic->store;
	int rc = segment_open_file(segment, store->env->disk, partition->dir, &partition->lock, err);
	if (rc == 0 && partition->sync_failed)
		rc = rewrite_unsynced(segment, err);
	if (rc < 0)
		return rc;
	store->syncs++;
	rc = file_sync(segment->file->file, err);
	if (rc < 0)
		partition->sync_failed = true;
	else
		segment->synced_size = segment->written_size;
	return rc;
}

static int sync_all(struct log_partition *partition, struct mr_error *err)
{
	struct mr_buf chunk = {0};
	int written = write_back_locked(partition, &chunk, err);
	mr_buf_release(&chunk);
	if (written < 0)
		return written;
	size_t first = partition->segments.len;
	for (; first > 0; first--) {
		const struct segment *segment = partition->segments.items[first - 1];
		if (segment->size > 0 && segment->synced_size == segment->size)
			break; /* the ones before it are older still */
	}
	for (size_t i = first; i < partition->segments.len; i++) {
		int rc = sync_segment(partition, partition->segments.items[i], err);
		if (rc < 0)
			return rc;
	}
	partition->sync_failed = false;
	if (partition->dir_unsynced) {
		partition->topic->store->syncs++;
		int rc = disk_sync_dir(partition->topic->store->env->disk, partition->dir, err);
		if (rc < 0)
			return rc;
		partition->dir_unsynced = false;
	}
	partition->uncovered = false;
	return 0;
}

int partition_sync(struct log_partition *partition, struct mr_error *err)
{
	pthread_mutex_lock(&partition->sync_lock);
	int rc = sync_all(partition, err);
	pthread_mutex_unlock(&partition->sync_lock);
	return rc;
}

/* Remove the segments that hold nothing stable, and what the active one has past its stable end. */
static int cut_to_stable(struct log_partition *partition, struct mr_error *err)
{
	struct mr_disk *disk = partition->topic->store->env->disk;
	while (partition->segments.len > 1 && partition_active(partition)->base > partition->stable_offset) {
		struct segment *segment = partition_active(partition);
		int rc = segment_unlink(disk, partition->dir, segment->base, err);
		if (rc < 0)
			return rc;
		partition->dir_unsynced = true;
		partition->names++;
		pthread_mutex_lock(&partition->lock);
		partition->segments.len--;
		pthread_mutex_unlock(&partition->lock);
		segment_free(segment);
	}
	struct segment *active = partition_active(partition);
	if (!active)
		return 0;
	int rc = segment_open_file(active, disk, partition->dir, &partition->lock, err);
	if (rc == 0)
		rc = file_truncate(active->file->file, mr_min_i64(active->stable_size, active->written_size),
				   err);
	if (rc < 0)
		return rc;
	active->size = active->stable_size;
	partition->cuts++;
	/* The cut itself must be synced, or a crash brings back what was refused. */
	active->synced_size = mr_max_i64(0, mr_min_i64(active->synced_size, active->size - 1));
	return 0;
}

/* Does the disk take bytes again? */
static int probe(struct log_partition *partition, struct mr_error *err)
{
	static const char zeros[PROBE_BYTES];
	struct segment *active = partition_active(partition);
	if (!active)
		return 0;
	struct mr_file *file = active->file->file;
	int rc = file_write_at(file, zeros, sizeof zeros, active->size, err);
	if (rc == 0)
		rc = file_sync(file, err);
	int cut = file_truncate(file, active->size, rc == 0 ? err : NULL);
	if (rc == 0)
		rc = cut;
	if (rc == 0)
		rc = file_sync(file, err); /* the cut, too: a crash must not leave a tail of zeros */
	return rc;
}

int partition_unfence(struct log_partition *partition, struct mr_error *err)
{
	int rc = cut_to_stable(partition, err);
	if (rc == 0)
		rc = partition_sync(partition, err);
	if (rc == 0)
		rc = probe(partition, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&partition->lock);
	partition->fence_code = 0;
	partition->written_next = partition->stable_offset;
	pthread_mutex_unlock(&partition->lock);
	const struct log_store *store = partition->topic->store;
	if (store->health)
		store->health(store->health_arg, partition, NULL);
	return 0;
}
