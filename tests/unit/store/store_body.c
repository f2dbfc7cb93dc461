#include "store_body.h"

#include "base/mem.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BIG_BYTES ((size_t)20 << 20)

struct seen {
	struct mr_buf text;
};

static int see(void *arg, mr_str key, const struct store_info *info)
{
	struct seen *seen = arg;
	mr_buf_printf(&seen->text, "%.*s=%lld ", MR_FMT(key), info->is_prefix ? -1 : (long long)info->size);
	return 0;
}

static void check_listing(struct store *store, const char *prefix, const char *after, const char *want)
{
	struct mr_error err = {0};
	struct seen seen = {0};
	CHECK_OK(store_list(store, prefix, after, see, &seen, &err), err);
	CHECK_STR(mr_buf_view(&seen.text), want);
	mr_buf_release(&seen.text);
}

static void check_big(const struct env *env, struct store *store, const char *key)
{
	struct mr_error err = {0};
	char *from = test_path("%s/from", test_folder()), *to = test_path("%s/to", test_folder());
	struct mr_buf bytes = {0}, back = {0};
	mr_buf_reserve(&bytes, BIG_BYTES);
	for (size_t i = 0; i < BIG_BYTES / 8; i++) {
		uint64_t word = i * 0x9E3779B97F4A7C15u;
		mr_buf_append(&bytes, &word, 8);
	}
	CHECK_OK(disk_replace_file(env->disk, from, mr_buf_view(&bytes), &err), err);
	CHECK_OK(store_upload(store, key, env->disk, from, &err), err);
	CHECK_OK(store_download(store, key, env->disk, to, &err), err);
	CHECK_OK(disk_read_file(env->disk, to, BIG_BYTES + 1, &back, &err), err);
	CHECK(mr_str_eq(mr_buf_view(&back), mr_buf_view(&bytes)));
	mr_buf_release(&bytes);
	mr_buf_release(&back);
}

void store_body(const struct env *env, struct store *store, const char *prefix)
{
	struct mr_error err = {0};
	struct mr_buf out = {0};
	struct store_info info;
	char *a = test_path("%sa b+c=%%41.json", prefix), *b = test_path("%sx/y\xc3\xa9.json", prefix);
	char *big = test_path("%sz.bin", prefix), *folder = test_path("%sx/", prefix);
	CHECK_INT(store_get(store, a, 0, 10, &out, &err), MR_ERR_NOT_FOUND);
	CHECK_INT(store_head(store, a, &info, &err), MR_ERR_NOT_FOUND);
	check_listing(store, prefix, NULL, "");
	CHECK_OK(store_put_if_absent(store, a, MR_STR("first"), &err), err);
	CHECK_INT(store_put_if_absent(store, a, MR_STR("second"), &err), MR_ERR_EXISTS);
	CHECK_OK(store_get(store, a, 0, 100, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "first");
	CHECK_OK(store_get(store, a, 2, 2, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "firstrs");
	CHECK_OK(store_get(store, a, 5, 2, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "firstrs");
	CHECK_OK(store_head(store, a, &info, &err), err);
	CHECK_INT(info.size, 5);
	CHECK(info.mtime_ms > 1600000000000);
	CHECK_OK(store_put(store, a, MR_STR("third one"), &err), err);
	CHECK_OK(store_put(store, b, MR_STR(""), &err), err);
	check_big(env, store, big);
	check_listing(store, prefix, NULL, test_path("%s=9 %s=-1 %s=%zu ", a, folder, big, BIG_BYTES));
	check_listing(store, prefix, a, test_path("%s=-1 %s=%zu ", folder, big, BIG_BYTES));
	check_listing(store, folder, NULL, test_path("%s=0 ", b));
	CHECK_OK(store_remove(store, a, &err), err);
	CHECK_OK(store_remove(store, a, &err), err);
	CHECK_OK(store_remove(store, b, &err), err);
	CHECK_OK(store_remove(store, big, &err), err);
	CHECK_INT(store_head(store, a, &info, &err), MR_ERR_NOT_FOUND);
	mr_buf_release(&out);
}

/* ---- a race ---- */

#define RACERS 8
#define RACE_KEYS 40

struct race {
	struct store *store;
	const char *prefix;
	_Atomic int winner[RACE_KEYS]; /* a racer's number + 1 */
	_Atomic int faults;
};

struct racer {
	struct race *race;
	int number;
	pthread_t thread;
};

static void *run_racer(void *arg)
{
	struct racer *racer = arg;
	struct race *race = racer->race;
	for (int i = 0; i < RACE_KEYS; i++) {
		struct mr_error err = {0};
		char *key = mr_asprintf("%s%03d", race->prefix, i);
		char *bytes = mr_asprintf("racer %d", racer->number);
		int none = 0, rc = store_put_if_absent(race->store, key, mr_str_from(bytes), &err);
		if (rc == 0 && !atomic_compare_exchange_strong(&race->winner[i], &none, racer->number + 1))
			race->faults++;
		if (rc < 0 && rc != MR_ERR_EXISTS)
			race->faults++;
		free(key);
		free(bytes);
	}
	return NULL;
}

void store_race_body(struct store *store, const char *prefix)
{
	struct race race = {.store = store, .prefix = prefix};
	struct racer racers[RACERS];
	struct mr_error err = {0};
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){.race = &race, .number = i};
		CHECK_INT(pthread_create(&racers[i].thread, NULL, run_racer, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++)
		pthread_join(racers[i].thread, NULL);
	CHECK_INT(race.faults, 0);
	for (int i = 0; i < RACE_KEYS; i++) {
		struct mr_buf bytes = {0};
		CHECK(race.winner[i] > 0);
		CHECK_OK(store_get(store, test_path("%s%03d", prefix, i), 0, 100, &bytes, &err), err);
		CHECK_STR(mr_buf_view(&bytes), test_path("racer %d", race.winner[i] - 1));
		mr_buf_release(&bytes);
	}
}
