#include "group/deadlines.h"

void deadlines_release(struct deadlines *deadlines)
{
	mr_vec_release(&deadlines->heap);
}

static void put(struct deadlines *d, size_t at, struct deadline *deadline)
{
	d->heap.items[at] = deadline;
	deadline->index = at + 1;
}

static void rise(struct deadlines *d, size_t at)
{
	struct deadline *moved = d->heap.items[at];
	while (at > 0 && d->heap.items[(at - 1) / 2]->due_ms > moved->due_ms) {
		put(d, at, d->heap.items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(d, at, moved);
}

static void sink(struct deadlines *d, size_t at)
{
	struct deadline *moved = d->heap.items[at];
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= d->heap.len)
			break;
		if (child + 1 < d->heap.len &&
		    d->heap.items[child + 1]->due_ms < d->heap.items[child]->due_ms)
			child++;
		if (d->heap.items[child]->due_ms >= moved->due_ms)
			break;
		put(d, at, d->heap.items[child]);
		at = child;
	}
	put(d, at, moved);
}

void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t due_ms)
{
	int64_t before = deadline->due_ms;
	deadline->due_ms = due_ms;
	if (!deadline_is_set(deadline)) {
		mr_vec_push(&deadlines->heap, deadline);
		deadline->index = deadlines->heap.len;
		rise(deadlines, deadline->index - 1);
	} else if (due_ms < before) {
		rise(deadlines, deadline->index - 1);
	} else {
		sink(deadlines, deadline->index - 1);
	}
}

void deadline_clear(struct deadlines *deadlines, struct deadline *deadline)
{
	if (!deadline_is_set(deadline))
		return;
	size_t at = deadline->index - 1;
	struct deadline *last = deadlines->heap.items[--deadlines->heap.len];
	deadline->index = 0;
	if (last == deadline)
		return;
	put(deadlines, at, last);
	rise(deadlines, at);
	sink(deadlines, last->index - 1);
}

int64_t deadlines_next(const struct deadlines *deadlines)
{
	return deadlines->heap.len ? deadlines->heap.items[0]->due_ms : INT64_MAX;
}

struct deadline *deadlines_take(struct deadlines *deadlines, int64_t now_ms)
{
	if (deadlines_next(deadlines) > now_ms)
		return NULL;
	struct deadline *first = deadlines->heap.items[0];
	deadline_clear(deadlines, first);
	return first;
}
