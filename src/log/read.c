/* log/read.c - stable batches into a buffer.
 *
 * Every batch's CRC is checked on the way out: damage that crept into a sealed segment is
 * named, not served. Good batches before it are still answered; the next call meets it.
 */
#include "log/batch_bytes.h"
#include "log/lookup.h"
#include "log/read.h"

/* How many of the bytes are whole, good batches; *next follows the last one. A bad first batch
 * is an error. `more` is the size of a first batch that does not fit, else 0. */
static int64_t take_whole(const struct cursor *cursor, int64_t position, mr_str bytes, int64_t *next,
			  int64_t *more, struct mr_error *err)
{
	size_t at = 0;
	*more = 0;
	while (bytes.len - at >= BATCH_HEADER_SIZE) {
		const char *batch = bytes.ptr + at;
		bool good = bb_header_ok(batch) && bb_offset(batch) >= *next - (at == 0 ? INT32_MAX : 0) &&
			    position + (int64_t)at + bb_size(batch) <= cursor->size;
		if (good && (size_t)bb_size(batch) > bytes.len - at) {
			*more = at == 0 ? bb_size(batch) : 0;
			break;
		}
		if (!good || !bb_crc_ok(batch, (size_t)bb_size(batch))) {
			if (at == 0)
				return cursor_corrupt(cursor, position, *next, err);
			break;
		}
		*next = bb_next_offset(batch);
		at += (size_t)bb_size(batch);
	}
	return (int64_t)at;
}

/* Append whole batches from `position` on. Returns the bytes appended or an error. */
static int64_t read_at(struct cursor *cursor, int64_t position, size_t max_bytes, bool min_one,
		       struct mr_buf *out, int64_t *next, struct mr_error *err)
{
	int64_t want = mr_min_i64((int64_t)max_bytes, cursor->size - position);
	for (;;) {
		if (want < BATCH_HEADER_SIZE && !min_one)
			return 0;
		want = mr_max_i64(want, mr_min_i64(BATCH_HEADER_SIZE, cursor->size - position));
		if (!mr_buf_reserve(out, (size_t)want))
			return mr_fail(err, MR_ERR_LIMIT, "%lld bytes do not fit the buffer",
				       (long long)want);
		size_t got;
		int rc = cursor_read(cursor, out->ptr + out->len, (size_t)want, position, &got, err);
		if (rc < 0)
			return rc;
		int64_t more;
		int64_t whole =
		    take_whole(cursor, position, mr_str_n(out->ptr + out->len, got), next, &more, err);
		if (whole == 0 && more > 0 && min_one) {
			want = more;
			continue;
		}
		if (whole == 0 && more == 0 && got < (size_t)want)
			return cursor_corrupt(cursor, position, *next, err); /* shorter than it was */
		if (whole > 0) {
			out->len += (size_t)whole;
			out->ptr[out->len] = 0;
		}
		return whole;
	}
}

/* Batches of one segment. 0; *next moves past what was appended, or to the next segment's base
 * when this one has nothing more. */
static int read_segment(struct log_partition *partition, size_t max_bytes, bool min_one, struct mr_buf *out,
			int64_t *next, bool *more, struct mr_error *err)
{
	struct cursor cursor;
	*more = false;
	int rc = cursor_open(partition, *next, &cursor, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	int64_t position;
	int64_t offset = *next;
	rc = cursor_find(&cursor, offset, &position, err);
	if (rc == 0) {
		int64_t appended = read_at(&cursor, position, max_bytes, min_one, out, next, err);
		rc = appended < 0 ? (int)appended : 0;
		*more = appended > 0 && position + appended == cursor.size && cursor.next_base >= 0;
	} else if (rc == 1 && cursor.next_base > offset) {
		*next = cursor.next_base;
		*more = true;
		rc = 0;
	} else if (rc == 1) {
		rc = 0;
	}
	cursor_close(&cursor);
	return rc;
}

int read_check_range(struct log_partition *partition, int64_t offset, int64_t *stable, struct mr_error *err)
{
	pthread_mutex_lock(&partition->lock);
	int64_t start = partition->start_offset;
	*stable = partition->stable_offset;
	bool deleted = partition->deleted;
	pthread_mutex_unlock(&partition->lock);
	if (deleted)
		return mr_fail(err, MR_ERR_NOT_FOUND, "topic %s is deleted", partition->topic->name);
	if (offset < start || offset > *stable)
		return mr_fail(err, MR_ERR_LIMIT, "offset %lld of %s-%d is out of range %lld..%lld",
			       (long long)offset, partition->topic->name, (int)partition->index,
			       (long long)start, (long long)*stable);
	return 0;
}

/* From the tail's memory: false when it does not have *next. */
static bool read_tail(struct log_partition *partition, size_t max_bytes, bool min_one, int64_t stable,
		      struct mr_buf *out, int64_t *next, bool *more)
{
	pthread_mutex_lock(&partition->lock);
	struct tail_block *block = tail_hold(&partition->tail, *next);
	size_t len = block ? block->len : 0;
	pthread_mutex_unlock(&partition->lock);
	if (!block)
		return false;
	struct log_view_request request = {
	    .offset = *next, .until = stable, .max_bytes = max_bytes, .min_one = min_one};
	mr_str slice = tail_slice(block->bytes, len, &request, next);
	mr_buf_str(out, slice);
	*more = slice.len > 0;
	tail_drop(block);
	return true;
}

int log_read(struct log_partition *partition, int64_t offset, size_t max_bytes, bool min_one,
	     struct mr_buf *out, int64_t *next_out, struct mr_error *err)
{
	int64_t stable;
	int rc = read_check_range(partition, offset, &stable, err);
	if (rc < 0)
		return rc;
	size_t start = out->len;
	int64_t next = offset;
	bool more = offset < stable;
	while (more && next < stable) {
		size_t had = out->len - start;
		if (had >= max_bytes && (had > 0 || !min_one))
			break;
		if (read_tail(partition, max_bytes - had, min_one && had == 0, stable, out, &next, &more))
			continue;
		rc = read_segment(partition, max_bytes - had, min_one && had == 0, out, &next, &more, err);
		if (rc < 0 && out->len > start)
			break;              /* the good batches first; the next call meets the fault */
		if (rc == MR_ERR_NOT_FOUND) /* retention took the segment while we looked */
			return read_check_range(partition, offset, &stable, err) < 0 ? MR_ERR_LIMIT : rc;
		if (rc < 0)
			return rc;
	}
	if (next_out)
		*next_out = next;
	return 0;
}
