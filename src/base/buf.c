#include "base/buf.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void mr_buf_release(struct mr_buf *buf)
{
	free(buf->ptr);
	*buf = (struct mr_buf){.limit = buf->limit};
}

bool mr_buf_reserve(struct mr_buf *buf, size_t extra)
{
	if (buf->overflow)
		return false;
	size_t limit = buf->limit ? buf->limit : MR_BUF_NO_LIMIT;
	if (extra > limit || buf->len > limit - extra) {
		buf->overflow = true;
		return false;
	}
	size_t need = buf->len + extra + 1;
	if (need <= buf->cap)
		return true;
	size_t cap = mr_max_size(buf->cap * 2, 64);
	cap = mr_min_size(mr_max_size(cap, need), limit + 1); /* the inline append trusts cap */
	buf->ptr = mr_realloc(buf->ptr, cap);
	buf->cap = cap;
	return true;
}

void mr_buf_append_slow(struct mr_buf *buf, const void *bytes, size_t len)
{
	if (!mr_buf_reserve(buf, len))
		return;
	if (len)
		memcpy(buf->ptr + buf->len, bytes, len);
	buf->len += len;
	buf->ptr[buf->len] = 0;
}

void mr_buf_vprintf(struct mr_buf *buf, const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	MR_ASSERT(n >= 0);
	if (!mr_buf_reserve(buf, (size_t)n))
		return;
	vsnprintf(buf->ptr + buf->len, (size_t)n + 1, fmt, args);
	buf->len += (size_t)n;
}

void mr_buf_printf(struct mr_buf *buf, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	mr_buf_vprintf(buf, fmt, args);
	va_end(args);
}

void mr_buf_consume(struct mr_buf *buf, size_t n)
{
	MR_ASSERT(n <= buf->len);
	if (n == 0)
		return;
	memmove(buf->ptr, buf->ptr + n, buf->len - n);
	buf->len -= n;
	buf->ptr[buf->len] = 0;
}

char *mr_buf_take(struct mr_buf *buf)
{
	char *p = buf->ptr ? buf->ptr : mr_strdup("");
	*buf = (struct mr_buf){.limit = buf->limit};
	return p;
}
