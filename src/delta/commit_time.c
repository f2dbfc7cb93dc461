/* delta/commit_time.c - when a version was made.
 *
 * That is the modification time of its log file, forced upwards; or, with the feature
 * inCommitTimestamp enabled, what commitInfo, the first line of the commit, says: a clock that no
 * copy of the folder disturbs. A table that got the feature later notes in two properties since which
 * version, and at which time, it counts (protocol, "In-Commit Timestamps").
 */
#include "delta/internal.h"

static const char enabled_key[] = "delta.enableInCommitTimestamps";
static const char version_key[] = "delta.inCommitTimestampEnablementVersion";
static const char time_key[] = "delta.inCommitTimestampEnablementTimestamp";

bool delta_commit_time_inside(const struct table_meta *meta)
{
	return mr_str_is(delta_meta_property(meta, enabled_key), "true");
}

static int64_t property_int(const struct table_meta *meta, const char *key, int64_t absent)
{
	mr_str text = delta_meta_property(meta, key);
	return text.len ? strtoll(text.ptr, NULL, 10) : absent;
}

/* The commitInfo of a version's first line. */
static int read_inside(struct delta_table *table, int64_t version, int64_t *out, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	struct action action;
	int rc = delta_store_read_commit(table, version, &bytes, err);
	if (rc == 0) {
		mr_str text = mr_buf_view(&bytes);
		const char *end = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
		mr_str line = mr_str_n(text.ptr, end ? (size_t)(end - text.ptr) : text.len);
		rc = delta_action_parse(table->parser, line, &action, err);
	}
	if (rc == 0) {
		struct json_value at = action.kind == ACTION_COMMIT_INFO
					   ? json_get(action.commit_info, "inCommitTimestamp")
					   : (struct json_value){0};
		if (json_type(at) == JSON_INT)
			*out = json_int(at);
		else
			rc = mr_fail(err, MR_ERR_CORRUPT, "%s: version %lld has no inCommitTimestamp",
				     table->path, (long long)version);
	}
	mr_buf_release(&bytes);
	return rc;
}

static int previous(struct delta_table *table, int64_t *out, struct mr_error *err)
{
	const struct delta_log_state *state = table->state;
	*out = state->newest.mtime_ms;
	if (!delta_commit_time_inside(state->meta))
		return 0;
	if (state->commit_ms < 0) /* the state came from a checkpoint alone */
		return read_inside(table, state->version, out, err);
	*out = state->commit_ms;
	return 0;
}

int delta_commit_time_next(struct delta_table *table, const struct table_meta *meta, int64_t now_ms,
			   int64_t *out, struct mr_error *err)
{
	int64_t before;
	*out = -1;
	if (!delta_commit_time_inside(meta))
		return 0;
	*out = now_ms;
	int rc = table->state ? previous(table, &before, err) : 1;
	if (rc == 0)
		*out = mr_max_i64(now_ms, before + 1);
	return rc < 0 ? rc : 0;
}

size_t delta_commit_time_properties(struct version_frame *frame, const struct table_meta *before,
				    struct delta_pair *out)
{
	mr_str version = MR_STR_NULL, time = MR_STR_NULL;
	if (delta_commit_time_inside(frame->meta) && before) {
		if (delta_commit_time_inside(before)) { /* since when it counts stays as it is */
			version = delta_meta_property(before, version_key);
			time = delta_meta_property(before, time_key);
		} else {
			version = arena_printf(&frame->arena, "%lld", (long long)frame->version);
			time = arena_printf(&frame->arena, "%lld", (long long)frame->in_commit_ms);
		}
	}
	if (mr_str_eq(version, delta_meta_property(frame->meta, version_key)) &&
	    mr_str_eq(time, delta_meta_property(frame->meta, time_key)))
		return 0;
	out[0] = (struct delta_pair){mr_str_from(version_key), version};
	out[1] = (struct delta_pair){mr_str_from(time_key), time};
	return 2;
}

/* ---- time travel ---- */

/* Log files' times, forced upwards, below version `end`. */
static int64_t find_by_files(const struct delta_log_listing *listing, int64_t end, int64_t ms)
{
	int64_t version = -1, before = INT64_MIN;
	for (size_t i = 0; i < listing->commits.len && listing->commits.items[i].version < end; i++) {
		int64_t at = mr_max_i64(listing->commits.items[i].info.mtime_ms, before + (i > 0));
		if (at > ms)
			break;
		before = at;
		version = listing->commits.items[i].version;
	}
	return version;
}

/* In-commit timestamps only go up: halves, from version `from` on. */
static int find_inside(struct delta_table *table, const struct delta_log_listing *listing, int64_t from,
		       int64_t ms, int64_t *out, struct mr_error *err)
{
	size_t low = 0, high = listing->commits.len;
	while (low < high && listing->commits.items[low].version < from)
		low++;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int64_t at, version = listing->commits.items[middle].version;
		int rc = read_inside(table, version, &at, err);
		if (rc < 0)
			return rc;
		if (at > ms) {
			high = middle;
		} else {
			*out = version;
			low = middle + 1;
		}
	}
	return 0;
}

int delta_commit_time_find(struct delta_table *table, int64_t ms, int64_t *out, struct mr_error *err)
{
	struct delta_log_listing listing;
	const struct table_meta *meta = table->state->meta;
	bool inside = delta_commit_time_inside(meta);
	int64_t from = inside ? property_int(meta, version_key, 0) : INT64_MAX;
	int64_t version = -1;
	int rc = delta_store_list(table, &listing, err);
	if (rc < 0)
		return rc;
	if (inside && ms >= property_int(meta, time_key, INT64_MIN))
		rc = find_inside(table, &listing, from, ms, &version, err);
	if (rc == 0 && version < 0)
		version = find_by_files(&listing, from, ms);
	delta_log_listing_release(&listing);
	if (rc < 0)
		return rc;
	if (version < 0)
		return mr_fail(err, MR_ERR_NOT_FOUND, "%s had no version yet at that time", table->path);
	*out = version;
	return 0;
}

int delta_commit_time_of(struct delta_table *table, int64_t version, int64_t *out, struct mr_error *err)
{
	const struct table_meta *meta = table->state->meta;
	struct file_info info;
	if (delta_commit_time_inside(meta) && version >= property_int(meta, version_key, 0))
		return read_inside(table, version, out, err);
	char *path = delta_store_commit_path(table, version);
	int rc = disk_stat(table->env->disk, path, &info, err);
	free(path);
	if (rc == 0)
		*out = info.mtime_ms;
	return rc;
}
