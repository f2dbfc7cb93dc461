/* log/recovery.c - from what a crash left to partitions that may be appended to.
 *
 *   1. list each partition's segments
 *   2. read DIR/checkpoint: before its positions everything is on disk and good
 *   3. replay the journal: put every entry's bytes at their place unless they are there
 *   4. scan each partition from its checkpoint on, CRC by CRC, and cut it at the first batch
 *      that is not good; what the scan passes goes to the index and the producer table
 *
 * Only what was never acknowledged is cut. When a bad batch has journalled, that is acknowledged,
 * bytes behind it (or lies in a sealed segment and the checkpoint is lost), the medium has failed:
 * the hole is named in the partition's health and the scan goes on behind it.
 *
 * After a clean shutdown the journal is empty and each scan has nothing to read.
 */
#include "log/batch_bytes.h"
#include "log/cleaner.h"
#include "log/store.h"
#include "log/txn_index.h"

#include "base/mem.h"

#include <stdlib.h>

/* Where the journal says that a good batch starts. */
struct anchor {
	int64_t segment, position, offset;
};

struct partition_recovery {
	struct log_partition *partition;
	MR_VEC(struct anchor) anchors;
	struct segment *segment; /* being scanned */
	bool cut;                /* something was taken away */
	size_t from;             /* the scan began in this segment, */
	int64_t from_position;   /* here */
};

struct recovery {
	struct log_store *store;
	struct mr_map by_key; /* topic id and index -> struct partition_recovery */
	bool replayed;
};

struct listing {
	struct log_partition *partition;
	bool leftovers; /* of an exchange by the cleaner */
};

static int add_listed(void *arg, const char *name, const struct file_info *info)
{
	struct listing *listing = arg;
	struct log_partition *partition = listing->partition;
	if (strlen(name) < 20)
		return 0;
	int64_t base = segment_parse_name(name);
	listing->leftovers |= strstr(name, ".log.") != NULL;
	if (base < 0)
		return 0;
	struct segment *segment = segment_new(base);
	segment->size = info->size;
	segment->created_ms = info->mtime_ms;
	segment->max_timestamp = SEGMENT_TIME_UNKNOWN;
	mr_vec_push(&partition->segments, segment);
	return 0;
}

static int by_base(const void *a, const void *b)
{
	const struct segment *const *x = a, *const *y = b;
	return ((*x)->base > (*y)->base) - ((*x)->base < (*y)->base);
}

static int list_segments(struct log_partition *partition, struct mr_error *err)
{
	struct mr_disk *disk = partition->topic->store->env->disk;
	struct listing listing = {.partition = partition};
	int rc = disk_list(disk, partition->dir, add_listed, &listing, err);
	if (rc == 0 && listing.leftovers) {
		while (partition->segments.len > 0)
			segment_free(partition->segments.items[--partition->segments.len]);
		rc = clean_recover(partition, err);
		if (rc == 0)
			rc = disk_list(disk, partition->dir, add_listed, &listing, err);
	}
	if (rc == 0 && partition->segments.len > 1)
		qsort(partition->segments.items, partition->segments.len, sizeof(struct segment *), by_base);
	return rc;
}

/* The segment that starts at base; made when the journal has bytes for it and its name was lost.
 * NULL when it lies before the first one: retention has dropped it. */
static struct segment *segment_for(struct log_partition *partition, int64_t base)
{
	size_t at = partition->segments.len;
	while (at > 0 && partition->segments.items[at - 1]->base > base)
		at--;
	if (at > 0 && partition->segments.items[at - 1]->base == base)
		return partition->segments.items[at - 1];
	if (at == 0 && partition->segments.len > 0)
		return NULL;
	struct segment *segment = segment_new(base);
	segment->created_ms = clock_wall_ms(partition->topic->store->env->clock);
	mr_vec_push(&partition->segments, segment);
	memmove(partition->segments.items + at + 1, partition->segments.items + at,
		(partition->segments.len - 1 - at) * sizeof(struct segment *));
	partition->segments.items[at] = segment;
	partition->dir_unsynced = true;
	return segment;
}

/* Write the entry's bytes unless they are there already. */
static int restore(struct segment *segment, const struct journal_entry *entry, struct mr_error *err)
{
	struct mr_file *file = segment->file->file;
	char *there = mr_alloc(entry->bytes.len + 1);
	size_t got = 0;
	int rc = file_read_at(file, there, entry->bytes.len, entry->position, &got, err);
	bool same = rc == 0 && got == entry->bytes.len && memcmp(there, entry->bytes.ptr, got) == 0;
	free(there);
	if (rc == 0 && !same)
		rc = file_write_at(file, entry->bytes.ptr, entry->bytes.len, entry->position, err);
	segment->size = mr_max_i64(segment->size, entry->position + (int64_t)entry->bytes.len);
	return rc;
}

static struct partition_recovery *recovery_of(struct recovery *recovery, const uint8_t id[16], int32_t index)
{
	char key[20];
	memcpy(key, id, 16);
	mr_put_be32(key + 16, (uint32_t)index);
	return mr_map_get(&recovery->by_key, mr_str_n(key, sizeof key));
}

static int replay_entry(void *arg, const struct journal_entry *entry, struct mr_error *err)
{
	struct recovery *recovery = arg;
	recovery->replayed = true;
	struct partition_recovery *of = recovery_of(recovery, entry->topic_id, entry->partition);
	if (!of || entry->bytes.len < BATCH_HEADER_SIZE)
		return 0; /* the topic has been deleted since */
	struct log_partition *partition = of->partition;
	struct segment *segment = segment_for(partition, entry->segment);
	if (!segment)
		return 0;
	mr_vec_push(&of->anchors,
		    (struct anchor){entry->segment, entry->position, bb_offset(entry->bytes.ptr)});
	int rc =
	    segment_open_file(segment, recovery->store->env->disk, partition->dir, &partition->lock, err);
	return rc < 0 ? rc : restore(segment, entry, err);
}

static int scanned(void *arg, const char *batch, int64_t position)
{
	struct partition_recovery *of = arg;
	struct log_partition *partition = of->partition;
	size_t size = (size_t)bb_size(batch);
	index_note(of->segment, batch, position);
	producers_note(&partition->producers, batch, size,
		       clock_wall_ms(partition->topic->store->env->clock));
	txns_note(&partition->txns, batch, size);
	partition->max_timestamp = mr_max_i64(partition->max_timestamp, bb_max_timestamp(batch));
	return 0;
}

/* The next journalled place of this segment behind `position`; NULL when there is none. */
static const struct anchor *anchor_behind(const struct partition_recovery *of, int64_t segment,
					  int64_t position)
{
	const struct anchor *best = NULL;
	for (size_t i = 0; i < of->anchors.len; i++) {
		const struct anchor *anchor = &of->anchors.items[i];
		if (anchor->segment == segment && anchor->position > position &&
		    (!best || anchor->position < best->position))
			best = anchor;
	}
	return best;
}

static bool anchored_from(const struct partition_recovery *of, int64_t segment)
{
	for (size_t i = 0; i < of->anchors.len; i++) {
		if (of->anchors.items[i].segment >= segment)
			return true;
	}
	return false;
}

static void note_damage(struct log_partition *partition, int64_t base, int64_t position, int64_t from,
			int64_t to)
{
	struct mr_error damage;
	mr_fail(&damage, MR_ERR_CORRUPT,
		"%s-%d: offsets %lld to %lld had been acknowledged and cannot be read: byte %lld of "
		"%s/%020lld.log",
		partition->topic->name, (int)partition->index, (long long)from, (long long)to - 1,
		(long long)position, partition->dir, (long long)base);
	partition_set_damage(partition, &damage);
}

/* Scan one segment from `position`; on return *next is past its last good batch, and *end is
 * where it stops being good (its size, when all of it is). */
static int scan_segment(struct partition_recovery *of, int64_t position, int64_t *next, int64_t *end,
			struct mr_error *err)
{
	struct log_partition *partition = of->partition;
	struct mr_disk *disk = partition->topic->store->env->disk;
	*end = position;
	if (position == of->segment->size) /* the usual case: a clean shutdown */
		return 0;
	int rc = segment_open_file(of->segment, disk, partition->dir, &partition->lock, err);
	if (rc < 0)
		return rc;
	struct segment_scan scan = {
	    .file = of->segment->file->file,
	    .position = position,
	    .limit = of->segment->size,
	    .next_offset = *next,
	    .check_crc = true,
	    .fn = scanned,
	    .arg = of,
	};
	while ((rc = segment_scan(&scan, err)) == 1) {
		const struct anchor *anchor = anchor_behind(of, of->segment->base, scan.position);
		if (!anchor)
			break;
		note_damage(partition, of->segment->base, scan.position, scan.next_offset, anchor->offset);
		scan.position = anchor->position;
		scan.next_offset = anchor->offset;
	}
	if (rc < 0)
		return rc;
	*next = scan.next_offset;
	*end = scan.position;
	return 0;
}

/* Take away what is not good: the rest of segment `at` and all segments behind it. */
static int cut(struct partition_recovery *of, size_t at, int64_t end, struct mr_error *err)
{
	struct log_partition *partition = of->partition;
	struct mr_disk *disk = partition->topic->store->env->disk;
	struct segment *segment = partition->segments.items[at];
	int rc = 0;
	of->cut = true;
	while (partition->segments.len > at + 1 && rc == 0) {
		struct segment *last = partition_active(partition);
		rc = segment_unlink(disk, partition->dir, last->base, err);
		partition->segments.len--;
		segment_free(last);
	}
	partition->dir_unsynced = true;
	if (rc == 0)
		rc = segment_open_file(segment, disk, partition->dir, &partition->lock, err);
	if (rc == 0 && segment->size > end)
		rc = file_truncate(segment->file->file, end, err);
	segment->size = end;
	return rc;
}

/* Where the scan starts: *at, *position, *next, and the first segment's index state. */
static void choose_start(struct log_partition *partition, size_t *at, int64_t *position, int64_t *next)
{
	const struct partition_checkpoint *checkpoint = &partition->checkpoint;
	struct mr_disk *disk = partition->topic->store->env->disk;
	*at = 0;
	*position = 0;
	*next = partition->segments.len ? partition->segments.items[0]->base : 0;
	for (size_t i = 0; i < partition->segments.len && checkpoint->present; i++) {
		struct segment *segment = partition->segments.items[i];
		if (segment->base != checkpoint->segment)
			continue;
		*at = i;
		*next = segment->base;
		if (segment->size < checkpoint->position) {
			note_damage(partition, segment->base, segment->size, segment->base,
				    checkpoint->next_offset);
			return;
		}
		uint32_t offsets, times;
		index_count_files(disk, partition->dir, segment->base, &offsets, &times);
		struct index_tail rebuilt;
		index_tail_release(&segment->index);
		segment->index = checkpoint->index;
		/* Lost since: it was never synced. */
		if ((offsets < checkpoint->index.offsets_filed || times < checkpoint->index.times_filed) &&
		    index_build(disk, partition->dir, segment->base, checkpoint->position, &rebuilt, NULL) ==
			0)
			segment->index = rebuilt;
		*position = checkpoint->position;
		*next = checkpoint->next_offset;
		partition->max_timestamp = checkpoint->max_timestamp;
		return;
	}
	if (partition->segments.len == 0 && checkpoint->present)
		*next = checkpoint->next_offset;
}

/* A sealed segment that was scanned: its index is whole now. */
static void seal(struct log_partition *partition, struct segment *segment)
{
	struct index_flush flush;
	index_seal(segment);
	if (index_flush_take(segment, &flush)) {
		uint32_t offsets = (uint32_t)flush.offsets.len, times = (uint32_t)flush.times.len;
		index_flush_write(&flush, partition->topic->store->env->disk, partition->dir);
		index_flush_done(segment, offsets, times);
	}
}

static bool is_compacted(const struct log_partition *partition)
{
	return partition->topic->config.cleanup_policy & LOG_CLEANUP_COMPACT;
}

static int scan_partition(struct partition_recovery *of, int64_t *next, struct mr_error *err)
{
	struct log_partition *partition = of->partition;
	bool blind = partition->topic->store->checkpoint_lost;
	size_t at;
	int64_t position;
	choose_start(partition, &at, &position, next);
	of->from = at;
	of->from_position = position;
	for (; at < partition->segments.len; at++, position = 0) {
		struct segment *segment = of->segment = partition->segments.items[at];
		bool last = at + 1 == partition->segments.len;
		if (segment->base != *next && position == 0) { /* a hole between two segments */
			if (at > 0 && !blind && !anchored_from(of, segment->base))
				return cut(of, at - 1, partition->segments.items[at - 1]->size, err);
			/* Compaction leaves such holes; only a lost checkpoint has us look there. */
			if (!(blind && at > 0 && is_compacted(partition) && segment->base > *next))
				note_damage(partition, segment->base, 0, *next, segment->base);
			*next = segment->base;
		}
		int64_t end;
		int rc = scan_segment(of, position, next, &end, err);
		if (rc < 0)
			return rc;
		if (end < segment->size) {
			bool keep = !last && (blind || anchored_from(of, segment->base + 1));
			if (!keep)
				return cut(of, at, end, err);
			int64_t after = partition->segments.items[at + 1]->base;
			note_damage(partition, segment->base, end, *next, after);
			*next = after;
		}
		if (!last)
			seal(partition, segment);
		segment->max_timestamp = segment->index.max_timestamp;
	}
	return 0;
}

static int64_t unsynced_from(const struct partition_recovery *of, size_t at)
{
	const struct segment *segment = of->partition->segments.items[at];
	if (!segment->file) /* neither scanned nor restored */
		return segment->size;
	if (at < of->from) /* only restored: the checkpoint vouches for the rest */
		return mr_max_i64(0, segment->size - 1);
	return at == of->from ? mr_min_i64(of->from_position, mr_max_i64(0, segment->size - 1)) : 0;
}

static int recover_partition(struct partition_recovery *of, struct mr_error *err)
{
	struct log_partition *partition = of->partition;
	int64_t next;
	int rc =
	    txn_index_load(partition, partition->checkpoint.next_offset, &partition->checkpoint.txns, err);
	if (rc == 0)
		rc = scan_partition(of, &next, err);
	if (rc < 0)
		return rc;
	int64_t first = partition->segments.len ? partition->segments.items[0]->base : next;
	partition->start_offset = mr_min_i64(mr_max_i64(partition->start_offset, first), next);
	partition->dirty_offset = mr_min_i64(partition->dirty_offset, next);
	partition->stable_offset = partition->end_offset = partition->written_next = next;
	txns_publish(&partition->txns, next);
	txns_drop_before(&partition->txns, partition->start_offset);
	partition->size_bytes = 0;
	bool unsynced = of->cut || partition->dir_unsynced;
	for (size_t i = 0; i < partition->segments.len; i++) {
		struct segment *segment = partition->segments.items[i];
		segment->stable_size = segment->written_size = segment->size;
		segment->synced_size = unsynced_from(of, i);
		partition->size_bytes += segment->size;
		unsynced |= segment->file != NULL;
	}
	/* What was scanned may be in the page cache only, and clean there: if a sync failed and the
	 * process, not the machine, was started again. So it is written once more before the sync. */
	partition->sync_failed = unsynced;
	if (unsynced) {
		partition->dirty = true;
		mr_vec_push(&partition->topic->store->dirty, partition);
	}
	return 0;
}

static int prepare(struct recovery *recovery, struct mr_error *err)
{
	struct log_store *store = recovery->store;
	for (size_t t = 0; t < store->all.len; t++) {
		struct log_topic *topic = store->all.items[t];
		for (int32_t i = 0; i < topic->partition_count; i++) {
			struct partition_recovery *of = mr_calloc(1, sizeof *of);
			of->partition = topic->partitions[i];
			char key[20];
			memcpy(key, topic->id, 16);
			mr_put_be32(key + 16, (uint32_t)i);
			mr_map_put(&recovery->by_key, mr_str_n(key, sizeof key), of);
			int rc = list_segments(of->partition, err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int recover(struct log_store *store, struct mr_error *err)
{
	struct recovery recovery = {.store = store};
	int rc = prepare(&recovery, err);
	if (rc == 0)
		rc = marks_load(store, err);
	if (rc == 0)
		rc = checkpoint_load(store, err);
	if (rc == 0)
		rc = journal_replay(store->journal, replay_entry, &recovery, err);
	bool changed = recovery.replayed || store->checkpoint_lost;
	mr_map_each (&recovery.by_key, entry) {
		struct partition_recovery *of = entry->value;
		if (rc == 0)
			rc = recover_partition(of, err);
		changed |= of->cut || of->partition->dirty;
		mr_vec_release(&of->anchors);
		free(of);
	}
	mr_map_release(&recovery.by_key);
	if (rc < 0)
		return rc;
	return changed ? checkpoint_write(store, err) : journal_start(store->journal, false, err);
}
