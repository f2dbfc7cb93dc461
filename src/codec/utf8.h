/* codec/utf8.h - UTF-8, as much of it as JSON and the contracts need. */
#pragma once

#include "base/types.h"

/* The length of the valid UTF-8 sequence at p, or 0. len > 0. (Unicode 15, table 3-7.) */
static inline size_t utf8_sequence(const unsigned char *p, size_t len)
{
	unsigned char c = p[0];
	if (c < 0x80)
		return 1;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || len < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
	    (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Code points of valid UTF-8. */
static inline size_t utf8_count(mr_str s)
{
	size_t count = 0;
	for (size_t i = 0; i < s.len; i++)
		count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
	return count;
}

/* The longest beginning of valid UTF-8 that is at most `max` bytes and splits no sequence. */
static inline mr_str utf8_cut(mr_str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return (mr_str){s.ptr, max};
}
