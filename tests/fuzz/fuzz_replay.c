/* Every fuzz target with its seeds, its corpus and mutations of them from a seed. The input is copied
 * to a block of its exact size, so that a read past its end is seen. */
#include "fuzz.h"

#include "base/mem.h"
#include "base/vec.h"
#include "env/rng.h"

#include <stdlib.h>

#define SEED 20260101

struct corpus {
	MR_VEC(struct mr_buf) inputs;
};

static void keep(void *arg, mr_str seed)
{
	struct corpus *corpus = arg;
	struct mr_buf copy = {0};
	mr_buf_str(&copy, seed);
	mr_vec_push(&corpus->inputs, copy);
}

static mr_str any_input(const struct corpus *corpus, struct mr_rng *rng)
{
	return mr_buf_view(&corpus->inputs.items[rng_below(rng, corpus->inputs.len)]);
}

/* One to four edits: a byte changed, a bit flipped, a part cut out, doubled, or taken from another. */
static void mutate(struct mr_buf *out, const struct corpus *corpus, struct mr_rng *rng)
{
	mr_buf_clear(out);
	mr_buf_str(out, any_input(corpus, rng));
	for (uint64_t edits = 1 + rng_below(rng, 4); edits && out->len; edits--) {
		size_t at = rng_below(rng, out->len);
		size_t len = 1 + rng_below(rng, mr_min_size(out->len - at, 64));
		mr_str other = any_input(corpus, rng);
		struct mr_buf tail = {0};
		switch (rng_below(rng, 5)) {
		case 0:
			out->ptr[at] = (char)rng_next(rng);
			break;
		case 1:
			out->ptr[at] ^= (char)(1 << rng_below(rng, 8));
			break;
		case 2:
			memmove(out->ptr + at, out->ptr + at + len, out->len - at - len);
			out->len -= len;
			break;
		case 3:
			mr_buf_append(&tail, out->ptr + at, out->len - at);
			mr_buf_str(out, mr_buf_view(&tail));
			break;
		default:
			for (size_t i = 0; i < len && at < other.len; i++, at++)
				if (at < out->len)
					out->ptr[at] = other.ptr[at];
		}
		mr_buf_release(&tail);
	}
}

static void feed_exact(const struct fuzz_target *target, void *state, mr_str input)
{
	char *exact = mr_alloc(input.len ? input.len : 1);
	if (input.len)
		memcpy(exact, input.ptr, input.len);
	target->feed(state, mr_str_n(exact, input.len));
	free(exact);
}

static void replay(const struct fuzz_target *target)
{
	struct corpus corpus = {0};
	struct mr_rng rng;
	struct mr_buf input = {0};
	void *state = target->start ? target->start() : NULL;
	rng_seed(&rng, SEED);
	fuzz_each_seed(target, state, keep, &corpus);
	CHECK(corpus.inputs.len > 0);
	for (size_t i = 0; i < corpus.inputs.len; i++)
		feed_exact(target, state, mr_buf_view(&corpus.inputs.items[i]));
	for (int i = test_rounds(target->rounds); i > 0; i--) {
		mutate(&input, &corpus, &rng);
		feed_exact(target, state, mr_buf_view(&input));
	}
	if (target->stop)
		target->stop(state);
	mr_buf_release(&input);
	for (size_t i = 0; i < corpus.inputs.len; i++)
		mr_buf_release(&corpus.inputs.items[i]);
	mr_vec_release(&corpus.inputs);
}

#define FUZZ(target_name) \
	TEST(fuzz_##target_name) \
	{ \
		replay(&fuzz_##target_name); \
	}
#include "fuzz.def"
#undef FUZZ
