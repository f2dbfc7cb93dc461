/* log/lookup.c - cursors over segments. See the header. */
#include "log/lookup.h"

#include "log/batch_bytes.h"

#include "base/mem.h"

#include <stdlib.h>

/* Lock held. The last segment with base <= offset; NULL when there is none. */
static size_t find_segment(const struct log_partition *partition, int64_t offset)
{
	size_t low = 0, high = partition->segments.len;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (partition->segments.items[middle]->base <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int open_own(struct cursor *cursor, struct mr_error *err)
{
	struct mr_disk *disk = cursor->partition->topic->store->env->disk;
	char *path = segment_path(cursor->partition->dir, cursor->base, ".log");
	struct mr_file *file;
	int rc = disk_open(disk, path, FILE_READ, &file, err);
	free(path);
	if (rc < 0)
		return rc;
	cursor->file = mr_alloc(sizeof *cursor->file);
	*cursor->file = (struct shared_file){.file = file, .holds = 1};
	index_count_files(disk, cursor->partition->dir, cursor->base, &cursor->offsets_filed,
			  &cursor->times_filed);
	return 0;
}

/* A copy of what the list says of the segment that has the offset; false when there is none. */
static bool look_up(struct log_partition *partition, int64_t offset, struct cursor *out)
{
	pthread_mutex_lock(&partition->lock);
	size_t found = find_segment(partition, offset);
	if (found > 0) {
		const struct segment *segment = partition->segments.items[found - 1];
		*out = (struct cursor){
		    .partition = partition,
		    .file = segment->file ? shared_file_hold(segment->file) : NULL,
		    .base = segment->base,
		    .version = segment->version,
		    .size = segment->stable_size,
		    .written = segment->written_size,
		    .next_base =
			found < partition->segments.len ? partition->segments.items[found]->base : -1,
		    .offsets_filed = segment->index.offsets_filed,
		    .times_filed = segment->index.times_filed,
		    .tailed = segment->index.offsets.len > 0 || segment->index.times.len > 0,
		};
	}
	pthread_mutex_unlock(&partition->lock);
	return found > 0;
}

int cursor_open(struct log_partition *partition, int64_t offset, struct cursor *out, struct mr_error *err)
{
	for (;;) {
		struct cursor cursor, again = {0};
		if (!look_up(partition, offset, &cursor))
			return 1;
		if (cursor.file) {
			*out = cursor;
			return 0;
		}
		int rc = open_own(&cursor, err);
		/* What was opened by name may be another file by now: compaction exchanged it. */
		bool same = look_up(partition, offset, &again) && again.base == cursor.base &&
			    again.version == cursor.version;
		shared_file_drop(again.file);
		if (same && rc == 0)
			*out = cursor;
		if (same)
			return rc;
		if (rc == 0)
			cursor_close(&cursor);
	}
}

void cursor_close(struct cursor *cursor)
{
	shared_file_drop(cursor->file);
	cursor->file = NULL;
}

/* From memory, or 0 when the file has them by now. */
static size_t read_unwritten(struct cursor *cursor, char *to, size_t len, int64_t position)
{
	struct log_partition *partition = cursor->partition;
	pthread_mutex_lock(&partition->lock);
	size_t got = tail_copy(&partition->tail, cursor->base, position, to, len);
	const struct segment *segment = partition_segment(partition, cursor->base);
	bool same = segment && segment->version == cursor->version;
	cursor->written = same ? segment->written_size : cursor->size;
	pthread_mutex_unlock(&partition->lock);
	return got;
}

int cursor_read(struct cursor *cursor, char *to, size_t len, int64_t position, size_t *got,
		struct mr_error *err)
{
	size_t done = 0, more = 1;
	while (done < len && more > 0) {
		int64_t at = position + (int64_t)done;
		more = at >= cursor->written ? read_unwritten(cursor, to + done, len - done, at) : 0;
		if (more == 0 && at < cursor->written) {
			size_t want = (size_t)mr_min_i64((int64_t)(len - done), cursor->written - at);
			int rc = file_read_at(cursor->file->file, to + done, want, at, &more, err);
			if (rc < 0)
				return rc;
		}
		done += more;
	}
	*got = done;
	return 0;
}

int cursor_corrupt(const struct cursor *cursor, int64_t position, int64_t offset, struct mr_error *err)
{
	mr_fail(err, MR_ERR_CORRUPT, "%s-%d is damaged at offset %lld: byte %lld of %s/%020lld.log",
		cursor->partition->topic->name, (int)cursor->partition->index, (long long)offset,
		(long long)position, cursor->partition->dir, (long long)cursor->base);
	if (err)
		mr_hint(
		    err,
		    "read on from a later offset; restore the file from a copy to get these records back");
	return MR_ERR_CORRUPT;
}

int cursor_header(struct cursor *cursor, int64_t position, char header[BATCH_HEADER_SIZE],
		  struct mr_error *err)
{
	if (position >= cursor->size)
		return 1;
	size_t got;
	int rc = cursor_read(cursor, header, BATCH_HEADER_SIZE, position, &got, err);
	if (rc < 0)
		return rc;
	if (got < BATCH_HEADER_SIZE || !bb_header_ok(header) || bb_offset(header) < cursor->base ||
	    position + bb_size(header) > cursor->size)
		return cursor_corrupt(cursor, position, cursor->base, err);
	return 0;
}

/* An entry of the in-memory tail: true and *out. */
static bool find_in_tail(struct cursor *cursor, uint32_t target, bool by_position, struct index_entry *out)
{
	struct log_partition *partition = cursor->partition;
	bool found = false;
	pthread_mutex_lock(&partition->lock);
	size_t at = find_segment(partition, cursor->base);
	const struct segment *segment = at ? partition->segments.items[at - 1] : NULL;
	if (segment && segment->base == cursor->base) {
		size_t low = 0, high = segment->index.offsets.len;
		while (low < high) {
			size_t middle = low + (high - low) / 2;
			const struct index_entry *entry = &segment->index.offsets.items[middle];
			if ((by_position ? entry->position : entry->last_offset) <= target)
				low = middle + 1;
			else
				high = middle;
		}
		found = low > 0;
		if (found)
			*out = segment->index.offsets.items[low - 1];
	}
	pthread_mutex_unlock(&partition->lock);
	return found;
}

/* Does the batch the entry points at end where the entry says? */
static bool entry_holds(struct cursor *cursor, const struct index_entry *entry)
{
	char header[BATCH_HEADER_SIZE];
	return cursor_header(cursor, entry->position, header, NULL) == 0 &&
	       bb_last_offset(header) == cursor->base + entry->last_offset;
}

/* Where to begin walking: *position, and *sure is false when the index misled us. */
static int start_of_walk(struct cursor *cursor, int64_t offset, int64_t *position, bool *sure,
			 struct mr_error *err)
{
	struct log_partition *partition = cursor->partition;
	uint32_t target = (uint32_t)mr_min_i64(offset - cursor->base, UINT32_MAX);
	struct index_entry entry;
	*position = 0;
	*sure = true;
	if (find_in_tail(cursor, target, false, &entry)) {
		*position = entry.position;
		return 0;
	}
	int rc = index_find_offset(partition->topic->store->env->disk, partition->dir, cursor->base,
				   cursor->offsets_filed, target, &entry, err);
	if (rc <= 0)
		return rc;
	*sure = entry_holds(cursor, &entry);
	if (*sure)
		*position = entry.position;
	return 0;
}

/* Walk by headers to the batch. *far: the index should have brought us nearer. */
static int walk(struct cursor *cursor, int64_t offset, int64_t *position, bool *far, struct mr_error *err)
{
	int64_t at = *position, first_end = -1;
	*far = false;
	for (;;) {
		char header[BATCH_HEADER_SIZE];
		int rc = cursor_header(cursor, at, header, err);
		if (rc == MR_ERR_CORRUPT)
			*far = true; /* a better index may lead round the damage */
		if (rc != 0)
			return rc;
		if (bb_last_offset(header) >= offset)
			break;
		at += bb_size(header);
		if (first_end < 0)
			first_end = at;
		if (at > first_end + INDEX_INTERVAL)
			*far = true;
	}
	*position = at;
	return 0;
}

/* Sealed segments only: nobody else writes their index files. */
static int rebuild(struct cursor *cursor, struct mr_error *err)
{
	struct log_partition *partition = cursor->partition;
	struct mr_disk *disk = partition->topic->store->env->disk;
	struct index_tail tail;
	pthread_mutex_lock(&partition->rebuild_lock);
	int rc = index_rebuild(disk, partition->dir, cursor->base, cursor->size, &tail, err);
	pthread_mutex_unlock(&partition->rebuild_lock);
	if (rc < 0)
		return rc;
	index_tail_release(&tail);
	index_count_files(disk, partition->dir, cursor->base, &cursor->offsets_filed, &cursor->times_filed);
	return 0;
}

int cursor_find(struct cursor *cursor, int64_t offset, int64_t *position, struct mr_error *err)
{
	bool may_rebuild = cursor->next_base >= 0 && !cursor->tailed;
	for (;;) {
		int64_t at;
		bool sure, far;
		int rc = start_of_walk(cursor, offset, &at, &sure, err);
		if (rc < 0)
			return rc;
		rc = walk(cursor, offset, &at, &far, err);
		if ((!sure || far) && may_rebuild && rebuild(cursor, NULL) == 0) {
			may_rebuild = false;
			continue;
		}
		if (rc == 0)
			*position = at;
		return rc;
	}
}

/* The last batch border that an index entry names between `from` and `limit`, else `from`. */
static int64_t indexed_border(struct cursor *cursor, int64_t from, int64_t limit)
{
	struct log_partition *partition = cursor->partition;
	struct index_entry entry;
	uint32_t target = (uint32_t)mr_min_i64(limit, UINT32_MAX);
	bool found = find_in_tail(cursor, target, true, &entry) ||
		     index_find_position(partition->topic->store->env->disk, partition->dir, cursor->base,
					 cursor->offsets_filed, target, &entry, NULL) == 1;
	return found && entry.position > from && entry_holds(cursor, &entry) ? entry.position : from;
}

int cursor_end(struct cursor *cursor, int64_t position, int64_t limit, int64_t *end, int64_t *next,
	       struct mr_error *err)
{
	int64_t at = indexed_border(cursor, position, limit);
	for (;;) {
		char header[BATCH_HEADER_SIZE];
		int rc = cursor_header(cursor, at, header, err);
		if (rc < 0 && at == position)
			return rc;
		if (rc == 0 && at > position)
			*next = bb_offset(header);
		if (rc != 0 || (at > position && at + bb_size(header) > limit))
			break;
		at += bb_size(header);
		*next = bb_next_offset(header);
		if (at >= limit)
			break;
	}
	*end = at;
	return 0;
}
