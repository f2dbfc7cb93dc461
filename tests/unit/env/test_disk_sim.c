/* The simulated disk keeps the promises of env/disk.h and none beyond them. */
#include "test.h"

#include "base/buf.h"
#include "env/disk_sim.h"

#include <stdlib.h>

static struct mr_file *create(struct mr_disk *disk, const char *path, const char *text)
{
	struct mr_error err;
	struct mr_file *file;
	CHECK_OK(disk_open(disk, path, FILE_WRITE | FILE_CREATE, &file, &err), err);
	CHECK_OK(file_write_at(file, text, strlen(text), 0, &err), err);
	return file;
}

static bool holds(struct mr_disk *disk, const char *path, const char *want)
{
	struct mr_buf bytes = {0};
	bool same =
	    disk_read_file(disk, path, 1 << 20, &bytes, NULL) == 0 && mr_str_is(mr_buf_view(&bytes), want);
	mr_buf_release(&bytes);
	return same;
}

TEST(sim_disk_keeps_what_is_synced_with_others)
{
	struct mr_error err;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct mr_disk *disk = sim_disk_new(seed);
		CHECK_OK(disk_mkdir_all(disk, "/a", &err), err);
		file_close(create(disk, "/a/one", "1"));
		file_close(create(disk, "/a/two", "2"));
		const struct disk_sync items[] = {{"/a/one", false}, {"/a/two", false}, {"/a", true}};
		CHECK_OK(disk_sync_all(disk, items, MR_COUNT(items), &err), err);
		CHECK_INT(sim_disk_syncs(disk), 2);
		sim_disk_crash(disk);
		CHECK(holds(disk, "/a/one", "1"));
		CHECK(holds(disk, "/a/two", "2"));
		sim_disk_fail_sync(disk, 2);
		CHECK_INT(disk_sync_all(disk, items, MR_COUNT(items), &err), MR_ERR_IO);
		CHECK(strstr(err.message, "/a/two") != NULL);
		sim_disk_free(disk);
	}
}

TEST(sim_disk_keeps_what_is_synced)
{
	struct mr_error err;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct mr_disk *disk = sim_disk_new(seed);
		CHECK_OK(disk_mkdir_all(disk, "/a/b", &err), err);
		struct mr_file *file = create(disk, "/a/b/f", "hello");
		CHECK_OK(file_sync(file, &err), err);
		CHECK_OK(disk_sync_dir(disk, "/a/b", &err), err);
		CHECK_OK(file_write_at(file, "J", 1, 0, &err), err);
		file_close(file);
		sim_disk_crash(disk);
		CHECK(holds(disk, "a/b/f", "hello") || holds(disk, "a/b/f", "Jello"));
		CHECK_OK(disk_replace_file(disk, "/a/b/f", MR_STR("second"), &err), err);
		sim_disk_crash(disk);
		CHECK(holds(disk, "/a/b/f", "second"));
		CHECK_OK(disk_unlink(disk, "/a/b/f", &err), err);
		CHECK_OK(disk_sync_dir(disk, "/a/b", &err), err);
		sim_disk_crash(disk);
		CHECK(!disk_exists(disk, "/a/b/f"));
		sim_disk_free(disk);
	}
}

TEST(sim_disk_loses_what_is_not)
{
	struct mr_error err;
	char old[401] = {0}, new[401] = {0};
	memset(old, 'o', 400);
	memset(new, 'n', 400);
	int name_lost = 0, bytes_lost = 0, bytes_kept = 0, torn = 0, unlink_undone = 0;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct mr_disk *disk = sim_disk_new(seed);
		file_close(create(disk, "unnamed", "x"));
		struct mr_file *file = create(disk, "f", old);
		CHECK_OK(file_sync(file, &err), err);
		file_close(create(disk, "u", "x"));
		CHECK_OK(disk_sync_dir(disk, "/", &err), err);
		CHECK_OK(file_write_at(file, new, 400, 0, &err), err);
		CHECK_OK(disk_unlink(disk, "u", &err), err);
		file_close(create(disk, "late", "x"));
		file_close(file);
		sim_disk_crash(disk);
		name_lost += !disk_exists(disk, "late");
		unlink_undone += disk_exists(disk, "u");
		bool kept = holds(disk, "f", new), lost = holds(disk, "f", old);
		bytes_lost += lost;
		bytes_kept += kept;
		torn += !kept && !lost;
		sim_disk_free(disk);
	}
	CHECK(name_lost > 20 && unlink_undone > 20 && bytes_lost > 20 && bytes_kept > 20 && torn > 20);
}

TEST(sim_disk_fills_and_fails)
{
	struct mr_error err;
	struct mr_disk *disk = sim_disk_new(1);
	sim_disk_set_space(disk, 4);
	struct mr_file *file;
	CHECK_OK(disk_open(disk, "f", FILE_WRITE | FILE_CREATE, &file, &err), err);
	CHECK_INT(file_write_at(file, "hello", 5, 0, &err), MR_ERR_NO_SPACE);
	CHECK(holds(disk, "f", "hell"));
	sim_disk_set_space(disk, -1);
	CHECK_OK(file_write_at(file, "hello", 5, 0, &err), err);
	CHECK_OK(disk_sync_dir(disk, "/", &err), err);
	sim_disk_fail_sync(disk, 2);
	CHECK_OK(file_sync(file, &err), err);
	CHECK_INT(file_sync(file, &err), MR_ERR_IO);
	CHECK_OK(file_sync(file, &err), err);
	CHECK_OK(sim_disk_flip(disk, "f", 0, 0, &err), err);
	CHECK(holds(disk, "f", "iello"));
	file_close(file);
	sim_disk_free(disk);
}

/* Linux marks pages clean that a failed sync could not write. */
TEST(sim_disk_sync_after_failure_proves_nothing)
{
	struct mr_error err;
	int lost = 0;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct mr_disk *disk = sim_disk_new(seed);
		struct mr_file *file = create(disk, "f", "old");
		CHECK_OK(file_sync(file, &err), err);
		CHECK_OK(disk_sync_dir(disk, "/", &err), err);
		CHECK_OK(file_write_at(file, "new", 3, 0, &err), err);
		sim_disk_fail_sync(disk, 1);
		CHECK_INT(file_sync(file, &err), MR_ERR_IO);
		CHECK_OK(file_sync(file, &err), err);
		file_close(file);
		sim_disk_crash(disk);
		lost += holds(disk, "f", "old");
		sim_disk_free(disk);
	}
	CHECK(lost > 5);
}
