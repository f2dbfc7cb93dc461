/* log/view.c - views of stable batches. See the header. */
#include "log/view.h"

#include "log/batch_bytes.h"
#include "log/lookup.h"
#include "log/read.h"
#include "log/transactions.h"

/* What keeps a view's bytes alive: one of the three. */
struct view_hold {
	struct shared_file *file;
	struct tail_block *block;
	struct mr_buf read;
};

void log_view_release(struct log_view *view)
{
	struct view_hold *hold = view->hold;
	if (hold) {
		shared_file_drop(hold->file);
		tail_drop(hold->block);
		mr_buf_release(&hold->read);
		free(hold);
	}
	*view = (struct log_view){.fd = -1};
}

mr_str tail_slice(const char *bytes, size_t len, const struct log_view_request *request, int64_t *next)
{
	size_t from = 0, end;
	while (from < len && bb_next_offset(bytes + from) <= request->offset)
		from += (size_t)bb_size(bytes + from);
	for (end = from; end < len; end += (size_t)bb_size(bytes + end)) {
		const char *batch = bytes + end;
		size_t size = (size_t)bb_size(batch);
		bool first = end == from && request->min_one;
		if (bb_offset(batch) >= request->until || (end + size - from > request->max_bytes && !first))
			break;
		*next = bb_next_offset(batch);
	}
	return (mr_str){bytes + from, end - from};
}

int log_view_load(struct log_view *view, struct mr_error *err)
{
	if (view->fd < 0)
		return 0;
	struct view_hold *hold = view->hold;
	size_t got;
	mr_buf_reserve(&hold->read, view->length);
	int rc = file_read_at(hold->file->file, hold->read.ptr, view->length, view->position, &got, err);
	if (rc == 0 && got < view->length)
		rc = mr_fail(err, MR_ERR_CORRUPT, "a segment ends %zu bytes early", view->length - got);
	if (rc < 0) {
		mr_buf_release(&hold->read);
		return rc;
	}
	shared_file_drop(hold->file);
	hold->file = NULL;
	view->fd = -1;
	view->bytes = hold->read.ptr;
	return 0;
}

int log_view_header(const struct log_view *view, size_t *at, char header[BATCH_HEADER_SIZE],
		    struct mr_error *err)
{
	if (*at + BATCH_HEADER_SIZE > view->length)
		return 1;
	if (view->bytes) {
		memcpy(header, view->bytes + *at, BATCH_HEADER_SIZE);
	} else {
		const struct view_hold *hold = view->hold;
		size_t got;
		int rc = file_read_at(hold->file->file, header, BATCH_HEADER_SIZE,
				      view->position + (int64_t)*at, &got, err);
		if (rc < 0)
			return rc;
		if (got < BATCH_HEADER_SIZE || !bb_header_ok(header))
			return mr_fail(err, MR_ERR_CORRUPT, "a batch at byte %lld of a segment is damaged",
				       (long long)view->position + (long long)*at);
	}
	*at += (size_t)bb_size(header);
	return 0;
}

/* 1 when the tail does not have the offset. */
static int view_tail(struct log_partition *partition, const struct log_view_request *request,
		     struct log_view *out)
{
	pthread_mutex_lock(&partition->lock);
	struct tail_block *block = tail_hold(&partition->tail, request->offset);
	size_t len = block ? block->len : 0;
	pthread_mutex_unlock(&partition->lock);
	if (!block)
		return 1;
	mr_str slice = tail_slice(block->bytes, len, request, &out->next_offset);
	if (slice.len == 0) {
		tail_drop(block);
		return 0;
	}
	struct view_hold *hold = mr_calloc(1, sizeof *hold);
	hold->block = block;
	out->bytes = slice.ptr;
	out->length = slice.len;
	out->hold = hold;
	return 0;
}

/* Position of the first batch that may not be shown. */
static int64_t end_by_offset(struct cursor *cursor, const struct log_view_request *request)
{
	int64_t position;
	if (request->until >= cursor->base && cursor_find(cursor, request->until, &position, NULL) == 0)
		return position;
	return cursor->size;
}

static int view_file(struct cursor *cursor, int64_t position, const struct log_view_request *request,
		     struct log_view *out, struct mr_error *err)
{
	/* A file view ends where the file does, at a batch's border. */
	int64_t written = mr_min_i64(cursor->size, cursor->written);
	int64_t most = mr_min_i64((int64_t)mr_min_size(request->max_bytes, INT32_MAX), written);
	int64_t limit = mr_min_i64(written, position + most);
	int64_t end, next = request->offset;
	char header[BATCH_HEADER_SIZE];
	int rc = cursor_header(cursor, position, header, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (bb_offset(header) >= request->until || (position + bb_size(header) > limit && !request->min_one))
		return 0;
	rc = cursor_end(cursor, position, limit, &end, &next, err);
	if (rc == 0 && next > request->until) /* seldom: what came since, or is not decided yet */
		rc = cursor_end(cursor, position, mr_min_i64(limit, end_by_offset(cursor, request)), &end,
				&next, err);
	if (rc < 0)
		return rc;
	struct view_hold *hold = mr_calloc(1, sizeof *hold);
	hold->file = shared_file_hold(cursor->file);
	*out = (struct log_view){
	    .fd = cursor->file->file->fd,
	    .position = position,
	    .length = (size_t)(end - position),
	    .next_offset = next,
	    .hold = hold,
	};
	return 0;
}

static int view_copy(struct log_partition *partition, const struct log_view_request *request,
		     struct log_view *out, struct mr_error *err)
{
	struct view_hold *hold = mr_calloc(1, sizeof *hold);
	int rc = log_read(partition, request->offset, request->max_bytes, request->min_one, &hold->read,
			  &out->next_offset, err);
	if (rc < 0) {
		free(hold);
		return rc;
	}
	mr_str slice = tail_slice(hold->read.ptr, hold->read.len, request, &out->next_offset);
	if (slice.len == 0)
		out->next_offset = mr_min_i64(out->next_offset, mr_max_i64(request->until, request->offset));
	out->bytes = slice.ptr;
	out->length = slice.len;
	out->hold = hold;
	return 0;
}

/* A file view, from the segment that has the offset or, when compaction left nothing there, from
 * the next one that has something behind it. */
static int view_segments(struct log_partition *partition, const struct log_view_request *request,
			 struct log_view *out, struct mr_error *err)
{
	struct log_view_request at = *request;
	for (;;) {
		struct cursor cursor;
		int rc = cursor_open(partition, at.offset, &cursor, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		int64_t position;
		rc = cursor_find(&cursor, at.offset, &position, err);
		bool copies = rc == 0 && (cursor.file->file->fd < 0 || position >= cursor.written);
		if (rc == 0 && !copies)
			rc = view_file(&cursor, position, &at, out, err);
		int64_t next_base = cursor.next_base;
		cursor_close(&cursor);
		if (copies) /* a simulated disk, or what the tail took since it was asked */
			return view_copy(partition, request, out, err);
		if (rc != 1)
			return rc;
		if (next_base < 0 || next_base >= request->until)
			return 0;
		at.offset = out->next_offset = next_base;
	}
}

int log_view(struct log_partition *partition, const struct log_view_request *request, struct log_view *out,
	     struct mr_error *err)
{
	int64_t stable;
	int rc = read_check_range(partition, request->offset, &stable, err);
	if (rc < 0)
		return rc;
	struct log_view_request bounded = *request;
	bounded.until = request->until > 0 ? mr_min_i64(request->until, stable) : stable;
	if (request->decided)
		bounded.until = mr_min_i64(bounded.until, log_last_stable_offset(partition));
	struct log_view view = {.fd = -1, .next_offset = request->offset};
	if (bounded.offset < bounded.until) {
		rc = view_tail(partition, &bounded, &view);
		if (rc == 1)
			rc = request->in_memory ? view_copy(partition, &bounded, &view, err)
						: view_segments(partition, &bounded, &view, err);
	}
	if (rc == MR_ERR_NOT_FOUND) /* retention took the segment while we looked */
		return read_check_range(partition, request->offset, &stable, err) < 0 ? MR_ERR_LIMIT : rc;
	if (rc == 0)
		*out = view;
	return rc;
}
