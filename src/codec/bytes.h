/* codec/bytes.h - big-endian fields of internal topics' records, in and out.
 *
 * Strings and arrays have an old form (int16 and int32 lengths) and a compact one (an unsigned
 * varint of length + 1, in records that are "flexible"). A reader's first fault sticks: it reads
 * zeros from then on, and `bad` is checked once at the end. Not locked.
 */
#pragma once

#include "base/buf.h"
#include "base/varint.h"

struct bytes_in {
	mr_str rest;
	bool flexible;
	bool bad;
};

static inline const char *bytes_take(struct bytes_in *in, size_t n)
{
	if (in->bad || n > in->rest.len) {
		in->bad = true;
		return NULL;
	}
	const char *at = in->rest.ptr;
	in->rest = mr_str_tail(in->rest, n);
	return at;
}

static inline int8_t bytes_i8(struct bytes_in *in)
{
	const char *p = bytes_take(in, 1);
	return p ? (int8_t)*p : 0;
}

static inline int16_t bytes_i16(struct bytes_in *in)
{
	const char *p = bytes_take(in, 2);
	return p ? (int16_t)mr_get_be16(p) : 0;
}

static inline int32_t bytes_i32(struct bytes_in *in)
{
	const char *p = bytes_take(in, 4);
	return p ? (int32_t)mr_get_be32(p) : 0;
}

static inline int64_t bytes_i64(struct bytes_in *in)
{
	const char *p = bytes_take(in, 8);
	return p ? (int64_t)mr_get_be64(p) : 0;
}

static inline uint64_t bytes_uvarint(struct bytes_in *in)
{
	uint64_t v = 0;
	size_t n = in->bad ? 0 : mr_get_uvarint(in->rest.ptr, in->rest.len, &v);
	in->bad = n == 0;
	in->rest = mr_str_tail(in->rest, n);
	return v;
}

/* -1 is null. wide: int32 in the old form, else int16. */
static inline int64_t bytes_length(struct bytes_in *in, bool wide)
{
	int64_t n = in->flexible ? (int64_t)(bytes_uvarint(in) & UINT32_MAX) - 1
		    : wide       ? bytes_i32(in)
				 : bytes_i16(in);
	if (n > (int64_t)in->rest.len)
		in->bad = true;
	return in->bad ? 0 : n;
}

static inline mr_str bytes_sized(struct bytes_in *in, bool wide)
{
	int64_t n = bytes_length(in, wide);
	if (n < 0)
		return MR_STR_NULL;
	const char *p = bytes_take(in, (size_t)n);
	return p ? mr_str_n(p, (size_t)n) : MR_STR_NULL;
}

/* A name. One with a NUL byte is bad: names are kept as C strings, too, and must be found again by them. */
static inline mr_str bytes_string(struct bytes_in *in)
{
	mr_str s = bytes_sized(in, false);
	if (s.len && memchr(s.ptr, 0, s.len))
		in->bad = true;
	return in->bad ? MR_STR_NULL : s;
}

static inline void bytes_put_i8(struct mr_buf *out, int8_t v)
{
	mr_buf_char(out, (char)v);
}

static inline void bytes_put_i16(struct mr_buf *out, int16_t v)
{
	char b[2];
	mr_put_be16(b, (uint16_t)v);
	mr_buf_append(out, b, 2);
}

static inline void bytes_put_i32(struct mr_buf *out, int32_t v)
{
	char b[4];
	mr_put_be32(b, (uint32_t)v);
	mr_buf_append(out, b, 4);
}

static inline void bytes_put_i64(struct mr_buf *out, int64_t v)
{
	char b[8];
	mr_put_be64(b, (uint64_t)v);
	mr_buf_append(out, b, 8);
}

static inline void bytes_put_uvarint(struct mr_buf *out, uint64_t v)
{
	char b[10];
	mr_buf_append(out, b, mr_put_uvarint(b, v));
}

/* The old form; ptr NULL is null. */
static inline void bytes_put_string(struct mr_buf *out, mr_str s)
{
	bytes_put_i16(out, s.ptr ? (int16_t)s.len : -1);
	mr_buf_str(out, s);
}

static inline void bytes_put_blob(struct mr_buf *out, mr_str s)
{
	bytes_put_i32(out, s.ptr ? (int32_t)s.len : -1);
	mr_buf_str(out, s);
}

/* The compact form. */
static inline void bytes_put_compact(struct mr_buf *out, mr_str s)
{
	bytes_put_uvarint(out, s.ptr ? s.len + 1 : 0);
	mr_buf_str(out, s);
}
