/* env/rng.h - random numbers: from the kernel, or replayable from a seed.
 * The kernel's is safe from any thread; a seeded one belongs to one thread. */
#pragma once

#include "base/types.h"

struct mr_rng {
	uint64_t (*next)(struct mr_rng *rng);
	uint64_t state[4]; /* of a seeded one: xoshiro256** */
};

void rng_seed(struct mr_rng *rng, uint64_t seed); /* xoshiro256**, seeded by splitmix64 */

static inline uint64_t rng_next(struct mr_rng *rng)
{
	return rng->next(rng);
}

/* Uniform in [0, bound); bound > 0. */
static inline uint64_t rng_below(struct mr_rng *rng, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)rng->next(rng) * bound) >> 64);
}

/* "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed" and a NUL: 37 bytes. Version 4. */
void rng_uuid(struct mr_rng *rng, char out[37]);
void rng_uuid_bytes(struct mr_rng *rng, uint8_t out[16]);
