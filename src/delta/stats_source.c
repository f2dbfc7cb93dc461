/* delta/stats_source.c - statistics that stay in the log until somebody asks.
 *
 * They are the larger half of a big table's log, and most queries need a few of them or none. A
 * checkpoint's are found again by row, a large commit's by counting its add actions.
 *
 * Threading: a source does not change once a snapshot was taken that knows it; any thread may visit.
 */
#include "delta/internal.h"

struct stats_source *delta_stats_source_new(const struct file_set *set, struct delta_table *table,
					    mr_str path, bool is_checkpoint)
{
	if (set->source_count == STATS_SOURCES)
		return NULL;
	struct stats_source *source = mr_calloc(1, sizeof *source);
	source->table = table;
	source->path = mr_strndup(path);
	source->is_checkpoint = is_checkpoint;
	return source;
}

void delta_stats_source_add(struct file_set *set, struct stats_source *source)
{
	size_t count = set->source_count;
	MR_ASSERT(count < STATS_SOURCES);
	set->sources[count] = source;
	atomic_store(&set->source_count, count + 1);
}

void delta_stats_sources_copy(struct file_set *to, const struct file_set *from, const uint32_t *moved)
{
	for (size_t i = 0; i < from->source_count; i++) {
		const struct stats_source *source = from->sources[i];
		struct stats_source *copy = delta_stats_source_new(
		    to, source->table, mr_str_from(source->path), source->is_checkpoint);
		copy->parsed_only = source->parsed_only;
		for (size_t row = 0; row < source->entries.len; row++) {
			uint32_t entry = source->entries.items[row];
			mr_vec_push(&copy->entries, entry ? moved[entry - 1] : 0);
		}
		delta_stats_source_add(to, copy);
	}
}

void delta_stats_source_set(struct stats_source *source, size_t row, size_t entry)
{
	while (source->entries.len <= row)
		mr_vec_push(&source->entries, 0);
	source->entries.items[row] = (uint32_t)entry + 1;
}

void delta_stats_source_free(struct stats_source *source)
{
	if (!source)
		return;
	mr_vec_release(&source->entries);
	free(source->path);
	free(source);
}

struct visit {
	const struct stats_source *source;
	size_t count;
	const bool *want;
	stats_fn fn;
	void *arg;
	size_t row;
	struct json_parser *parser; /* of a commit's lines */
};

static bool wanted(const struct visit *v, size_t row, size_t *entry)
{
	if (row >= v->source->entries.len || !v->source->entries.items[row])
		return false;
	*entry = v->source->entries.items[row] - 1;
	return *entry < v->count && (!v->want || v->want[*entry]);
}

/* The rows between the first and the last that are wanted; false: none is. */
static bool wanted_rows(const struct visit *v, size_t *first, size_t *last)
{
	size_t entry;
	bool any = false;
	for (size_t row = 0; row < v->source->entries.len; row++) {
		if (!wanted(v, row, &entry))
			continue;
		if (!any)
			*first = row;
		*last = row;
		any = true;
	}
	return any;
}

static void visit_checkpoint(const struct visit *v, size_t first, size_t last)
{
	struct sql_conn *conn;
	struct sql_result *result = NULL;
	struct mr_buf sql = {0};
	size_t entry;
	if (disk_fetch(v->source->table->env->disk, v->source->path, NULL) < 0 ||
	    sql_connect(v->source->table->engine, &conn, NULL) < 0)
		return;
	mr_buf_printf(&sql, "SELECT file_row_number, %s FROM read_parquet(",
		      v->source->parsed_only ? "CAST(to_json(add.stats_parsed) AS VARCHAR)" : "add.stats");
	delta_scan_put_path(&sql, mr_str_from(v->source->path));
	mr_buf_printf(&sql, ") WHERE file_row_number BETWEEN %zu AND %zu", first, last);
	int rc = sql_query(conn, mr_buf_view(&sql), &result, NULL);
	while (rc >= 0 && (rc = sql_next(result, NULL)) == 1)
		if (wanted(v, (size_t)sql_int(result, 0), &entry) && !sql_is_null(result, 1))
			v->fn(v->arg, entry, sql_str(result, 1));
	sql_result_free(result);
	mr_buf_release(&sql);
	sql_disconnect(conn);
}

static int visit_add(void *arg, const struct action *action, struct mr_error *err)
{
	struct visit *v = arg;
	size_t entry;
	(void)err;
	if (action->kind == ACTION_ADD && wanted(v, v->row++, &entry) && action->file.stats.len)
		v->fn(v->arg, entry, action->file.stats);
	return 0;
}

static int visit_lines(void *arg, mr_str lines, size_t at, struct mr_error *err)
{
	struct visit *v = arg;
	(void)at;
	return delta_actions_parse(v->parser, lines, "", visit_add, v, err);
}

static void visit_commit(struct visit *v)
{
	v->parser = json_parser_new();
	int ignored = delta_store_visit_lines(v->source->table, v->source->path, visit_lines, v, NULL);
	(void)ignored;
	json_parser_free(v->parser);
}

void delta_stats_visit(const struct file_set *set, size_t count, const bool *want, stats_fn fn, void *arg)
{
	bool later = false;
	for (size_t i = 0; i < count; i++) {
		const struct file_entry *entry = delta_file_set_at(set, i);
		bool wants = !want || want[i];
		later |= wants && entry->stats_later;
		if (wants && entry->stats)
			fn(arg, i, file_entry_stats(entry));
	}
	/* Sources that came after `count` entries know no entry below it. */
	size_t sources = later ? set->source_count : 0;
	for (size_t i = 0; i < sources; i++) {
		struct visit v = {set->sources[i], count, want, fn, arg, 0, NULL};
		size_t first, last;
		if (!wanted_rows(&v, &first, &last))
			continue;
		if (v.source->is_checkpoint)
			visit_checkpoint(&v, first, last);
		else
			visit_commit(&v);
	}
}

bool delta_stats_sources_exist(const struct file_set *set)
{
	for (size_t i = 0; i < set->source_count; i++)
		if (!disk_exists(set->sources[i]->table->env->disk, set->sources[i]->path))
			return false;
	return true;
}
