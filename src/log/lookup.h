/* log/lookup.h - from an offset to the place of its batch, for readers.
 *
 * A cursor holds one segment open for reading up to what was stable when it was taken. It works
 * without any lock; the segment may be rolled, retained or deleted meanwhile.
 */
#pragma once

#include "log/store.h"

#include "codec/batch.h"

struct cursor {
	struct log_partition *partition;
	struct shared_file *file;
	int64_t base;
	uint32_t version;
	int64_t size;      /* stable bytes */
	int64_t written;   /* bytes that are in the file; the tail has those behind them */
	int64_t next_base; /* of the segment behind it; -1 when it is the active one */
	uint32_t offsets_filed, times_filed;
	bool tailed; /* part of its index is in memory only */
};

/* The segment in which `offset` is or would be. 0; 1 when the partition has no such segment yet. */
MR_NODISCARD int cursor_open(struct log_partition *partition, int64_t offset, struct cursor *out,
			     struct mr_error *err);
void cursor_close(struct cursor *cursor);

/* The place of the first batch whose last offset is at or after `offset`: 0 and *position;
 * 1 when the segment ends before it. */
MR_NODISCARD int cursor_find(struct cursor *cursor, int64_t offset, int64_t *position, struct mr_error *err);

/* Bytes of the segment, from its file or from memory; *got is short at their end. */
MR_NODISCARD int cursor_read(struct cursor *cursor, char *to, size_t len, int64_t position, size_t *got,
			     struct mr_error *err);
/* Read the header at `position`: 0, 1 at the end of the stable bytes, MR_ERR_CORRUPT. */
MR_NODISCARD int cursor_header(struct cursor *cursor, int64_t position, char header[BATCH_HEADER_SIZE],
			       struct mr_error *err);
int cursor_corrupt(const struct cursor *cursor, int64_t position, int64_t offset, struct mr_error *err);

/* Where the batches from `position` on end that lie before `limit`; the first one counts even
 * when it passes it. *next is the offset after the last of them. */
MR_NODISCARD int cursor_end(struct cursor *cursor, int64_t position, int64_t limit, int64_t *end,
			    int64_t *next, struct mr_error *err);
