/* tests/fuzz/fuzz.h - one target for each decoder of what comes from outside.
 *
 * A target feeds bytes to a decoder; the sanitizers and its CHECKs judge. The targets stand in
 * fuzz.def, each in a fuzz_<subject>.c. Two programs use them:
 *   fuzz_replay.c  a test for each target in the ordinary run: its seeds, its corpus, and mutations of
 *                  both from a seed (MR_TEST_SCALE=100 for many)
 *   fuzz_main.c    libFuzzer: make fuzz T=<target> SECONDS=600
 *
 * Seeds are written by the target (its own writers know the formats best), files are what people or
 * the fuzzer found: tests/fuzz/corpus/<target>/, or tests/<files> where a target says so.
 * State is the target's own and may be used again for the next input, as a server's is.
 */
#pragma once

#include "base/buf.h"
#include "test.h"

struct fuzz_target {
	const char *name;
	int rounds;               /* mutations in an ordinary run */
	const char *files;        /* a folder below tests/ with inputs, beside the corpus; NULL: none */
	const char *const *texts; /* seeds, NULL-terminated; NULL: none */
	/* The nth seed appended to out; false when there are no more. NULL: none. */
	bool (*seed)(void *state, size_t n, struct mr_buf *out);
	void *(*start)(void); /* NULL: no state */
	void (*feed)(void *state, mr_str input);
	void (*stop)(void *state);
};

#define FUZZ(target_name) extern const struct fuzz_target fuzz_##target_name;
#include "fuzz.def"
#undef FUZZ

/* Every seed and file of a target, one after the other. */
void fuzz_each_seed(const struct fuzz_target *target, void *state, void (*fn)(void *arg, mr_str seed),
		    void *arg);
