/* base/varint.h - big-endian integers and Kafka's variable-length integers.
 *
 * Unsigned varint: 7 bits a byte, least significant first, high bit = more follows.
 * Signed ones are zig-zag encoded. (Kafka protocol guide, "Protocol Primitive Types".)
 */
#pragma once

#include "base/types.h"

static inline uint16_t mr_get_be16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return __builtin_bswap16(v);
}

static inline uint32_t mr_get_be32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static inline uint64_t mr_get_be64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return __builtin_bswap64(v);
}

static inline void mr_put_be16(void *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, 2);
}

static inline void mr_put_be32(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

static inline void mr_put_be64(void *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, 8);
}

static inline uint64_t mr_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t mr_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Writes at most 10 bytes; returns how many. */
static inline size_t mr_put_uvarint(void *p, uint64_t v)
{
	uint8_t *out = p;
	size_t n = 0;
	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	return n;
}

/* Returns the bytes read, or 0 when the input is short or longer than 10 bytes. */
static inline size_t mr_get_uvarint(const void *p, size_t len, uint64_t *out)
{
	const uint8_t *in = p;
	uint64_t v = 0;
	for (size_t i = 0; i < len && i < 10; i++) {
		v |= (uint64_t)(in[i] & 0x7f) << (7 * i);
		if (!(in[i] & 0x80)) {
			*out = v;
			return i + 1;
		}
	}
	return 0;
}

static inline size_t mr_uvarint_size(uint64_t v)
{
	size_t n = 1;
	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}
