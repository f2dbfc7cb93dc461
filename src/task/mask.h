/* task/mask.h - secrets become *** in a stream of bytes, wherever the stream is cut.
 *
 * As in Airflow, values shorter than MASK_LEAST bytes are left alone: masking them would make logs
 * unreadable and protect nothing. What could be the beginning of a secret is held back until the
 * next bytes or mask_end. One thread at a time.
 */
#pragma once

#include "base/buf.h"

#define MASK_LEAST 5

struct mask {
	mr_str *secrets; /* longest first */
	size_t count;
	bool first[256]; /* bytes that a secret begins with */
	struct mr_buf held;
};

/* Copies the secrets; a secret of more than one line counts as its lines too. */
void mask_init(struct mask *mask, const mr_str *secrets, size_t count);
void mask_release(struct mask *mask);

void mask_feed(struct mask *mask, mr_str bytes, struct mr_buf *out);
void mask_end(struct mask *mask, struct mr_buf *out); /* what is held goes out; the mask may go on */
