/* delta/audit.c - does a checkpoint say what the commits before it say?
 *
 * Each checkpoint is read alone, and held against the state that commits alone make: from version 0 on, or
 * from the checkpoint before it when older commits are cleaned away.
 */
#include "delta/internal.h"

#include <stdlib.h>

struct audit {
	struct delta_table *table;
	struct delta_log_listing listing;
	delta_audit_fn fn;
	void *arg;
	int64_t version;
	size_t told;
	struct arena arena;
};

#define TOLD_MAX 20 /* of one checkpoint */

static void tell(struct audit *a, mr_str what)
{
	if (a->told++ < TOLD_MAX)
		a->fn(a->arg, a->version, what);
}

static const char *file_difference(const struct file_entry *a, const struct file_entry *b)
{
	if (a->size != b->size)
		return "another size";
	if (!delta_dv_same(file_entry_dv(a), file_entry_dv(b)))
		return "another deletion vector";
	return NULL;
}

/* Live files of `from` that `other` has not, or has otherwise. */
static void compare_files(struct audit *a, const struct delta_log_state *from,
			  const struct delta_log_state *other, const char *missing, bool contents)
{
	struct file_cursor cursor = file_cursor(from->files, from->files->count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));) {
		if (entry->removed != VERSION_NEVER)
			continue;
		mr_str path = delta_file_path(from->files, entry, &a->arena);
		const struct file_entry *same = delta_live_get(&other->live, other->files, path);
		const char *differs = same && contents ? file_difference(entry, same) : NULL;
		if (!same)
			tell(a, arena_printf(&a->arena, "%s %.*s", missing, MR_FMT(path)));
		else if (differs)
			tell(a, arena_printf(&a->arena, "has %s of %.*s", differs, MR_FMT(path)));
	}
}

static void compare_txns(struct audit *a, const struct delta_log_state *checkpoint,
			 const struct delta_log_state *log)
{
	mr_map_each (&log->txns, entry) {
		mr_str app_id = mr_str_n(entry->key, entry->key_len);
		const struct txn_state *want = entry->value, *have = mr_map_get(&checkpoint->txns, app_id);
		if (!have || have->version != want->version)
			tell(a, arena_printf(&a->arena, "lacks version %lld of application %.*s",
					     (long long)want->version, MR_FMT(app_id)));
	}
}

static void compare(struct audit *a, const struct delta_log_state *checkpoint,
		    const struct delta_log_state *log)
{
	if (!mr_str_eq(checkpoint->meta->id, log->meta->id) ||
	    !mr_str_eq(checkpoint->meta->schema_json, log->meta->schema_json) ||
	    checkpoint->meta->partition_count != log->meta->partition_count)
		tell(a, MR_STR("has another schema"));
	if (checkpoint->protocol->reader != log->protocol->reader ||
	    checkpoint->protocol->writer != log->protocol->writer)
		tell(a, MR_STR("has another protocol"));
	compare_files(a, log, checkpoint, "lacks", true);
	compare_files(a, checkpoint, log, "has, and the log has not,", false);
	compare_txns(a, checkpoint, log);
}

static int read_checkpoint(struct audit *a, size_t at, struct delta_log_state **out, struct mr_error *err)
{
	const struct delta_log_part *parts = &a->listing.checkpoints.items[at];
	struct delta_log_state *state = delta_state_new();
	state->version = state->checkpoint_version = parts->version;
	int rc =
	    delta_checkpoint_read(a->table, parts, delta_log_parts_complete(&a->listing, at), state, err);
	if (rc == 0)
		rc = delta_state_check(state, err);
	if (rc < 0) {
		delta_state_free(state);
		return rc;
	}
	*out = state;
	return 0;
}

/* On from the state's version by commits alone. 1: one of them is gone. */
static int go_on(struct audit *a, struct delta_log_state *state, int64_t version, struct mr_error *err)
{
	int rc = 0;
	while (rc == 0 && state->version < version) {
		struct mr_buf bytes = {0};
		rc = delta_store_read_commit(a->table, state->version + 1, &bytes, err);
		if (rc == 0)
			rc = delta_log_apply_commit(a->table, state, mr_buf_view(&bytes), state->version + 1,
						    err);
		mr_buf_release(&bytes);
	}
	return rc == MR_ERR_NOT_FOUND ? 1 : rc;
}

/* The next checkpoint against *log, which goes on as far; where that is not possible, it begins there. */
static int audit_one(struct audit *a, size_t at, struct delta_log_state **log, struct mr_error *err)
{
	struct delta_log_state *checkpoint;
	struct mr_error why = {0};
	a->version = a->listing.checkpoints.items[at].version;
	a->told = 0;
	int rc = read_checkpoint(a, at, &checkpoint, &why);
	if (rc < 0) {
		tell(a, arena_printf(&a->arena, "cannot be read: %s", why.message));
		return 0;
	}
	rc = go_on(a, *log, a->version, err);
	if (rc == 0) {
		compare(a, checkpoint, *log);
		delta_state_free(checkpoint);
		return 0;
	}
	if (rc == 1) {
		delta_state_free(*log);
		*log = checkpoint;
		return 0;
	}
	delta_state_free(checkpoint);
	return rc;
}

int delta_audit_checkpoints(struct delta_table *table, delta_audit_fn fn, void *arg, struct mr_error *err)
{
	struct audit a = {.table = table, .fn = fn, .arg = arg};
	pthread_mutex_lock(&table->lock);
	int rc = delta_store_list(table, &a.listing, err);
	struct delta_log_state *log = delta_state_new();
	int64_t done = -1;
	/* The listing has the newest first. */
	for (size_t i = a.listing.checkpoints.len; i-- > 0 && rc == 0;) {
		size_t at = i;
		while (at > 0 &&
		       a.listing.checkpoints.items[at - 1].version == a.listing.checkpoints.items[i].version)
			at--;
		i = at;
		if (a.listing.checkpoints.items[at].version == done ||
		    !delta_log_parts_complete(&a.listing, at))
			continue;
		done = a.listing.checkpoints.items[at].version;
		rc = audit_one(&a, at, &log, err);
	}
	delta_state_free(log);
	delta_log_listing_release(&a.listing);
	pthread_mutex_unlock(&table->lock);
	arena_release(&a.arena);
	return rc;
}
