/* delta/clean_up.c - the log's old files go.
 *
 * After a checkpoint, commits older than delta.logRetentionDuration (30 days) go, unless
 * delta.enableExpiredLogCleanup is false: all that lies before the newest checkpoint whose commit is
 * that old. That checkpoint and its commit stay, so that every version since then can be read. The
 * day is cut off at midnight, as Spark does, so that the log is not listed for nothing all day.
 *
 * DROP FEATURE ... TRUNCATE HISTORY removes all that lies before the newest version.
 *
 * What goes was not needed by this handle's state either: state that still had statistics in those
 * files is read anew.
 */
#include "delta/internal.h"

#define RETENTION_DEFAULT_MS ((int64_t)30 * 24 * 3600 * 1000)
#define DAY_MS ((int64_t)24 * 3600 * 1000)

struct cleaning {
	struct delta_table *table;
	int64_t before; /* files of versions below it go */
	MR_VEC(char *) names;
};

/* "00000000000000000007.json", ".crc", ".checkpoint...", "x.y.compacted.json": the version it starts with,
 * or that a compacted one ends with. */
static bool version_of(const char *name, int64_t *out)
{
	size_t digits = strspn(name, "0123456789");
	if (digits != 20 || name[20] != '.')
		return false;
	*out = strtoll(name, NULL, 10);
	const char *second = name + 21;
	if (strspn(second, "0123456789") == 20 && strcmp(second + 20, ".compacted.json") == 0)
		*out = strtoll(second, NULL, 10);
	return true;
}

static int note_old(void *arg, const char *name, const struct file_info *info)
{
	struct cleaning *cleaning = arg;
	int64_t version;
	if (!info->is_dir && version_of(name, &version) && version < cleaning->before)
		mr_vec_push(&cleaning->names, mr_strdup(name));
	return 0;
}

static int64_t newest_checkpoint(const struct delta_log_listing *listing, int64_t version_max)
{
	for (size_t i = 0; i < listing->checkpoints.len; i++) /* newest first */
		if (listing->checkpoints.items[i].version <= version_max &&
		    delta_log_parts_complete(listing, i))
			return listing->checkpoints.items[i].version;
	return -1;
}

/* Versions below it may go; -1: none. */
static int64_t find_end(struct delta_table *table, int64_t cutoff_ms)
{
	struct delta_log_listing listing;
	int64_t version, end = -1;
	if (delta_commit_time_find(table, cutoff_ms, &version, NULL) < 0 ||
	    delta_store_list(table, &listing, NULL) < 0)
		return -1;
	end = newest_checkpoint(&listing, version);
	delta_log_listing_release(&listing);
	return end;
}

static void remove_files(struct cleaning *cleaning)
{
	struct delta_table *table = cleaning->table;
	for (size_t i = 0; i < cleaning->names.len; i++) {
		char *path = mr_asprintf("%s/%s", table->log_path, cleaning->names.items[i]);
		/* Another may have been here; what stays is tried again another day. */
		int ignored = disk_unlink(table->env->disk, path, NULL);
		(void)ignored;
		free(path);
	}
}

/* How many files went. */
static size_t remove_before(struct delta_table *table, int64_t version)
{
	struct cleaning cleaning = {.table = table, .before = version};
	int rc = version > 0 ? disk_list(table->env->disk, table->log_path, note_old, &cleaning, NULL) : 0;
	if (rc == 0)
		remove_files(&cleaning);
	size_t count = cleaning.names.len;
	for (size_t i = 0; i < count; i++)
		free(cleaning.names.items[i]);
	mr_vec_release(&cleaning.names);
	return count;
}

size_t delta_clean_up(struct delta_table *table)
{
	const struct table_meta *meta = table->state->meta;
	if (mr_str_is(delta_meta_property(meta, "delta.enableExpiredLogCleanup"), "false"))
		return 0;
	int64_t keep_ms =
	    delta_interval_ms(delta_meta_property(meta, "delta.logRetentionDuration"), RETENTION_DEFAULT_MS);
	int64_t cutoff_ms = clock_wall_ms(table->env->clock) - keep_ms;
	cutoff_ms -= cutoff_ms % DAY_MS;
	size_t count = remove_before(table, find_end(table, cutoff_ms));
	if (count && !delta_stats_sources_exist(table->state->files))
		delta_log_forget(table);
	return count;
}

int delta_truncate_log(struct delta_table *table, struct mr_error *err)
{
	pthread_mutex_lock(&table->lock);
	int rc = delta_log_advance(table, err);
	if (rc == 0)
		rc = delta_checkpoint_write(table, err);
	if (rc == 0) {
		remove_before(table, table->state->version);
		delta_log_forget(table);
	}
	pthread_mutex_unlock(&table->lock);
	return rc;
}
