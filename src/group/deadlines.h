/* group/deadlines.h - one heap of deadlines: whatever a group waits for ends here.
 *
 * A deadline is embedded in what it belongs to and zeroed before its first use. Setting and
 * clearing cost O(log n); nothing is walked while nothing is due. No clock: times are the
 * caller's, in milliseconds. Not locked.
 */
#pragma once

#include "base/types.h"
#include "base/vec.h"

struct deadline {
	int64_t due_ms;
	size_t index; /* in the heap, plus one; 0 when not set */
	int kind;     /* the owner's */
	void *owner;
};

struct deadlines {
	MR_VEC(struct deadline *) heap;
};

void deadlines_release(struct deadlines *deadlines);

/* Set, or move. */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t due_ms);
void deadline_clear(struct deadlines *deadlines, struct deadline *deadline); /* not set: nothing */
static inline bool deadline_is_set(const struct deadline *deadline)
{
	return deadline->index != 0;
}

/* The earliest, or INT64_MAX. */
int64_t deadlines_next(const struct deadlines *deadlines);
/* Take the earliest one off the heap when it is due at now_ms; NULL when none is. */
struct deadline *deadlines_take(struct deadlines *deadlines, int64_t now_ms);
