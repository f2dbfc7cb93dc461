/* delta/compact_log.c - x.y.compacted.json: the commits x .. y as one file, for faster opening.
 *
 * Of each key (a file with its deletion vector, an application, a domain, protocol, metadata) the newest
 * action stays, removals among them; commitInfo and cdc are left out (protocol, "Log Compaction Files").
 * The commits themselves stay: who reads versions in between needs them.
 */
#include "delta/internal.h"

struct compaction {
	struct delta_table *table;
	struct mr_map lines; /* key -> char *, the action's line */
	size_t bytes;
};

static void put_key(struct mr_buf *key, char kind, mr_str name, const struct delta_dv *dv)
{
	mr_buf_char(key, kind);
	mr_buf_str(key, name);
	if (dv)
		mr_buf_printf(key, "\n%c%.*s@%lld", dv->storage, MR_FMT(dv->data), (long long)dv->offset);
}

/* 1: such an action is left out. */
static int key_of(const struct action *action, struct mr_buf *key, struct mr_error *err)
{
	struct arena arena = {0};
	mr_str path;
	int rc = 0;
	switch (action->kind) {
	case ACTION_PROTOCOL:
		put_key(key, 'p', MR_STR(""), NULL);
		break;
	case ACTION_METADATA:
		put_key(key, 'm', MR_STR(""), NULL);
		break;
	case ACTION_TXN:
		put_key(key, 't', action->txn.app_id, NULL);
		break;
	case ACTION_DOMAIN:
		put_key(key, 'd', action->domain.domain, NULL);
		break;
	case ACTION_ADD:
	case ACTION_REMOVE:
		rc = delta_path_decode(action->file.path, &arena, &path, err);
		if (rc == 0)
			put_key(key, 'f', path, action->file.has_dv ? &action->file.dv : NULL);
		break;
	default:
		rc = 1;
	}
	arena_release(&arena);
	return rc;
}

static int take_line(struct compaction *c, mr_str line, struct mr_error *err)
{
	struct action action;
	struct mr_buf key = {0};
	int rc = delta_action_parse(c->table->parser, line, &action, err);
	if (rc == 0)
		rc = key_of(&action, &key, err);
	if (rc == 0) {
		char *before = mr_map_put(&c->lines, mr_buf_view(&key), mr_strndup(line));
		c->bytes += line.len + 1 - (before ? strlen(before) + 1 : 0);
		free(before);
		if (c->bytes > COMMIT_BYTES_MAX)
			rc = mr_fail(err, MR_ERR_LIMIT,
				     "the commits come to more than %zu bytes: choose fewer",
				     COMMIT_BYTES_MAX);
	}
	mr_buf_release(&key);
	return rc < 0 ? rc : 0;
}

static int take_commit(struct compaction *c, int64_t version, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	int rc = delta_store_read_commit(c->table, version, &bytes, err);
	mr_str left = mr_buf_view(&bytes);
	while (left.len && rc == 0) {
		const char *end = memchr(left.ptr, '\n', left.len);
		mr_str line = mr_str_n(left.ptr, end ? (size_t)(end - left.ptr) : left.len);
		left = mr_str_tail(left, mr_min_size(line.len + 1, left.len));
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		rc = line.len ? take_line(c, line, err) : 0;
	}
	mr_buf_release(&bytes);
	return rc;
}

static int compact(struct delta_table *table, int64_t from, int64_t to, struct mr_error *err)
{
	struct compaction c = {.table = table};
	struct mr_buf out = {0};
	int rc = delta_log_advance(table, err);
	if (rc == 0 && (from < 0 || to <= from || to > table->state->version))
		rc = mr_fail(err, MR_ERR_INVALID, "%s: there are no versions %lld to %lld to make one of",
			     table->path, (long long)from, (long long)to);
	for (int64_t version = from; version <= to && rc == 0; version++)
		rc = take_commit(&c, version, err);
	mr_map_each (&c.lines, line) {
		mr_buf_cstr(&out, line->value);
		mr_buf_char(&out, '\n');
		free(line->value);
	}
	mr_map_release(&c.lines);
	if (rc == 0)
		rc = delta_store_put_compacted(table, from, to, mr_buf_view(&out), err);
	mr_buf_release(&out);
	return rc;
}

int delta_compact_log(struct delta_table *table, int64_t from, int64_t to, struct mr_error *err)
{
	pthread_mutex_lock(&table->lock);
	int rc = compact(table, from, to, err);
	pthread_mutex_unlock(&table->lock);
	return rc;
}
