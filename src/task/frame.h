/* task/frame.h - messages between the scheduler and its keeper: a length (32 bits, big-endian) and as
 * many bytes of JSON. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/varint.h"

#define FRAME_BYTES_MAX ((size_t)16 << 20)

static inline void frame_put(struct mr_buf *out, mr_str json)
{
	char length[4];
	mr_put_be32(length, (uint32_t)json.len);
	mr_buf_append(out, length, sizeof length);
	mr_buf_str(out, json);
}

/* The message at the front of `in`: 1 and *json (take_frame drops it); 0: not all of it is here;
 * MR_ERR_LIMIT: it is too large. */
static inline int frame_peek(const struct mr_buf *in, mr_str *json, struct mr_error *err)
{
	if (in->len < 4)
		return 0;
	size_t len = mr_get_be32(in->ptr);
	if (len > FRAME_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a message of %zu bytes to or from the keeper", len);
	if (in->len < 4 + len)
		return 0;
	*json = mr_str_n(in->ptr + 4, len);
	return 1;
}

static inline void frame_drop(struct mr_buf *in, mr_str json)
{
	mr_buf_consume(in, 4 + json.len);
}
