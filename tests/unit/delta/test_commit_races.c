/* What a commit asks of the disk, and what losing a race adds to that: counted on a disk in between. */
#include "delta/delta_fixture.h"

struct watched {
	struct mr_disk disk;
	struct mr_disk_ops ops;
	struct mr_disk *real;
	int staged, links, folder_syncs; /* temporary commit files; syncs of the log's folder */
	struct delta_table *winner;      /* commits before our next links, so many times */
	int wins;
};

static struct watched *watched_of(struct mr_disk *disk)
{
	return (struct watched *)disk;
}

static int w_open(struct mr_disk *disk, const char *path, int flags, struct mr_file **out,
		  struct mr_error *err)
{
	struct watched *w = watched_of(disk);
	w->staged += strstr(path, "/.commit.") && (flags & FILE_EXCLUSIVE);
	return w->real->ops->open(w->real, path, flags, out, err);
}

static void append_one(struct delta_table *table, const char *path)
{
	struct delta_file file = {
	    .path = mr_str_from(path), .size = 1, .rows = 1, .stats_json = MR_STR("{\"numRecords\":1}")};
	struct delta_commit commit = {.files = &file, .file_count = 1};
	struct mr_error err;
	int64_t version;
	CHECK_OK(delta_commit(table, &commit, &version, &err), err);
}

static int w_link(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	struct watched *w = watched_of(disk);
	if (strstr(from, "/.commit.")) {
		char name[40];
		w->links++;
		snprintf(name, sizeof name, "winner-%d.parquet", w->wins);
		if (w->wins && w->wins--)
			append_one(w->winner, name);
	}
	return w->real->ops->link(w->real, from, to, err);
}

static int w_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct watched *w = watched_of(disk);
	w->folder_syncs += mr_str_ends(mr_str_from(path), MR_STR("_delta_log"));
	return w->real->ops->sync_dir(w->real, path, err);
}

static int w_stat(struct mr_disk *disk, const char *path, struct file_info *out, struct mr_error *err)
{
	return watched_of(disk)->real->ops->stat(watched_of(disk)->real, path, out, err);
}

static int w_unlink(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return watched_of(disk)->real->ops->unlink(watched_of(disk)->real, path, err);
}

static int w_list(struct mr_disk *disk, const char *path, disk_list_fn fn, void *arg, struct mr_error *err)
{
	return watched_of(disk)->real->ops->list(watched_of(disk)->real, path, fn, arg, err);
}

static void watch(struct watched *w, struct env *env)
{
	*w = (struct watched){.real = env_linux()->disk};
	w->ops = (struct mr_disk_ops){.open = w_open,
				      .link = w_link,
				      .sync_dir = w_sync_dir,
				      .stat = w_stat,
				      .unlink = w_unlink,
				      .list = w_list};
	w->disk.ops = &w->ops;
	*env = *env_linux();
	env->disk = &w->disk;
}

static void lose(struct delta_fixture *f, struct delta_table *table, struct watched *w, int times)
{
	struct delta_snapshot *s = delta_now(f);
	int64_t before = delta_file_count(s), version = delta_version(s);
	char name[40];
	delta_snapshot_unref(s);
	snprintf(name, sizeof name, "loser-%d-%d.parquet", times, (int)version);
	w->winner = f->table;
	w->wins = times;
	w->staged = w->links = w->folder_syncs = 0;
	append_one(table, name);
	s = delta_now(f);
	CHECK_INT(delta_version(s), version + times + 1);
	CHECK_INT(delta_file_count(s), before + times + 1);
	delta_snapshot_unref(s);
}

/* Who lost five races wrote his commit once, and synced its name once. */
TEST(delta_lost_races_cost_no_round)
{
	struct delta_fixture f;
	struct delta_table *table;
	struct watched w;
	struct env env;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	watch(&w, &env);
	CHECK_OK(delta_open(&env, NULL, f.path, &table, &f.err), f.err);
	lose(&f, table, &w, 0);
	CHECK_INT(w.links, 1);
	CHECK_INT(w.staged, 1);
	CHECK_INT(w.folder_syncs, 1);
	lose(&f, table, &w, 5);
	CHECK_INT(w.links, 6);
	CHECK_INT(w.staged, 1);
	CHECK_INT(w.folder_syncs, 1);
	delta_close(table);
	delta_fixture_close(&f);
}

/* A commit that names its version's time is another one for the next version: written again. */
TEST(delta_lost_races_with_times_inside_are_written_again)
{
	struct delta_fixture f;
	struct delta_table *table;
	struct watched w;
	struct env env;
	int64_t version;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	struct delta_snapshot *s = delta_now(&f);
	struct mr_buf metadata = {0};
	mr_str body = delta_metadata_json(s);
	const char *at = strstr(body.ptr, "\"configuration\":{}");
	CHECK(at);
	mr_buf_printf(&metadata, "%.*s\"configuration\":{\"delta.enableInCommitTimestamps\":\"true\"}%s",
		      (int)(at - body.ptr), body.ptr, at + strlen("\"configuration\":{}"));
	struct delta_commit commit = {.metadata = mr_buf_view(&metadata), .base = s, .operation = "SET"};
	CHECK_OK(delta_commit(f.table, &commit, &version, &f.err), f.err);
	delta_snapshot_unref(s);
	watch(&w, &env);
	CHECK_OK(delta_open(&env, NULL, f.path, &table, &f.err), f.err);
	lose(&f, table, &w, 3);
	CHECK_INT(w.links, 4);
	CHECK(w.staged > 1);
	mr_buf_release(&metadata);
	delta_close(table);
	delta_fixture_close(&f);
}
