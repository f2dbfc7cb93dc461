/* log/view.h - stable batches without a copy: a stretch of a file, or bytes in memory.
 *
 * A view holds whole batches of one partition, from the one that has the offset asked for. It is
 * one of two kinds:
 *
 *   file     fd >= 0: `length` bytes at `position` of fd, for sendfile. Not checked: the reader of
 *            the bytes checks each batch's CRC, as Kafka's clients do. Nor checked when log_view_load
 *            has made it a memory view.
 *   memory   bytes != NULL. Checked by CRC when they came in (the tail: batches that were
 *            committed a moment ago, served from the memory they came in) or when they were read.
 *
 * The bytes stay as they are until log_view_release, whatever happens to the partition meanwhile:
 * a rolled, compacted or deleted segment is kept open by the view. A view ends where a segment or
 * a piece of the tail does: to get more, ask again from next_offset.
 */
#pragma once

#include "codec/batch.h"
#include "log/log.h"

struct log_view {
	int fd;
	int64_t position;
	const char *bytes;
	size_t length;       /* 0: there is nothing yet */
	int64_t next_offset; /* past the last batch; the offset asked for when length is 0 */
	void *hold;          /* log/view.c's */
};

struct log_view_request {
	int64_t offset;
	int64_t until; /* no batch at or past this offset: the last stable offset, say. 0: stable offset */
	size_t max_bytes;
	bool min_one;   /* the first batch even when it is larger than max_bytes */
	bool in_memory; /* never a file view: for who decodes in place */
	bool decided;   /* nothing at or past the last stable offset: read_committed */
};

/* Errors as log_read's. An empty view needs no release; to release one twice is fine. */
MR_NODISCARD int log_view(struct log_partition *partition, const struct log_view_request *request,
			  struct log_view *out, struct mr_error *err);
void log_view_release(struct log_view *view);

/* Have a file view's bytes in memory. On failure the view is as it was. */
MR_NODISCARD int log_view_load(struct log_view *view, struct mr_error *err);

/* The headers of a view's batches, one a call: 0, and *at moves from batch to batch, from 0 on;
 * 1 past the last one. Of a file no more than the headers is read. */
MR_NODISCARD int log_view_header(const struct log_view *view, size_t *at, char header[BATCH_HEADER_SIZE],
				 struct mr_error *err);
