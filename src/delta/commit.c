/* delta/commit.c - the race for the next version.
 *
 * The handle's lock orders the writers of a process that share a handle; link(2) decides
 * between the others. A loser applies what the winners wrote, holds its reads against each of
 * them (conflict.h) and tries the version after theirs.
 *
 * Appends that read nothing queue before the lock: who gets it first takes all that wait into one
 * version. So the disk is synced once for many of them, and while it is, the next ones gather.
 *
 * A commit waits for the disk twice: for its files and its own bytes, at the same time (sync.c), and
 * for its name. Losing a race costs no further round while its bytes are right for the next version too.
 */
#include "delta/conflict.h"
#include "delta/internal.h"
#include "delta/validate.h"

#include <time.h>

#define ATTEMPTS_MAX 1000
#define JITTER_US_MAX 20000
#define GROUP_MAX 256

/* ---- winners ---- */

struct winner {
	struct delta_table *table;
	struct arena arena;
	bool has_protocol, has_metadata, is_blind_append;
	MR_VEC(struct conflict_file) adds, removes;
	MR_VEC(mr_str) domains, apps;
};

static int note_file(struct winner *winner, const struct action *action, struct mr_error *err)
{
	struct conflict_file file = {.data_change = action->file.data_change};
	int rc = delta_path_decode(action->file.path, &winner->arena, &file.path, err);
	if (rc < 0)
		return rc;
	const struct table_meta *meta = winner->table->state->meta;
	mr_str *values = arena_calloc(&winner->arena, meta->partition_count + 1, sizeof *values);
	for (size_t i = 0; i < meta->partition_count; i++) {
		mr_str value = json_str(json_get_str(action->file.partition_values,
						     meta->columns[meta->partition_index[i]].physical));
		values[i] = value.len ? arena_copy(&winner->arena, value) : MR_STR_NULL;
	}
	file.partition_values = values;
	if (action->kind == ACTION_ADD)
		mr_vec_push(&winner->adds, file);
	else
		mr_vec_push(&winner->removes, file);
	return 0;
}

static int note_action(void *arg, const struct action *action, struct mr_error *err)
{
	struct winner *winner = arg;
	switch (action->kind) {
	case ACTION_ADD:
	case ACTION_REMOVE:
		return note_file(winner, action, err);
	case ACTION_PROTOCOL:
		winner->has_protocol = true;
		return 0;
	case ACTION_METADATA:
		winner->has_metadata = true;
		return 0;
	case ACTION_TXN:
		mr_vec_push(&winner->apps, arena_copy(&winner->arena, action->txn.app_id));
		return 0;
	case ACTION_DOMAIN:
		mr_vec_push(&winner->domains, arena_copy(&winner->arena, action->domain.domain));
		return 0;
	case ACTION_COMMIT_INFO:
		winner->is_blind_append = json_bool(json_get(action->commit_info, "isBlindAppend"));
		return 0;
	default:
		return 0;
	}
}

static void winner_release(struct winner *winner)
{
	mr_vec_release(&winner->adds);
	mr_vec_release(&winner->removes);
	mr_vec_release(&winner->domains);
	mr_vec_release(&winner->apps);
	arena_release(&winner->arena);
}

static bool changes_data(const struct delta_commit *commit)
{
	return !commit->rearranges && (commit->file_count || commit->remove_count || commit->overwrite);
}

static enum delta_conflict find_conflict(const struct delta_commit *commit, const struct winner *winner,
					 mr_str *which)
{
	struct arena arena = {0};
	mr_str *domains = arena_alloc(&arena, (commit->domain_count + 1) * sizeof *domains);
	mr_str *apps = arena_alloc(&arena, (commit->expect_count + 1) * sizeof *apps);
	for (size_t i = 0; i < commit->domain_count; i++)
		domains[i] = commit->domains[i].name;
	for (size_t i = 0; i < commit->expect_count; i++)
		apps[i] = commit->expect[i].app_id;
	struct conflict_mine mine = {.changes_protocol = commit->feature_count || commit->drops_feature,
				     .changes_metadata = commit->metadata.len > 0,
				     .changes_data = changes_data(commit),
				     .reads_table = commit->reads_table,
				     .isolation = commit->isolation,
				     .looks = commit->reads_table || commit->read_count ||
					      commit->remove_count || commit->may_match || commit->file_count,
				     .may_match = commit->may_match,
				     .may_match_arg = commit->may_match_arg,
				     .reads = commit->reads,
				     .read_count = commit->read_count,
				     .removes = commit->removes,
				     .remove_count = commit->remove_count,
				     .domains = domains,
				     .domain_count = commit->domain_count,
				     .apps = apps,
				     .app_count = commit->expect_count};
	struct conflict_winner theirs = {.has_protocol = winner->has_protocol,
					 .has_metadata = winner->has_metadata,
					 .is_blind_append = winner->is_blind_append,
					 .adds = winner->adds.items,
					 .add_count = winner->adds.len,
					 .removes = winner->removes.items,
					 .remove_count = winner->removes.len,
					 .domains = winner->domains.items,
					 .domain_count = winner->domains.len,
					 .apps = winner->apps.items,
					 .app_count = winner->apps.len};
	enum delta_conflict conflict = delta_conflict_find(&mine, &theirs, which);
	arena_release(&arena);
	return conflict;
}

static int check_winner(struct delta_table *table, const struct delta_commit *commit, int64_t version,
			struct mr_error *err)
{
	struct winner winner = {.table = table};
	struct mr_buf bytes = {0};
	char *path = delta_store_commit_path(table, version);
	int rc = delta_store_read_commit(table, version, &bytes, err);
	if (rc == 0)
		rc = delta_actions_parse(table->parser, mr_buf_view(&bytes), path, note_action, &winner, err);
	mr_str which;
	if (rc == 0) {
		enum delta_conflict conflict = find_conflict(commit, &winner, &which);
		if (conflict != CONFLICT_NONE) {
			rc = mr_fail(err, MR_ERR_CONFLICT, "version %lld came first: %s%s%.*s",
				     (long long)version, delta_conflict_text(conflict), which.len ? ": " : "",
				     MR_FMT(which));
			mr_hint(err, "run the statement again: it then reads what the other wrote");
		}
	}
	winner_release(&winner);
	mr_buf_release(&bytes);
	free(path);
	return rc;
}

/* ---- may it follow the present state? ---- */

static int check_expectations(const struct delta_log_state *state, const struct delta_commit *commit,
			      struct mr_error *err)
{
	for (size_t i = 0; i < commit->expect_count; i++) {
		const struct delta_txn *expected = &commit->expect[i];
		const struct txn_state *txn = mr_map_get(&state->txns, expected->app_id);
		int64_t version = txn ? txn->version : -1;
		if (version != expected->version)
			return mr_fail(
			    err, MR_ERR_CONFLICT, "another writer moved %.*s to %lld (expected %lld)",
			    MR_FMT(expected->app_id), (long long)version, (long long)expected->version);
	}
	/* Files are written for a schema and a partitioning. */
	if (commit->read && !mr_str_eq(commit->read->meta->json, state->meta->json))
		return mr_fail(err, MR_ERR_CONFLICT, "the table's metadata changed while files were written");
	return 0;
}

static int check_commit(struct delta_table *table, const struct delta_commit *commit, int64_t *checked,
			struct mr_error *err)
{
	const struct delta_log_state *state = table->state;
	if (commit->creates)
		return mr_fail(err, MR_ERR_EXISTS, "there is a Delta table at %s already", table->path);
	int rc = delta_gate_write(state->protocol, state->meta, commit->enforced, err);
	if (rc < 0)
		return rc;
	bool removes =
	    (commit->overwrite && state->file_count) || (commit->remove_count && !commit->rearranges);
	if (removes && mr_str_is(delta_meta_property(state->meta, "delta.appendOnly"), "true"))
		return mr_fail(err, MR_ERR_UNSUPPORTED, "the table is append-only (delta.appendOnly)");
	if (commit->base && *checked < delta_version(commit->base))
		*checked = delta_version(commit->base);
	while (commit->base && *checked < state->version) {
		rc = check_winner(table, commit, *checked + 1, err);
		if (rc < 0)
			return rc;
		++*checked;
	}
	return check_expectations(state, commit, err);
}

static void wait_a_little(struct delta_table *table, int attempt)
{
	if (attempt == 0)
		return; /* one loss is chance; go on at once */
	uint64_t bound = mr_min_size((size_t)200 << mr_min_size((size_t)attempt, 10), JITTER_US_MAX);
	uint64_t us = rng_below(table->env->rng, bound);
	nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

/* The winner's version is ours: take our own bytes in, as any reader would. */
static int take_in(struct delta_table *table, mr_str bytes, int64_t version)
{
	struct mr_error ignored;
	char *path = delta_store_commit_path(table, version);
	if (!table->state)
		table->state = delta_state_new();
	int rc = delta_log_apply_commit(table, table->state, bytes, version, &ignored);
	if (rc == 0)
		rc = disk_stat(table->env->disk, path, &table->state->newest, &ignored);
	free(path);
	if (rc < 0) { /* read it anew next time */
		delta_state_free(table->state);
		table->state = NULL;
	}
	return rc;
}

/* ---- one version ---- */

/* One group's way to its version, through as many attempts as it takes. */
struct put {
	struct commit_stamp stamp;
	struct staged_commit staged;
	struct mr_buf lines;
	bool stamped, synced; /* synced: its files are on the disk */
};

static void put_release(struct put *put, struct delta_table *table)
{
	delta_store_unstage(table, &put->staged);
	mr_buf_release(&put->lines);
}

/* The lines, and at the first attempt the files that they name: in one round. */
static int stage_lines(struct put *put, struct delta_table *table, const struct delta_commit *const *commits,
		       size_t count, struct mr_error *err)
{
	struct sync_list with;
	delta_sync_init(&with, table);
	if (!put->synced)
		delta_sync_add_commits(&with, commits, count);
	int rc = delta_store_stage(table, &put->staged, mr_buf_view(&put->lines), &with, err);
	put->synced |= rc == 0;
	delta_sync_release(&with);
	return rc;
}

static int put_lines(struct put *put, struct delta_table *table, const struct delta_commit *const *commits,
		     size_t count, struct mr_error *err)
{
	struct version_frame frame;
	if (!put->stamped)
		delta_stamp_init(&put->stamp, table, commits[0]);
	put->stamped = true;
	int rc = delta_frame_init(&frame, table, commits[0], &put->stamp, err);
	mr_buf_clear(&put->lines); /* what is not put is never taken for ours */
	if (rc == 0) {
		delta_commit_lines(&put->lines, table, commits, count, &frame);
		rc = delta_validate_actions(table->state, mr_buf_view(&put->lines), table->parser, err);
	}
	if (rc == 0)
		rc = stage_lines(put, table, commits, count, err);
	if (rc < 0)
		mr_buf_clear(&put->lines);
	else
		rc = delta_store_put_commit(table, frame.version, &put->staged, err);
	delta_frame_release(&frame);
	return rc;
}

/* A put whose outcome is not known, or that lost against itself: ours if the bytes are (they hold
 * a txnId of our making). */
static bool is_ours(struct delta_table *table, int64_t version, mr_str bytes)
{
	struct mr_buf there = {0};
	bool ours = delta_store_read_commit(table, version, &there, NULL) == 0 &&
		    mr_str_eq(mr_buf_view(&there), bytes) &&
		    disk_sync_dir(table->env->disk, table->log_path, NULL) == 0;
	mr_buf_release(&there);
	return ours;
}

static int prepare_log(struct delta_table *table, const struct delta_commit *commit, struct mr_error *err)
{
	int rc = delta_log_advance(table, err);
	if (rc == MR_ERR_NOT_FOUND && commit->creates)
		rc = disk_mkdir_all(table->env->disk, table->log_path, err);
	return rc;
}

/* A commit that waits for its version. */
struct append {
	const struct delta_commit *commit;
	int64_t version, checked;
	struct mr_error *err;
	int rc;
	bool done;
	struct append *next;
};

/* The commits of the group that may follow the present state; the others get their error. */
static size_t choose(struct delta_table *table, struct append **group, size_t count,
		     const struct delta_commit **chosen)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (group[i]->done)
			continue;
		if (table->state)
			group[i]->rc =
			    check_commit(table, group[i]->commit, &group[i]->checked, group[i]->err);
		group[i]->done = group[i]->rc < 0;
		if (!group[i]->done)
			chosen[n++] = group[i]->commit;
	}
	return n;
}

static void finish(struct append **group, size_t count, int rc, int64_t version, const struct mr_error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (group[i]->done)
			continue;
		group[i]->done = true;
		group[i]->rc = rc;
		group[i]->version = version;
		if (rc < 0 && group[i]->err)
			*group[i]->err = *err;
	}
}

static void checkpoint_if_due(struct delta_table *table)
{
	/* The commit stands, whatever comes of the checkpoint: the next one tries again. */
	if (delta_checkpoint_is_due(table) && delta_checkpoint_write(table, NULL) == 0)
		delta_clean_up(table);
}

/* Attempts until the group has its version, or none of it may follow any more. *left: how many of it are
 * left; *version: theirs. */
static int race(struct delta_table *table, struct append **group, size_t count, struct put *put, size_t *left,
		int64_t *version, struct mr_error *err)
{
	const struct delta_commit *chosen[GROUP_MAX];
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		int rc = prepare_log(table, group[0]->commit, err);
		if (rc < 0)
			return rc;
		*left = choose(table, group, count, chosen);
		if (!*left)
			return 0;
		*version = table->state ? table->state->version + 1 : 0;
		rc = put_lines(put, table, chosen, *left, err);
		if (rc < 0 && put->lines.len && is_ours(table, *version, mr_buf_view(&put->lines)))
			rc = 0;
		if (rc != MR_ERR_EXISTS)
			return rc;
		wait_a_little(table, attempt);
	}
	return mr_fail(err, MR_ERR_BUSY, "%s: other writers won %d times in a row", table->path,
		       ATTEMPTS_MAX);
}

/* With the lock held: one version out of the group. Every member is done afterwards. */
static void commit_group(struct delta_table *table, struct append **group, size_t count)
{
	struct put put = {0};
	struct mr_error err = {0};
	int64_t version = -1;
	size_t left = 0;
	int rc = race(table, group, count, &put, &left, &version, &err);
	if (rc == MR_ERR_INVALID && left > 1) { /* one of them is broken: the others are not its fault */
		for (size_t i = 0; i < count; i++)
			if (!group[i]->done)
				commit_group(table, &group[i], 1);
		put_release(&put, table);
		return;
	}
	finish(group, count, rc, version, &err);
	if (rc == 0 && left && take_in(table, mr_buf_view(&put.lines), version) == 0 && table->engine) {
		delta_checksum_write(table);
		checkpoint_if_due(table);
	}
	put_release(&put, table);
}

/* ---- the queue ---- */

/* What may share a version with others: appends that looked at nothing. */
static bool joins_groups(const struct delta_commit *commit)
{
	return !commit->base && !commit->overwrite && !commit->metadata.len && !commit->feature_count &&
	       !commit->drops_feature && !commit->domain_count && !commit->creates && !commit->rearranges &&
	       !commit->metric_count && !commit->cdc_count;
}

/* Two that move one application, or that do different things, are two versions. */
static bool fits(struct append **group, size_t count, const struct delta_commit *commit)
{
	const char *first = group[0]->commit->operation, *operation = commit->operation;
	if (strcmp(first ? first : "WRITE", operation ? operation : "WRITE") != 0)
		return false;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < group[i]->commit->txn_count; j++)
			for (size_t k = 0; k < commit->txn_count; k++)
				if (mr_str_eq(group[i]->commit->txns[j].app_id, commit->txns[k].app_id))
					return false;
	return true;
}

static size_t take_group(struct delta_table *table, struct append **group)
{
	size_t count = 0;
	pthread_mutex_lock(&table->queue_lock);
	struct append **at = &table->queue;
	while (*at) {
		struct append *append = *at;
		if (count < GROUP_MAX && (!count || fits(group, count, append->commit))) {
			group[count++] = append;
			*at = append->next;
		} else {
			at = &append->next;
		}
	}
	table->queue_end = at;
	pthread_mutex_unlock(&table->queue_lock);
	return count;
}

static void commit_queued(struct delta_table *table, struct append *mine)
{
	struct append *group[GROUP_MAX];
	pthread_mutex_lock(&table->queue_lock);
	*table->queue_end = mine;
	table->queue_end = &mine->next;
	pthread_mutex_unlock(&table->queue_lock);
	pthread_mutex_lock(&table->lock);
	while (!mine->done) {
		size_t count = take_group(table, group);
		commit_group(table, group, count);
	}
	pthread_mutex_unlock(&table->lock);
}

int delta_commit(struct delta_table *table, const struct delta_commit *commit, int64_t *version_out,
		 struct mr_error *err)
{
	struct append mine = {.commit = commit, .checked = -1, .err = err};
	if (joins_groups(commit)) {
		commit_queued(table, &mine);
	} else {
		struct append *alone = &mine;
		pthread_mutex_lock(&table->lock);
		commit_group(table, &alone, 1);
		pthread_mutex_unlock(&table->lock);
	}
	if (mine.rc == 0)
		*version_out = mine.version;
	if (mine.rc == 0 && table->on_commit)
		table->on_commit(table->on_commit_arg);
	return mine.rc;
}

void delta_on_commit(struct delta_table *table, void (*fn)(void *arg), void *arg)
{
	table->on_commit = fn;
	table->on_commit_arg = arg;
}
