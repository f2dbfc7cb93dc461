#include "broker/partitioner.h"

#define SEED 0x9747b28cu
#define MULTIPLY 0x5bd1e995u
#define SHIFT 24

uint32_t partitioner_murmur2(mr_str key)
{
	const uint8_t *p = (const uint8_t *)key.ptr;
	size_t left = key.len;
	uint32_t h = SEED ^ (uint32_t)key.len;
	for (; left >= 4; left -= 4, p += 4) {
		uint32_t k =
		    (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		k *= MULTIPLY;
		k ^= k >> SHIFT;
		k *= MULTIPLY;
		h = h * MULTIPLY ^ k;
	}
	for (size_t i = 0; i < left; i++)
		h ^= (uint32_t)p[i] << (8 * i);
	if (left)
		h *= MULTIPLY;
	h ^= h >> 13;
	h *= MULTIPLY;
	return h ^ h >> 15;
}

int32_t partitioner_pick(mr_str key, int32_t partitions)
{
	return (int32_t)((partitioner_murmur2(key) & INT32_MAX) % (uint32_t)partitions);
}
