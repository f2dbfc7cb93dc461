/* log/spare.h - large buffers between two commit rounds.
 *
 * Under load a partition gathers megabytes while the round before it is written. Memory that is
 * fresh from the kernel for each round would be faulted in page by page, and grow by copying: so the
 * store keeps the last ones for whoever gathers much next. A partition holds one no longer than
 * its batches are under way; housekeeping drops those that nobody has asked for.
 *
 * Limits: SPARE_COUNT buffers of at most SPARE_BYTES_MAX. Threading: its own lock, the last in order.
 */
#pragma once

#include "base/buf.h"

#include <pthread.h>

#define SPARE_COUNT 2
#define SPARE_BYTES_MAX ((size_t)32 << 20)
/* Smaller ones are malloc's business: they become a part of the tail as they are (tail.h). */
#define SPARE_BYTES_LEAST ((size_t)1100 << 10)

struct spares {
	pthread_mutex_t lock;
	struct mr_buf kept[SPARE_COUNT];
	bool asked; /* since the last spares_trim */
};

void spares_init(struct spares *spares);
void spares_release(struct spares *spares);

/* `buf` is about to grow by `extra` bytes: have it grow into a spare, when there is a larger one. */
void spares_grow(struct spares *spares, struct mr_buf *buf, size_t extra);
/* The buffer's memory is not needed any more: kept or freed. */
void spares_give(struct spares *spares, struct mr_buf *buf);
void spares_trim(struct spares *spares);
