#include "ingest/text.h"

/* The bytes of the well-formed sequence at p, 0 when there is none. */
static size_t sequence(const unsigned char *p, size_t left)
{
	unsigned char first = p[0];
	if (first < 0x80)
		return 1;
	size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || left < len)
		return 0;
	/* The second byte's range rules out overlong forms, surrogates and what is past U+10FFFF. */
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

/* How many bytes from the start on are well formed. */
static size_t valid_prefix(mr_str bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.ptr;
	size_t at = 0;
	while (at < bytes.len) {
		uint64_t eight;
		if (bytes.len - at >= sizeof eight) {
			memcpy(&eight, p + at, sizeof eight);
			if (!(eight & UINT64_C(0x8080808080808080))) {
				at += sizeof eight;
				continue;
			}
		}
		size_t len = sequence(p + at, bytes.len - at);
		if (len == 0)
			break;
		at += len;
	}
	return at;
}

bool utf8_valid(mr_str bytes)
{
	return valid_prefix(bytes) == bytes.len;
}

mr_str utf8_text(mr_str bytes, struct arena *arena)
{
	size_t good = valid_prefix(bytes);
	if (good == bytes.len)
		return bytes;
	size_t bad = 0;
	for (mr_str rest = bytes; rest.len; rest = mr_str_tail(rest, valid_prefix(rest) + 1))
		bad += valid_prefix(rest) < rest.len;
	char *start = arena_alloc(arena, bytes.len + 2 * bad), *to = start;
	for (mr_str rest = bytes; rest.len;) {
		good = valid_prefix(rest);
		memcpy(to, rest.ptr, good);
		to += good;
		rest = mr_str_tail(rest, good);
		if (rest.len) {
			memcpy(to, "\xef\xbf\xbd", 3);
			to += 3;
			rest = mr_str_tail(rest, 1);
		}
	}
	return mr_str_n(start, (size_t)(to - start));
}
