/* One body on every kind of store that needs no server: a folder, and a folder behind faults from seeds. */
#include "base/mem.h"
#include "store_body.h"
#include "test.h"

#include <stdatomic.h>
#include <stdlib.h>

static const struct store_patience quick = {40, 1, 2};

TEST(a_folder_is_a_store)
{
	struct store *store = store_folder_new(env_linux(), test_folder());
	store_body(env_linux(), store, "body/");
	store_race_body(store, "race/");
	store_free(store);
}

TEST(a_store_behind_faults_is_one_from_many_seeds)
{
	const struct store_faults faults = {.before = 150, .lost = 150, .busy = 100, .slow_us = 10};
	for (int seed = 1; seed <= test_rounds(20); seed++) {
		struct store *folder = store_folder_new(env_linux(), test_path("%s/%d", test_folder(), seed));
		struct store *store = store_retry_new(store_faulty_new(folder, (uint64_t)seed, &faults),
						      env_linux()->rng, &quick);
		store_body(env_linux(), store, "body/");
		store_race_body(store, "race/");
		store_free(store);
	}
}

TEST(a_lost_reply_is_not_taken_for_a_win_of_another)
{
	/* Every put has its effect and no reply: the first writer finds its own bytes, the second does not.
	 */
	const struct store_faults faults = {.lost = 400};
	int won = 0, lost = 0;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct mr_error err = {0};
		char *root = test_path("%s/%d", test_folder(), (int)seed);
		struct store *store =
		    store_retry_new(store_faulty_new(store_folder_new(env_linux(), root), seed, &faults),
				    env_linux()->rng, &quick);
		won += store_put_if_absent(store, "k", MR_STR("mine"), &err) == 0;
		lost += store_put_if_absent(store, "k", MR_STR("yours"), &err) == MR_ERR_EXISTS;
		store_free(store);
	}
	CHECK_INT(won, 200);
	CHECK_INT(lost, 200);
}

TEST(patience_has_an_end)
{
	struct mr_error err = {0};
	const struct store_faults faults = {.before = 1000};
	struct store *store =
	    store_retry_new(store_faulty_new(store_folder_new(env_linux(), test_folder()), 1, &faults),
			    env_linux()->rng, &quick);
	CHECK_INT(store_put(store, "k", MR_STR("x"), &err), MR_ERR_UNAVAILABLE);
	store_free(store);
}
