/* task/pool.h - threads that take jobs from a queue, first come first served.
 *
 * The queue has no limit of its own: executors are given no more tries than they have slots.
 */
#pragma once

#include "base/error.h"

struct pool;
struct pool_job {
	void (*run)(struct pool_job *job); /* owns the job */
	struct pool_job *next;
};

MR_NODISCARD int pool_new(size_t threads, struct pool **out, struct mr_error *err);
void pool_put(struct pool *pool, struct pool_job *job); /* any thread */
/* Runs what is queued, then ends the threads. NULL is fine. */
void pool_free(struct pool *pool);
