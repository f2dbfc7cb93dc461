#include "auth/quota.h"
#include "test.h"

#define SECOND 1000000

static void put(struct quota_set *set, const char *user, const char *client, double rate)
{
	struct mr_error err;
	struct quota_entity entity = {
	    .user_part = !user   ? QUOTA_ABSENT
			 : *user ? QUOTA_NAMED
				 : QUOTA_DEFAULT,
	    .client_part = !client   ? QUOTA_ABSENT
			   : *client ? QUOTA_NAMED
				     : QUOTA_DEFAULT,
	    .user = mr_str_from(user),
	    .client = mr_str_from(client),
	};
	CHECK_OK(quota_put(set, &entity, QUOTA_PRODUCE, rate, &err), err);
}

static int take(struct quota_set *set, const char *user, const char *client, size_t bytes, int64_t now)
{
	return quota_take(set, QUOTA_PRODUCE, mr_str_from(user), mr_str_from(client), bytes, now);
}

TEST(quota_throttles_to_its_rate)
{
	struct quota_set set = {0};
	CHECK_INT(take(&set, "a", "c", 1 << 30, 0), 0);
	put(&set, "a", NULL, 1000);
	CHECK_INT(take(&set, "a", "c", 1000, 0), 0);    /* the second's worth that is there */
	CHECK_INT(take(&set, "a", "d", 500, 0), 500);   /* another client of the same user shares it */
	CHECK_INT(take(&set, "b", "c", 1 << 30, 0), 0); /* not his */
	CHECK_INT(take(&set, "a", "c", 0, SECOND / 2), 0);
	CHECK_INT(take(&set, "a", "c", 1, SECOND / 2), 1);
	/* Over a long run what is taken, with the waits, is the rate. */
	int64_t now = SECOND, taken = 0;
	while (now < 101 * SECOND) {
		now += 1000 * (int64_t)take(&set, "a", "c", 700, now);
		taken += 700;
	}
	CHECK(taken > 99000 && taken < 103000);
	CHECK_INT(take(&set, "a", "c", 1 << 30, now), QUOTA_THROTTLE_MS_MAX);
	quota_set_release(&set);
}

TEST(quota_most_specific_wins)
{
	struct quota_set set = {0};
	put(&set, NULL, "", 10);
	CHECK_INT(take(&set, "a", "c", 20, 0), 1000);
	put(&set, NULL, "c", 100);
	CHECK_INT(take(&set, "a", "c", 120, 0), 200);
	put(&set, "", NULL, 1000);
	CHECK_INT(take(&set, "a", "c", 1100, 0), 100);
	CHECK_INT(take(&set, "b", "c", 1000, 0), 0); /* each user has his own under a default */
	put(&set, "a", "", 2000);
	CHECK_INT(take(&set, "a", "c", 2200, 0), 100);
	put(&set, "a", "c", 1 << 20);
	CHECK_INT(take(&set, "a", "c", 2200, 0), 0);
	put(&set, "a", "c", 0); /* removed */
	CHECK_INT(take(&set, "a", "c", 2200, 0), 100);
	CHECK_INT(set.items.len, 4);
	quota_set_release(&set);
}

TEST(quota_refuses_what_is_none)
{
	struct quota_set set = {0};
	struct quota_entity none = {0}, user = {.user_part = QUOTA_DEFAULT};
	CHECK_INT(quota_put(&set, &none, QUOTA_PRODUCE, 1, NULL), MR_ERR_INVALID);
	CHECK_INT(quota_put(&set, &user, QUOTA_PRODUCE, -1, NULL), MR_ERR_INVALID);
	CHECK_INT(quota_put(&set, &user, QUOTA_PRODUCE, 1.0 / 0.0, NULL), MR_ERR_INVALID);
	CHECK_INT(quota_put(&set, &user, QUOTA_PRODUCE, 0, NULL), 0);
	CHECK_INT(set.items.len, 0);
	CHECK_INT(quota_key_of(MR_STR("consumer_byte_rate")), QUOTA_CONSUME);
	CHECK_INT(quota_key_of(MR_STR("request_percentage")), -1);
	quota_set_release(&set);
}
