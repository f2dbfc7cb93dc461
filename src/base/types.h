/* base/types.h - the few words every file shares.
 *
 * mr_str is a borrowed, length-counted byte string: it never owns, need not end
 * in NUL, and may hold any byte. Whoever hands one out says how long it lives.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MR_NODISCARD __attribute__((warn_unused_result))
#define MR_PRINTF(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))
#define MR_NORETURN __attribute__((noreturn))
#define MR_LIKELY(x) __builtin_expect(!!(x), 1)
#define MR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MR_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MR_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

typedef struct mr_str {
	const char *ptr;
	size_t len;
} mr_str;

#define MR_STR(literal) ((mr_str){(literal), sizeof(literal) - 1})
#define MR_STR_NULL ((mr_str){NULL, 0})
/* For printf: mr_info("x", "topic %.*s", MR_FMT(name)). */
#define MR_FMT(s) (int)(s).len, (s).ptr

static inline mr_str mr_str_from(const char *c)
{
	return c ? (mr_str){c, strlen(c)} : MR_STR_NULL;
}

static inline mr_str mr_str_n(const void *ptr, size_t len)
{
	return (mr_str){(const char *)ptr, len};
}

static inline bool mr_str_eq(mr_str a, mr_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* By bytes, a prefix first: <0, 0, >0. For UTF-8 that is the order of code points. */
static inline int mr_str_cmp(mr_str a, mr_str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool mr_str_is(mr_str a, const char *c)
{
	return mr_str_eq(a, mr_str_from(c));
}

static inline bool mr_str_starts(mr_str s, mr_str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool mr_str_ends(mr_str s, mr_str suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The part of s from `from` on; empty when from is past the end. */
static inline mr_str mr_str_tail(mr_str s, size_t from)
{
	return from >= s.len ? (mr_str){s.ptr + s.len, 0} : (mr_str){s.ptr + from, s.len - from};
}

static inline size_t mr_min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t mr_max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline int64_t mr_min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t mr_max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}
