/* A mount over a folder store: what delta/ asks of a disk, and what then is in the bucket. */
#include "base/mem.h"
#include "store/mount.h"
#include "test.h"

#include <stdlib.h>

struct bench {
	struct env env;
	char *bucket, *mirror;
	int opened;
};

static int open_bucket(void *arg, const char *bucket, struct store **out, struct mr_error *err)
{
	struct bench *b = arg;
	(void)err;
	b->opened++;
	*out = store_folder_new(env_linux(), test_path("%s/%s", b->bucket, bucket));
	return 0;
}

static void begin(struct bench *b, int64_t cache_bytes)
{
	*b = (struct bench){.env = *env_linux()};
	b->bucket = test_path("%s/remote", test_folder());
	b->mirror = test_path("%s/mirror", test_folder());
	struct mount_options options = {env_linux(), b->mirror, cache_bytes, open_bucket, b};
	b->env.disk = mount_new(&options);
}

static char *located(struct bench *b, const char *uri)
{
	struct mr_error err = {0};
	char *path;
	CHECK_OK(disk_locate(b->env.disk, mr_str_from(uri), &path, &err), err);
	char *copy = test_path("%s", path);
	free(path);
	return copy;
}

static void write_file(struct bench *b, const char *path, const char *text, bool sync)
{
	struct mr_error err = {0};
	struct mr_file *file;
	CHECK_OK(disk_open(b->env.disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, &err), err);
	CHECK_OK(file_write_at(file, text, strlen(text), 0, &err), err);
	if (sync)
		CHECK_OK(file_sync(file, &err), err);
	file_close(file);
}

static void check_text(struct mr_disk *disk, const char *path, const char *want)
{
	struct mr_error err = {0};
	struct mr_buf text = {0};
	CHECK_OK(disk_read_file(disk, path, 1000, &text, &err), err);
	CHECK_STR(mr_buf_view(&text), want);
	mr_buf_release(&text);
}

TEST(mount_commits_by_put_if_absent)
{
	struct bench b;
	struct mr_error err = {0};
	begin(&b, 1 << 20);
	char *table = located(&b, "s3://bucket/t/");
	CHECK_STR(mr_str_from(table), test_path("%s/s3/bucket/t", b.mirror));
	char *temporary = test_path("%s/_delta_log/.0.json.x.tmp", table);
	char *commit = test_path("%s/_delta_log/0.json", table);
	char *object = test_path("%s/bucket/t/_delta_log/0.json", b.bucket);
	write_file(&b, temporary, "first", true);
	CHECK(!disk_exists(env_linux()->disk, test_path("%s/bucket/t", b.bucket)));
	CHECK_OK(disk_link(b.env.disk, temporary, commit, &err), err);
	check_text(env_linux()->disk, object, "first");
	write_file(&b, temporary, "second", true);
	CHECK_INT(disk_link(b.env.disk, temporary, commit, &err), MR_ERR_EXISTS);
	check_text(b.env.disk, commit, "first");
	CHECK_OK(disk_unlink(b.env.disk, temporary, &err), err);
	/* Another program's change is seen: a name without a UUID is asked for anew. */
	CHECK_OK(disk_replace_file(env_linux()->disk, object, MR_STR("theirs"), &err), err);
	check_text(b.env.disk, commit, "theirs");
	CHECK_OK(disk_unlink(b.env.disk, commit, &err), err);
	CHECK(!disk_exists(env_linux()->disk, object));
	CHECK(!disk_exists(b.env.disk, commit));
	CHECK_INT(b.opened, 1);
	mount_free(b.env.disk);
}

static int count_names(void *arg, const char *name, const struct file_info *info)
{
	mr_buf_printf(arg, "%s%s ", name, info->is_dir ? "/" : "");
	return 0;
}

TEST(mount_uploads_at_sync_and_rename_and_lists_the_store)
{
	struct bench b;
	struct mr_error err = {0};
	struct mr_buf names = {0};
	begin(&b, 1 << 20);
	char *table = located(&b, "s3a://bucket/deep/t");
	char *data = test_path("%s/p=1/part-0-0f8fad5b-d9cb-469f-a165-70867728950e.parquet", table);
	char *object =
	    test_path("%s/bucket/deep/t/p=1/part-0-0f8fad5b-d9cb-469f-a165-70867728950e.parquet", b.bucket);
	CHECK_INT(disk_list(b.env.disk, table, count_names, &names, &err), MR_ERR_NOT_FOUND);
	write_file(&b, data, "rows", false);
	CHECK(!disk_exists(env_linux()->disk, object));
	write_file(&b, data, "rows", true);
	check_text(env_linux()->disk, object, "rows");
	CHECK_OK(disk_replace_file(b.env.disk, test_path("%s/_last_checkpoint", table), MR_STR("{}"), &err),
		 err);
	check_text(env_linux()->disk, test_path("%s/bucket/deep/t/_last_checkpoint", b.bucket), "{}");
	CHECK_OK(disk_list(b.env.disk, test_path("%s/", table), count_names, &names, &err), err);
	CHECK_STR(mr_buf_view(&names), "_last_checkpoint p=1/ ");
	/* The copy of a name with a UUID is used without a question; without it the object comes back. */
	CHECK_OK(disk_unlink(env_linux()->disk, data, &err), err);
	CHECK_OK(disk_fetch(b.env.disk, data, &err), err);
	check_text(env_linux()->disk, data, "rows");
	CHECK_OK(disk_unlink(env_linux()->disk, object, &err), err);
	CHECK_OK(disk_fetch(b.env.disk, data, &err), err);
	check_text(b.env.disk, data, "rows");
	mr_buf_release(&names);
	mount_free(b.env.disk);
}

TEST(mount_refuses_other_stores_and_ways_out_of_a_bucket)
{
	struct bench b;
	struct mr_error err = {0};
	char *path;
	begin(&b, 1 << 20);
	CHECK_INT(disk_locate(b.env.disk, MR_STR("abfss://c@a.dfs.core.windows.net/t"), &path, &err),
		  MR_ERR_UNSUPPORTED);
	CHECK(strstr(err.message, "Azure") && strstr(err.hint, "s3://"));
	CHECK_INT(disk_locate(b.env.disk, MR_STR("gs://bucket/t"), &path, &err), MR_ERR_UNSUPPORTED);
	CHECK(strstr(err.message, "Google"));
	CHECK_INT(disk_locate(b.env.disk, MR_STR("s3://bucket"), &path, &err), MR_ERR_INVALID);
	CHECK_INT(disk_locate(b.env.disk, MR_STR("s3://bucket/../../etc"), &path, &err), MR_ERR_INVALID);
	char *name = disk_name(b.env.disk, test_path("%s/s3/bucket/t", b.mirror));
	CHECK_STR(mr_str_from(name), "s3://bucket/t");
	free(name);
	name = disk_name(b.env.disk, "/data/t");
	CHECK_STR(mr_str_from(name), "/data/t");
	free(name);
	char *plain = test_path("%s/plain", test_folder());
	write_file(&b, plain, "of this disk", true);
	check_text(env_linux()->disk, plain, "of this disk");
	mount_free(b.env.disk);
}

static bool keep_new(void *arg, const char *path, const struct file_info *info)
{
	(void)info;
	return strcmp(path, arg) == 0;
}

TEST(mirror_keeps_its_size_and_what_is_in_use)
{
	struct mr_error err = {0};
	struct mr_disk *disk = env_linux()->disk;
	char *root = test_path("%s/m", test_folder()), *used = test_path("%s/a/0", root);
	CHECK_OK(disk_mkdir_all(disk, test_path("%s/a", root), &err), err);
	for (int i = 0; i < 10; i++)
		CHECK_OK(disk_replace_file(disk, test_path("%s/a/%d", root, i), MR_STR("0123456789"), &err),
			 err);
	mirror_trim(env_linux(), root, 35, keep_new, used);
	struct mr_buf names = {0};
	CHECK_OK(disk_list(disk, test_path("%s/a", root), count_names, &names, &err), err);
	CHECK_INT(names.len, 6); /* three names of "N " */
	CHECK(disk_exists(disk, used));
	mr_buf_release(&names);
}

TEST(mirror_knows_what_never_changes)
{
	CHECK(
	    mirror_is_unique(MR_STR("part-00000-d306c484-821f-45ed-a75b-359c752da684.c000.snappy.parquet")));
	CHECK(mirror_is_unique(MR_STR("deletion_vector_d306c484-821f-45ed-a75b-359c752da684.bin")));
	CHECK(mirror_is_unique(MR_STR("abcd306c484-821f-45ed-a75b-359c752da684")));
	CHECK(!mirror_is_unique(MR_STR("00000000000000000010.checkpoint.parquet")));
	CHECK(!mirror_is_unique(MR_STR("part-00000-d306c484-821f-45ed-a75b-359c752da68.parquet")));
	CHECK(!mirror_is_unique(MR_STR("_last_checkpoint")));
}
