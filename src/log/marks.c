/* log/marks.c - what is known of a partition's beginning: DIR/marks, replaced atomically.
 *
 *   version: 1
 *   <topic id, 32 hex digits> <partition> <start offset> <first dirty offset>     one line each
 *
 * The start offset may lie inside a segment (DeleteRecords). Everything before the first dirty
 * offset has been compacted. A partition whose two offsets follow from its segments has no line.
 *
 * Durability: a start offset is on disk before it is answered; a dirty offset need not be: an
 * older one only makes the cleaner look at more. A bad line is skipped for the same reason, but
 * a file without its version is refused: starts that were acknowledged stand in it.
 */
#include "log/lookup.h"
#include "log/store.h"

#include <stdio.h>
#include <stdlib.h>

#define MARKS_MAX ((size_t)16 << 20)

static char *marks_path(const struct log_store *store)
{
	return mr_asprintf("%s/marks", store->dir);
}

static void put_mark(struct log_partition *partition, struct mr_buf *out)
{
	pthread_mutex_lock(&partition->lock);
	int64_t start = partition->start_offset, dirty = partition->dirty_offset;
	int64_t natural = partition->segments.len ? partition->segments.items[0]->base : start;
	pthread_mutex_unlock(&partition->lock);
	if (start == natural && dirty <= natural)
		return;
	for (int i = 0; i < 16; i++)
		mr_buf_printf(out, "%02x", partition->topic->id[i]);
	mr_buf_printf(out, " %d %lld %lld\n", (int)partition->index, (long long)start, (long long)dirty);
}

int marks_write(struct log_store *store, struct mr_error *err)
{
	struct mr_buf text = {0};
	mr_buf_cstr(&text, "version: 1\n");
	size_t count;
	struct log_topic **topics = log_topics(store, &count);
	for (size_t t = 0; t < count; t++) {
		for (int32_t i = 0; i < log_topic_partition_count(topics[t]); i++)
			put_mark(log_partition_at(topics[t], i), &text);
	}
	free(topics);
	char *path = marks_path(store);
	int rc = disk_replace_file(store->env->disk, path, mr_buf_view(&text), err);
	free(path);
	mr_buf_release(&text);
	return rc;
}

static void take_line(struct log_store *store, const char *line)
{
	uint8_t id[16];
	for (int i = 0; i < 16; i++) {
		char two[3] = {line[2 * i], line[2 * i] ? line[2 * i + 1] : 0, 0};
		char *end;
		id[i] = (uint8_t)strtoul(two, &end, 16);
		if (end != two + 2)
			return;
	}
	long long start, dirty;
	int index;
	if (sscanf(line + 32, " %d %lld %lld", &index, &start, &dirty) != 3)
		return;
	struct log_topic *topic = topic_by_id(store, id);
	struct log_partition *partition = topic ? log_partition_at(topic, index) : NULL;
	if (!partition)
		return; /* deleted since */
	partition->start_offset = start;
	partition->dirty_offset = dirty;
}

int marks_load(struct log_store *store, struct mr_error *err)
{
	struct mr_buf text = {0};
	char *path = marks_path(store);
	int rc = disk_read_file(store->env->disk, path, MARKS_MAX, &text, err);
	if (rc == 0 && !mr_str_starts(mr_buf_view(&text), MR_STR("version: 1\n")))
		rc = mr_fail(err, MR_ERR_CORRUPT, "%s does not start with \"version: 1\"", path);
	char *save = NULL;
	for (char *line = rc == 0 ? strtok_r(text.ptr, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		take_line(store, line);
	free(path);
	mr_buf_release(&text);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

/* Segments whose last record lies before the start offset; the active one stays. */
static int drop_segments_before_start(struct log_partition *partition, struct mr_error *err)
{
	int rc = 0;
	while (rc == 0) {
		pthread_mutex_lock(&partition->lock);
		bool droppable = partition->segments.len > 1 &&
				 partition->segments.items[1]->base <= partition->start_offset;
		pthread_mutex_unlock(&partition->lock);
		if (!droppable)
			break;
		rc = partition_drop_oldest(partition, err);
	}
	return rc;
}

static int delete_before(struct log_partition *partition, int64_t offset, struct mr_error *err)
{
	/* What lies behind the new start must not be lost to a crash that keeps the mark. */
	int rc = partition->uncovered ? partition_sync(partition, err) : 0;
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&partition->lock);
	int64_t before = partition->start_offset;
	partition->start_offset = offset;
	pthread_mutex_unlock(&partition->lock);
	rc = marks_write(partition->topic->store, err);
	/* A full disk is why one deletes: whole segments need no room to go, and leave some for the mark. */
	if (rc == MR_ERR_NO_SPACE && drop_segments_before_start(partition, err) == 0)
		rc = marks_write(partition->topic->store, err);
	if (rc < 0) {
		pthread_mutex_lock(&partition->lock);
		partition->start_offset = mr_max_i64(before, partition->segments.items[0]->base);
		pthread_mutex_unlock(&partition->lock);
		return rc;
	}
	return drop_segments_before_start(partition, err);
}

int log_delete_records(struct log_partition *partition, int64_t offset, int64_t *low_watermark,
		       struct mr_error *err)
{
	struct log_store *store = partition->topic->store;
	fair_lock(&store->io_lock);
	pthread_mutex_lock(&partition->lock);
	int64_t start = partition->start_offset, stable = partition->stable_offset;
	bool deleted = partition->deleted;
	pthread_mutex_unlock(&partition->lock);
	offset = offset == -1 ? stable : offset;
	int rc = 0;
	if (deleted)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "topic %s is deleted", partition->topic->name);
	else if (offset < 0 || offset > stable)
		rc = mr_fail(err, MR_ERR_LIMIT, "offset %lld of %s-%d is out of range %lld..%lld",
			     (long long)offset, partition->topic->name, (int)partition->index,
			     (long long)start, (long long)stable);
	else if (offset > start)
		rc = delete_before(partition, offset, err);
	fair_unlock(&store->io_lock);
	if (rc == 0 && low_watermark)
		*low_watermark = mr_max_i64(offset, start);
	return rc;
}

int64_t log_bytes_after(struct log_partition *partition, int64_t offset)
{
	struct cursor cursor;
	int64_t position, bytes = 0;
	offset = mr_max_i64(offset, log_start_offset(partition));
	if (cursor_open(partition, offset, &cursor, NULL) != 0)
		return 0;
	if (cursor_find(&cursor, offset, &position, NULL) == 0)
		bytes = cursor.size - position;
	pthread_mutex_lock(&partition->lock);
	for (size_t i = partition->segments.len; i-- > 0;) {
		const struct segment *segment = partition->segments.items[i];
		if (segment->base <= cursor.base)
			break;
		bytes += segment->stable_size;
	}
	pthread_mutex_unlock(&partition->lock);
	cursor_close(&cursor);
	return bytes;
}
