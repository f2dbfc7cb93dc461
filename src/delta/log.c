/* delta/log.c - reading the log: from the newest checkpoint and the commits after it, or on
 * from the version that is known by trying the next one. */
#include "delta/internal.h"

#include <stdio.h>

#define LARGE_COMMIT_BYTES ((size_t)1 << 20)

struct apply {
	struct delta_log_state *state;
	struct json_parser *parser;
	bool metadata_only, without_metadata;
};

static int apply_one(void *arg, const struct action *action, struct mr_error *err)
{
	struct apply *apply = arg;
	bool is_metadata = action->kind == ACTION_METADATA;
	if (is_metadata ? apply->without_metadata : apply->metadata_only)
		return 0;
	return delta_state_apply(apply->state, apply->parser, action, err);
}

static bool has_metadata(mr_str bytes)
{
	return memmem(bytes.ptr, bytes.len, "\"metaData\"", strlen("\"metaData\"")) != NULL;
}

static int apply_lines(struct delta_table *table, struct delta_log_state *state, mr_str bytes,
		       const char *name, int64_t version, struct mr_error *err)
{
	state->version = version;
	state->commit_ms = -1;
	struct apply apply = {.state = state, .parser = table->parser};
	int rc = 0;
	/* Actions of a commit have no order, but files are read by the commit's own schema. */
	if (has_metadata(bytes)) {
		apply.metadata_only = true;
		rc = delta_actions_parse(table->parser, bytes, name, apply_one, &apply, err);
		apply.metadata_only = false;
		apply.without_metadata = true;
	}
	if (rc == 0)
		rc = delta_actions_parse(table->parser, bytes, name, apply_one, &apply, err);
	if (rc == 0)
		rc = delta_state_check(state, err);
	if (rc < 0)
		mr_error_wrap(err, rc, "%s", table->name);
	return rc;
}

int delta_log_apply_commit(struct delta_table *table, struct delta_log_state *state, mr_str bytes,
			   int64_t version, struct mr_error *err)
{
	char name[32];
	snprintf(name, sizeof name, "%020lld.json", (long long)version);
	return apply_lines(table, state, bytes, name, version, err);
}

/* ---- a large commit: in pieces, and its statistics stay in it ---- */

struct large {
	struct delta_table *table;
	struct apply apply;
};

static int apply_piece(void *arg, mr_str lines, size_t at, struct mr_error *err)
{
	struct large *large = arg;
	char name[64];
	if (large->apply.metadata_only && !has_metadata(lines))
		return 0;
	snprintf(name, sizeof name, "%020lld.json, from byte %zu on", (long long)large->apply.state->version,
		 at);
	return delta_actions_parse(large->table->parser, lines, name, apply_one, &large->apply, err);
}

static int apply_large(struct delta_table *table, struct delta_log_state *state, int64_t version,
		       const char *path, struct mr_error *err)
{
	struct large large = {table, {.state = state, .parser = table->parser, .metadata_only = true}};
	state->version = version;
	state->commit_ms = -1;
	int rc = delta_store_visit_lines(table, path, apply_piece, &large, err);
	if (rc == 0) {
		large.apply.metadata_only = false;
		large.apply.without_metadata = true;
		delta_state_begin_later(state, table, mr_str_from(path), false);
		rc = delta_store_visit_lines(table, path, apply_piece, &large, err);
	}
	if (rc == 0) {
		delta_state_end_later(state);
		rc = delta_state_check(state, err);
	}
	return rc < 0 ? mr_error_wrap(err, rc, "%s", table->name), rc : 0;
}

static int read_and_apply(struct delta_table *table, struct delta_log_state *state, int64_t version,
			  struct mr_error *err)
{
	struct mr_buf bytes = {0};
	struct file_info info;
	char *path = delta_store_commit_path(table, version);
	int rc = disk_stat(table->env->disk, path, &info, err);
	if (rc == 0 && (size_t)info.size >= LARGE_COMMIT_BYTES) {
		rc = apply_large(table, state, version, path, err);
	} else if (rc == 0) {
		rc = delta_store_read_commit(table, version, &bytes, err);
		if (rc == 0)
			rc = delta_log_apply_commit(table, state, mr_buf_view(&bytes), version, err);
	}
	mr_buf_release(&bytes);
	free(path);
	return rc;
}

static int note_newest(struct delta_table *table, struct delta_log_state *state, struct mr_error *err)
{
	char *path = delta_store_commit_path(table, state->version);
	int rc = disk_stat(table->env->disk, path, &state->newest, err);
	free(path);
	if (rc != MR_ERR_NOT_FOUND)
		return rc;
	state->newest = (struct file_info){0}; /* cleaned away: its checkpoint says all */
	return 0;
}

/* ---- from nothing ---- */

size_t delta_log_parts_complete(const struct delta_log_listing *listing, size_t from)
{
	const struct delta_log_part *parts = &listing->checkpoints.items[from];
	if (parts[0].parts == 0)
		return 1;
	size_t count = 0;
	while (from + count < listing->checkpoints.len && parts[count].version == parts[0].version &&
	       parts[count].parts == parts[0].parts && parts[count].part == (int)count + 1)
		count++;
	return count == (size_t)parts[0].parts ? count : 0;
}

/* The newest readable checkpoint at or below version_max; state stays at -1 when there is none. */
static void load_checkpoint(struct delta_table *table, const struct delta_log_listing *listing,
			    int64_t version_max, struct delta_log_state **state, struct mr_error *err)
{
	for (size_t i = 0; i < listing->checkpoints.len && table->engine; i++) {
		const struct delta_log_part *parts = &listing->checkpoints.items[i];
		size_t count = delta_log_parts_complete(listing, i);
		if (parts->version > version_max || !count)
			continue;
		(*state)->version = (*state)->checkpoint_version = parts->version;
		if (delta_checkpoint_read(table, parts, count, *state, err) == 0)
			return;
		/* Damaged or foreign: an older one and more commits say the same. */
		delta_state_free(*state);
		*state = delta_state_new();
	}
}

/* The compacted file that starts with a version and reaches furthest; its end, or -1. */
static int64_t find_compacted(const struct delta_log_listing *listing, int64_t from, int64_t version_max)
{
	int64_t to = -1;
	for (size_t i = 0; i < listing->compacted.len; i++) {
		const struct delta_log_range *range = &listing->compacted.items[i];
		if (range->from == from && range->to <= version_max)
			to = mr_max_i64(to, range->to);
	}
	return to;
}

/* 1: it cannot be read. The commits say the same, over what was taken in of it too. */
static int take_compacted(struct delta_table *table, struct delta_log_state *state, int64_t from, int64_t to)
{
	struct mr_buf bytes = {0};
	int rc = delta_store_read_compacted(table, from, to, &bytes, NULL);
	if (rc == 0)
		rc = apply_lines(table, state, mr_buf_view(&bytes), "compacted", to, NULL);
	if (rc < 0)
		state->version = from - 1;
	mr_buf_release(&bytes);
	return rc < 0 ? 1 : 0;
}

static int load_commits(struct delta_table *table, const struct delta_log_listing *listing,
			int64_t version_max, struct delta_log_state *state, struct mr_error *err)
{
	for (size_t i = 0; i < listing->commits.len; i++) {
		int64_t version = listing->commits.items[i].version;
		if (version <= state->version || version > version_max)
			continue;
		if (version != state->version + 1)
			return mr_fail(err, MR_ERR_CORRUPT, "%s: version %lld is missing from the log",
				       table->name, (long long)state->version + 1);
		int64_t to = find_compacted(listing, version, version_max);
		if (to > 0 && take_compacted(table, state, version, to) == 0)
			continue;
		int rc = read_and_apply(table, state, version, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int no_table(const struct delta_table *table, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOT_FOUND, "there is no Delta table at %s", table->name);
}

int delta_log_load(struct delta_table *table, int64_t version_max, struct delta_log_state **out,
		   struct mr_error *err)
{
	struct delta_log_listing listing;
	int rc = delta_store_list(table, &listing, err);
	if (rc == MR_ERR_NOT_FOUND)
		return no_table(table, err);
	if (rc < 0)
		return rc;
	struct delta_log_state *state = delta_state_new();
	struct mr_error why = {0};
	load_checkpoint(table, &listing, version_max, &state, &why);
	rc = load_commits(table, &listing, version_max, state, err);
	if (rc == 0 && !listing.commits.len && state->version < 0)
		rc = why.code ? mr_fail(err, MR_ERR_CORRUPT,
					"%s: all that is left of the log is a checkpoint", table->name)
			      : no_table(table, err);
	if (rc == MR_ERR_CORRUPT && why.code && err && !err->hint[0])
		mr_hint(err, "and its checkpoint cannot be read: %s", why.message);
	if (rc == 0 && version_max != INT64_MAX && state->version != version_max)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "%s has no version %lld", table->name,
			     (long long)version_max);
	if (rc == 0)
		rc = delta_state_check(state, err);
	if (rc == 0)
		rc = delta_checksum_check(table, state, err);
	if (rc == 0 && version_max == INT64_MAX)
		rc = note_newest(table, state, err);
	delta_log_listing_release(&listing);
	if (rc < 0) {
		delta_state_free(state);
		return rc;
	}
	*out = state;
	return 0;
}

/* ---- onwards ---- */

void delta_log_forget(struct delta_table *table)
{
	delta_state_free(table->state);
	table->state = NULL;
	delta_snapshot_unref(table->snapshot);
	table->snapshot = NULL;
}

static bool is_same_log(struct delta_table *table)
{
	char *path = delta_store_commit_path(table, table->state->version);
	struct file_info info;
	bool there = disk_stat(table->env->disk, path, &info, NULL) == 0;
	bool same =
	    !there ? !table->state->newest.size
		   : info.size == table->state->newest.size && info.mtime_ms == table->state->newest.mtime_ms;
	free(path);
	return same;
}

int delta_log_advance(struct delta_table *table, struct mr_error *err)
{
	/* A table that was removed and made anew must not get commits meant for the old one. */
	if (table->state && !is_same_log(table))
		delta_log_forget(table);
	if (!table->state)
		return delta_log_load(table, INT64_MAX, &table->state, err);
	int64_t before = table->state->version;
	int rc;
	do
		rc = read_and_apply(table, table->state, table->state->version + 1, err);
	while (rc == 0);
	if (rc == MR_ERR_NOT_FOUND) /* the usual end */
		rc = table->state->version == before ? 0 : note_newest(table, table->state, err);
	if (rc < 0)
		delta_log_forget(table); /* it may be half applied */
	return rc;
}
