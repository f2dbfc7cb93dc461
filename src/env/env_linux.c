/* env/env_linux.c - the real clock and random numbers, and the env that holds them. */

#include "base/error.h"
#include "env/disk_linux.h"
#include "env/env.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t linux_wall_us(struct mr_clock *clock)
{
	(void)clock;
	return now_us(CLOCK_REALTIME);
}

static int64_t linux_mono_us(struct mr_clock *clock)
{
	(void)clock;
	return now_us(CLOCK_MONOTONIC);
}

static int64_t sim_wall_us(struct mr_clock *clock)
{
	return MR_CONTAINER_OF(clock, struct sim_clock, base)->wall_us;
}

static int64_t sim_mono_us(struct mr_clock *clock)
{
	return MR_CONTAINER_OF(clock, struct sim_clock, base)->mono_us;
}

void sim_clock_init(struct sim_clock *clock, int64_t wall_us)
{
	clock->base = (struct mr_clock){sim_wall_us, sim_mono_us};
	clock->wall_us = wall_us;
	clock->mono_us = 0;
}

void sim_clock_advance(struct sim_clock *clock, int64_t us)
{
	clock->wall_us += us;
	clock->mono_us += us;
}

static uint64_t kernel_next(struct mr_rng *rng)
{
	(void)rng;
	uint64_t v;
	ssize_t n = getrandom(&v, sizeof v, 0);
	MR_ASSERT(n == (ssize_t)sizeof v);
	return v;
}

static uint64_t rotate_left(uint64_t v, int by)
{
	return (v << by) | (v >> (64 - by));
}

/* xoshiro256** by Blackman and Vigna. */
static uint64_t seeded_next(struct mr_rng *rng)
{
	uint64_t *s = rng->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

void rng_seed(struct mr_rng *rng, uint64_t seed)
{
	rng->next = seeded_next;
	for (int i = 0; i < 4; i++) { /* splitmix64 */
		uint64_t z = (seed += 0x9e3779b97f4a7c15u);
		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		rng->state[i] = z ^ (z >> 31);
	}
}

void rng_uuid_bytes(struct mr_rng *rng, uint8_t out[16])
{
	uint64_t a = rng_next(rng), b = rng_next(rng);
	memcpy(out, &a, 8);
	memcpy(out + 8, &b, 8);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x40);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

void rng_uuid(struct mr_rng *rng, char out[37])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t u[16];
	rng_uuid_bytes(rng, u);
	char *p = out;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[u[i] >> 4];
		*p++ = hex[u[i] & 15];
	}
	*p = 0;
}

static struct env process_env;

static void fill_process_env(void)
{
	static struct mr_clock clock = {linux_wall_us, linux_mono_us};
	static struct mr_rng rng = {.next = kernel_next};
	process_env = (struct env){&clock, disk_linux(), &rng};
}

const struct env *env_linux(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT; /* the first callers may be threads */
	pthread_once(&once, fill_process_env);
	return &process_env;
}
