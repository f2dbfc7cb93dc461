#include "group/deadlines.h"

#include "env/rng.h"
#include "test.h"

#define COUNT 64

static int64_t earliest(const struct deadline *all)
{
	int64_t least = INT64_MAX;
	for (int i = 0; i < COUNT; i++) {
		if (deadline_is_set(&all[i]))
			least = mr_min_i64(least, all[i].due_ms);
	}
	return least;
}

/* Against a plain search: set, move, clear and take in any order. */
TEST(deadlines_come_in_order)
{
	struct mr_rng rng;
	rng_seed(&rng, 7);
	struct deadline all[COUNT] = {0};
	struct deadlines heap = {0};
	for (int round = 0; round < test_rounds(20000); round++) {
		struct deadline *one = &all[rng_below(&rng, COUNT)];
		uint64_t what = rng_below(&rng, 4);
		if (what < 2) {
			deadline_set(&heap, one, (int64_t)rng_below(&rng, 1000));
		} else if (what == 2) {
			deadline_clear(&heap, one);
			CHECK(!deadline_is_set(one));
		} else {
			int64_t now = (int64_t)rng_below(&rng, 1000), least = earliest(all);
			struct deadline *due = deadlines_take(&heap, now);
			CHECK_INT(due != NULL, least <= now);
			if (due) {
				CHECK_INT(due->due_ms, least);
				CHECK(!deadline_is_set(due));
			}
		}
		CHECK_INT(deadlines_next(&heap), earliest(all));
	}
	deadlines_release(&heap);
}
