#include "dag/executor.h"

struct dag_try *dag_try_ref(struct dag_try *try)
{
	atomic_fetch_add_explicit(&try->refs, 1, memory_order_relaxed);
	return try;
}

void dag_try_unref(struct dag_try *try)
{
	if (!try || atomic_fetch_sub_explicit(&try->refs, 1, memory_order_acq_rel) != 1)
		return;
	dag_unref(try->dag);
	struct arena arena = try->arena; /* the try lives in it */
	arena_release(&arena);
}
