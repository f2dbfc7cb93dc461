/* The journal by itself: its files grow by doubling, and a replay tells what was synced. The rest of its
 * promises are held by the power cuts in tests/sim. */
#include "log/journal.h"

#include "base/mem.h"
#include "log_kit.h"

#define MIB ((int64_t)1 << 20)

static int64_t file_bytes(const char *dir, int which)
{
	struct file_info info = {0};
	struct mr_error err;
	CHECK_OK(disk_stat(env_linux()->disk, test_path("%s/%d.wal", dir, which), &info, &err), err);
	return info.size;
}

static void add(struct journal *journal, int64_t position, mr_str bytes)
{
	struct mr_error err;
	struct journal_entry entry = {.partition = 3, .position = position, .bytes = bytes};
	CHECK_OK(journal_add(journal, &entry, &err), err);
	CHECK_OK(journal_sync(journal, &err), err);
}

TEST(journal_files_double_up_to_steps_of_4_mib)
{
	struct mr_error err;
	struct journal *journal;
	const char *dir = test_folder();
	CHECK_OK(journal_open(env_linux(), dir, 64 * MIB, &journal, &err), err);
	CHECK_OK(journal_start(journal, true, &err), err);
	int64_t size = file_bytes(dir, 1), grown = 0;
	CHECK_INT(size, 64 << 10); /* what a first start waits for */
	CHECK_INT(file_bytes(dir, 0), 0);
	char *bytes = mr_calloc(1, 100000);
	for (int64_t position = 0; position < 19 * MIB; position += 100000) {
		add(journal, position, mr_str_n(bytes, 100000));
		int64_t now = file_bytes(dir, 1);
		if (now != size) {
			CHECK(now - size <= 4 * MIB && (now == 2 * size || now % (4 * MIB) == 0));
			grown++;
		}
		size = now;
		CHECK(size > position);
	}
	CHECK_INT(grown, 10); /* 128 KiB, … 4 MiB, then 8, 12, 16, 20 */
	free(bytes);
	journal_close(journal);
}

/* What a round does not wait for: a file that its use filled doubles before the next one. */
TEST(journal_grows_while_the_other_file_is_written)
{
	struct mr_error err;
	struct journal *journal;
	const char *dir = test_folder();
	char *bytes = mr_calloc(1, 100000);
	CHECK_OK(journal_open(env_linux(), dir, 16 * MIB, &journal, &err), err);
	CHECK_OK(journal_start(journal, true, &err), err);
	CHECK(journal_has_room(journal, 1, 15 * MIB)); /* any round, while it is empty */
	int64_t sizes[] = {2 * MIB, 2 * MIB,  4 * MIB,  4 * MIB, 8 * MIB,
			   8 * MIB, 16 * MIB, 16 * MIB, 16 * MIB};
	for (size_t use = 0; use < sizeof sizes / sizeof *sizes; use++) {
		int which = use % 2 == 0;
		int64_t position = 0;
		for (; journal_has_room(journal, 1, 100000); position += 100000)
			add(journal, position, mr_str_n(bytes, 100000));
		CHECK(position > sizes[use] - 250000 && position < sizes[use]);
		CHECK_INT(file_bytes(dir, which), sizes[use]);
		CHECK_OK(journal_start(journal, false, &err), err);
		int rc;
		while ((rc = journal_grow_ahead(journal, &err)) == 1)
			;
		CHECK_OK(rc, err);
		CHECK_INT(file_bytes(dir, which), mr_min_i64(2 * sizes[use], 16 * MIB));
	}
	/* a checkpoint that came for another reason: the file is large enough as it is */
	CHECK_OK(journal_start(journal, false, &err), err);
	CHECK_INT(journal_grow_ahead(journal, &err), 0);
	free(bytes);
	journal_close(journal);
}

struct told {
	int64_t next;
	uint64_t seed;
};

static size_t fill(char bytes[static 8192], uint64_t seed)
{
	struct mr_rng rng;
	rng_seed(&rng, seed);
	size_t len = rng_below(&rng, 8192);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)rng_next(&rng);
	return len;
}

static int look(void *arg, const struct journal_entry *entry, struct mr_error *err)
{
	(void)err;
	struct told *told = arg;
	char bytes[8192];
	size_t len = fill(bytes, told->seed + (uint64_t)told->next);
	CHECK_INT(entry->position, told->next++);
	CHECK_INT(entry->partition, 3);
	CHECK(mr_str_eq(entry->bytes, mr_str_n(bytes, len)));
	return 0;
}

/* Two generations are valid at a time: what came before them is not told again. */
TEST(journal_replays_the_last_two_generations)
{
	enum { ENTRIES = 150 };
	struct mr_error err;
	struct journal *journal;
	const char *dir = test_folder();
	struct told told = {.seed = 7};
	char bytes[8192];
	for (int generation = 0; generation < 5; generation++) {
		CHECK_OK(journal_open(env_linux(), dir, 4 * MIB, &journal, &err), err);
		told.next = mr_max_i64(0, generation - 2) * ENTRIES;
		CHECK_OK(journal_replay(journal, look, &told, &err), err);
		CHECK_INT(told.next, generation * ENTRIES);
		CHECK_OK(journal_start(journal, false, &err), err);
		for (int64_t i = generation * ENTRIES; i < (generation + 1) * ENTRIES; i++)
			add(journal, i, mr_str_n(bytes, fill(bytes, told.seed + (uint64_t)i)));
		journal_close(journal);
	}
}
