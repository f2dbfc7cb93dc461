/* base/buf.h - a growable byte buffer with a limit.
 *
 * Errors are sticky: once an append would pass the limit, the buffer keeps what it
 * has, sets `overflow` and ignores further appends, so a writer checks once at the
 * end. The bytes are always followed by a NUL that len does not count.
 */
#pragma once

#include "base/types.h"

#include <stdarg.h>

#define MR_BUF_NO_LIMIT ((size_t)1 << 40)

struct mr_buf {
	char *ptr;
	size_t len;
	size_t cap;
	size_t limit; /* 0 means MR_BUF_NO_LIMIT */
	bool overflow;
};

static inline void mr_buf_init(struct mr_buf *buf, size_t limit)
{
	*buf = (struct mr_buf){.limit = limit};
}

void mr_buf_release(struct mr_buf *buf); /* frees; the buffer is empty and usable, limit kept */

static inline void mr_buf_clear(struct mr_buf *buf) /* keeps the memory */
{
	buf->len = 0;
	buf->overflow = false;
	if (buf->ptr)
		buf->ptr[0] = 0;
}

/* Make room for `extra` more bytes; false (and overflow set) when the limit forbids it. */
bool mr_buf_reserve(struct mr_buf *buf, size_t extra);

void mr_buf_append_slow(struct mr_buf *buf, const void *bytes, size_t len);

static inline void mr_buf_append(struct mr_buf *buf, const void *bytes, size_t len)
{
	if (MR_LIKELY(buf->cap - buf->len > len && !buf->overflow)) {
		memcpy(buf->ptr + buf->len, bytes, len);
		buf->len += len;
		buf->ptr[buf->len] = 0;
		return;
	}
	mr_buf_append_slow(buf, bytes, len);
}

static inline void mr_buf_str(struct mr_buf *buf, mr_str s)
{
	if (s.len)
		mr_buf_append(buf, s.ptr, s.len);
}

static inline void mr_buf_cstr(struct mr_buf *buf, const char *s)
{
	mr_buf_append(buf, s, strlen(s));
}

static inline void mr_buf_char(struct mr_buf *buf, char c)
{
	mr_buf_append(buf, &c, 1);
}

void mr_buf_printf(struct mr_buf *buf, const char *fmt, ...) MR_PRINTF(2, 3);
void mr_buf_vprintf(struct mr_buf *buf, const char *fmt, va_list args) MR_PRINTF(2, 0);

/* Drop the first n bytes, moving the rest down. */
void mr_buf_consume(struct mr_buf *buf, size_t n);

static inline mr_str mr_buf_view(const struct mr_buf *buf)
{
	return (mr_str){buf->ptr ? buf->ptr : "", buf->len};
}

/* The bytes become the caller's (free()); the buffer is empty. Never NULL. */
char *mr_buf_take(struct mr_buf *buf);
