/* delta/history.c - what the commits say of themselves (commitInfo), newest first. */
#include "delta/internal.h"

#include <stdio.h>

struct reading {
	struct arena *arena;
	struct delta_history_entry *entry;
};

static mr_str json_text(struct arena *arena, struct json_value value)
{
	if (!json_present(value) || json_type(value) == JSON_NULL)
		return MR_STR_NULL;
	struct mr_buf text = {0};
	json_write_value(&text, value);
	mr_str copy = arena_copy(arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

static int read_info(void *arg, const struct action *action, struct mr_error *err)
{
	struct reading *reading = arg;
	struct delta_history_entry *entry = reading->entry;
	if (action->kind != ACTION_COMMIT_INFO)
		return 0;
	struct json_value info = action->commit_info;
	struct json_value in_commit = json_get(info, "inCommitTimestamp");
	struct json_value at = json_present(in_commit) ? in_commit : json_get(info, "timestamp");
	if (json_present(at))
		entry->timestamp_ms = json_int(at);
	entry->operation = arena_copy(reading->arena, json_str(json_get(info, "operation")));
	entry->operation_parameters = json_text(reading->arena, json_get(info, "operationParameters"));
	entry->operation_metrics = json_text(reading->arena, json_get(info, "operationMetrics"));
	entry->engine_info = arena_copy(reading->arena, json_str(json_get(info, "engineInfo")));
	return 1; /* there is one a commit */
}

static int read_entry(struct delta_table *table, const struct delta_log_version *commit, struct arena *arena,
		      struct delta_history_entry *entry, struct mr_error *err)
{
	*entry =
	    (struct delta_history_entry){.version = commit->version, .timestamp_ms = commit->info.mtime_ms};
	struct mr_buf bytes = {0};
	char name[32];
	snprintf(name, sizeof name, "%020lld.json", (long long)commit->version);
	struct reading reading = {arena, entry};
	int rc = delta_store_read_commit(table, commit->version, &bytes, err);
	if (rc == 0)
		rc = delta_actions_parse(table->parser, mr_buf_view(&bytes), name, read_info, &reading, err);
	mr_buf_release(&bytes);
	return rc > 0 ? 0 : rc;
}

int delta_history(struct delta_table *table, size_t limit, struct arena *arena,
		  struct delta_history_entry **out, size_t *count, struct mr_error *err)
{
	struct delta_log_listing listing;
	int rc = delta_store_list(table, &listing, err);
	if (rc == MR_ERR_NOT_FOUND || (rc == 0 && !listing.commits.len)) {
		if (rc == 0)
			delta_log_listing_release(&listing);
		return mr_fail(err, MR_ERR_NOT_FOUND, "there is no Delta table at %s", table->path);
	}
	if (rc < 0)
		return rc;
	size_t have = listing.commits.len;
	size_t wanted = limit ? mr_min_size(limit, have) : have;
	struct delta_history_entry *entries = arena_calloc(arena, wanted + 1, sizeof *entries);
	pthread_mutex_lock(&table->lock);
	for (size_t i = 0; i < wanted && rc == 0; i++)
		rc = read_entry(table, &listing.commits.items[have - 1 - i], arena, &entries[i], err);
	pthread_mutex_unlock(&table->lock);
	delta_log_listing_release(&listing);
	if (rc < 0)
		return rc;
	*out = entries;
	*count = wanted;
	return 0;
}
