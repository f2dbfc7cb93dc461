/* Paths as a file_set keeps them: what goes in comes out, and equal paths alone are equal. */
#include "test.h"

#include "delta/internal.h"
#include "env/env.h"

static mr_str piece(struct mr_rng *rng, struct arena *arena)
{
	static const char *const fixed[] = {"",
					    "part-00007-",
					    "day=2024-01-31/",
					    "a/b/",
					    ".c000.snappy.parquet",
					    "\x01\x02\x03",
					    "ABCDEF00ABCDEF00ABCDEF00ABCDEF00",
					    "0123456789abcdef0123456789abcdef0",
					    "00000000-0000-0000-0000-00000000000",
					    "é/",
					    "/",
					    "-"};
	char uuid[37];
	rng_uuid(rng, uuid);
	switch (rng_below(rng, 4)) {
	case 0:
		return arena_printf(arena, "%s", uuid);
	case 1:
		return arena_printf(arena, "%016llx%016llx", (unsigned long long)rng_next(rng),
				    (unsigned long long)rng_next(rng));
	default:
		return mr_str_from(fixed[rng_below(rng, MR_COUNT(fixed))]);
	}
}

static mr_str any_path(struct mr_rng *rng, struct arena *arena)
{
	mr_str path = arena_printf(arena, "x%llu", (unsigned long long)rng_below(rng, 300));
	for (uint64_t n = rng_below(rng, 6); n; n--) {
		mr_str next = piece(rng, arena);
		path = arena_printf(arena, "%.*s%.*s", MR_FMT(path), MR_FMT(next));
	}
	return path;
}

TEST(paths_come_out_of_a_set_as_they_went_in)
{
	struct mr_rng rng;
	struct arena arena = {0};
	struct live_files live = {0};
	struct file_set *set = delta_file_set_new();
	struct mr_map seen = {0};
	rng_seed(&rng, 7);
	for (size_t i = 0; i < 20000; i++) {
		mr_str path = any_path(&rng, &arena);
		/* What was not put is not found, before its words are known and after. */
		struct file_entry *there = delta_live_get(&live, set, path);
		CHECK_INT(there != NULL, mr_map_get(&seen, path) != NULL);
		struct file_entry *entry = delta_file_set_add(set);
		delta_path_keep(set, entry, path);
		CHECK(delta_live_put(&live, set, set->count - 1) == there);
		mr_map_put(&seen, path, set);
		CHECK(mr_str_eq(delta_file_path(set, entry, &arena), path));
		CHECK(delta_live_get(&live, set, path) == entry);
		CHECK(delta_live_same(&live, set, entry) == entry);
		if (i % 7 == 0) {
			delta_live_remove(&live, set, entry);
			mr_map_remove(&seen, path);
		}
	}
	mr_map_release(&seen);
	delta_live_release(&live);
	delta_file_set_unref(set);
	arena_release(&arena);
}

/* More folders than a set has words for: those that come later are kept as they are. */
TEST(a_set_takes_so_many_words_and_no_more)
{
	struct arena arena = {0};
	struct live_files live = {0};
	struct file_set *set = delta_file_set_new();
	size_t count = FILE_WORDS_MAX + 500;
	for (size_t i = 0; i < count; i++) {
		struct file_entry *entry = delta_file_set_add(set);
		delta_path_keep(set, entry, arena_printf(&arena, "folder=%zu/f", i));
		CHECK(!delta_live_put(&live, set, i));
	}
	CHECK_INT(set->word_count, FILE_WORDS_MAX);
	for (size_t i = 0; i < count; i += 97) {
		arena_reset(&arena);
		mr_str path = arena_printf(&arena, "folder=%zu/f", i);
		CHECK(delta_live_get(&live, set, path) == delta_file_set_at(set, i));
		CHECK(mr_str_eq(delta_file_path(set, delta_file_set_at(set, i), &arena), path));
	}
	CHECK(!delta_live_get(&live, set, MR_STR("folder=99999999/f")));
	delta_live_release(&live);
	delta_file_set_unref(set);
	arena_release(&arena);
}

/* The figure that files.c gives for a table of a million files. */
TEST(a_usual_path_takes_few_bytes)
{
	struct file_set *set = delta_file_set_new();
	struct file_entry *entry = delta_file_set_add(set);
	delta_path_keep(
	    set, entry,
	    MR_STR("day=2024-01-31/part-00007-0a1b2c3d-0000-4000-8000-00000000ffff.c000.snappy.parquet"));
	CHECK_INT(delta_file_packed(entry).len, 2 + strlen("part-00007-") + 17 + 2);
	delta_file_set_unref(set);
}
