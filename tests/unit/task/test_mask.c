#include "task/mask.h"
#include "test.h"

#include "env/rng.h"

#include <stdlib.h>

static void check(const mr_str *secrets, size_t count, const char *text, const char *want)
{
	/* Whatever the pieces, the result is the same. */
	for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
		struct mask mask;
		struct mr_buf out = {0};
		mask_init(&mask, secrets, count);
		for (mr_str rest = mr_str_from(text); rest.len; rest = mr_str_tail(rest, piece))
			mask_feed(&mask, mr_str_n(rest.ptr, mr_min_size(piece, rest.len)), &out);
		mask_end(&mask, &out);
		CHECK_STR(mr_buf_view(&out), want);
		mask_release(&mask);
		mr_buf_release(&out);
	}
}

TEST(mask_hides_secrets_however_they_are_cut)
{
	const mr_str secrets[] = {MR_STR("hunter2"), MR_STR("hunter22long"), MR_STR("abc"),
				  MR_STR("line1\nline2"), MR_STR("aaaaab")};
	check(secrets, 5, "pass=hunter2;", "pass=***;");
	check(secrets, 5, "hunter22lonx hunter22long", "***2lonx ***");
	check(secrets, 5, "abc is too short", "abc is too short");
	check(secrets, 5, "line1\nline2", "***");
	check(secrets, 5, "only line2 here", "only *** here");
	check(secrets, 5, "aaaaaaab", "aa***");
	check(secrets, 5, "hunter", "hunter");
	check(secrets, 0, "hunter2", "hunter2");
}

/* Against the plain way: search the whole text. */
TEST(mask_never_lets_a_secret_through)
{
	struct mr_rng rng;
	rng_seed(&rng, 3);
	for (int round = 0; round < test_rounds(300); round++) {
		char text[200], secret[7];
		for (size_t i = 0; i < sizeof secret; i++)
			secret[i] = (char)('a' + rng_below(&rng, 2));
		for (size_t i = 0; i < sizeof text; i++)
			text[i] = (char)('a' + rng_below(&rng, 2));
		mr_str needle = mr_str_n(secret, 5 + rng_below(&rng, 3));
		struct mask mask;
		struct mr_buf out = {0};
		mask_init(&mask, &needle, 1);
		for (mr_str rest = mr_str_n(text, sizeof text); rest.len;) {
			size_t piece = mr_min_size(1 + rng_below(&rng, 9), rest.len);
			mask_feed(&mask, mr_str_n(rest.ptr, piece), &out);
			rest = mr_str_tail(rest, piece);
		}
		mask_end(&mask, &out);
		CHECK(memmem(out.ptr, out.len, needle.ptr, needle.len) == NULL);
		mask_release(&mask);
		mr_buf_release(&out);
	}
}
