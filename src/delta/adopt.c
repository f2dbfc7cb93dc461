/* delta/adopt.c - Parquet files that are there already, as a table's data files: what the log has to say of
 * them is read from their footers.
 *
 * Bounds are taken of whole numbers and dates alone, where every row group has them: of strings a footer
 * may hold cut ones, of floating point it leaves NaN out, and unknown is always right.
 */
#include "delta/internal.h"

#include <stdlib.h>

enum figure { FIGURE_MIN, FIGURE_MAX, FIGURE_NULLS, FIGURES };

static bool has_bounds(const struct column_def *def)
{
	return def->type == COL_BYTE || def->type == COL_SHORT || def->type == COL_INTEGER ||
	       def->type == COL_LONG || def->type == COL_DATE;
}

static bool has_figures(const struct table_meta *meta, size_t i)
{
	return !meta->columns[i].partition && !meta->columns[i].nested && !meta->columns[i].is_void;
}

static void put_bound(struct mr_buf *out, const char *function, const struct table_column *column)
{
	mr_buf_printf(
	    out,
	    ", CASE WHEN bool_and(stats_%s_value IS NOT NULL OR stats_null_count = num_values) FILTER "
	    "(here) THEN CAST(%s(TRY_CAST(stats_%s_value AS %.*s)) FILTER (here) AS VARCHAR) END",
	    function, function, function, MR_FMT(column->sql_type));
}

/* One row: num_rows, then min, max, null_count of each column. `here` stands for the column's name. */
static void put_query(struct mr_buf *out, const struct table_meta *meta, mr_str path)
{
	mr_buf_cstr(out, "SELECT (SELECT CAST(num_rows AS VARCHAR) FROM parquet_file_metadata(");
	sql_quote_literal(out, path);
	mr_buf_cstr(out, "))");
	for (size_t i = 0; i < meta->column_count; i++) {
		const struct table_column *column = &meta->columns[i];
		struct mr_buf one = {0};
		if (!has_figures(meta, i))
			continue;
		for (int figure = 0; figure < FIGURES; figure++) {
			if (figure == FIGURE_NULLS)
				mr_buf_cstr(
				    &one,
				    ", CASE WHEN count(*) FILTER (here) = count(stats_null_count) FILTER "
				    "(here) THEN CAST(sum(stats_null_count) FILTER (here) AS VARCHAR) END");
			else if (has_bounds(&meta->defs[i]))
				put_bound(&one, figure == FIGURE_MIN ? "min" : "max", column);
			else
				mr_buf_cstr(&one, ", CAST(NULL AS VARCHAR)");
		}
		struct mr_buf here = {0};
		mr_buf_cstr(&here, "WHERE path_in_schema = ");
		sql_quote_literal(&here, column->physical);
		for (mr_str rest = mr_buf_view(&one); rest.len;) {
			const char *at = memmem(rest.ptr, rest.len, "(here)", 6);
			size_t before = at ? (size_t)(at - rest.ptr) : rest.len;
			mr_buf_append(out, rest.ptr, before);
			if (at)
				mr_buf_printf(out, "(%s)", here.ptr);
			rest = mr_str_tail(rest, before + (at ? 6 : 0));
		}
		mr_buf_release(&here);
		mr_buf_release(&one);
	}
	mr_buf_cstr(out, " FROM parquet_metadata(");
	sql_quote_literal(out, path);
	mr_buf_char(out, ')');
}

/* The figures as COPY ... RETURN_STATS gives them: what delta_stats_write takes. */
static void put_figures(struct mr_buf *out, const struct table_meta *meta, struct sql_result *row)
{
	static const char *const names[FIGURES] = {"min", "max", "null_count"};
	struct json_writer w = json_writer(out);
	size_t at = 1;
	json_begin_object(&w);
	for (size_t i = 0; i < meta->column_count; i++) {
		if (!has_figures(meta, i))
			continue;
		struct mr_buf key = {0};
		sql_quote_name(&key, meta->columns[i].physical);
		json_key_str(&w, mr_buf_view(&key));
		mr_buf_release(&key);
		json_begin_object(&w);
		for (int figure = 0; figure < FIGURES; figure++, at++)
			if (!sql_is_null(row, at))
				json_member_str(&w, names[figure], sql_text(row, at));
		json_end_object(&w);
	}
	json_end_object(&w);
}

static int put_stats(const struct table_meta *meta, struct json_parser *parser, struct sql_result *row,
		     struct delta_file *file, struct arena *arena, struct mr_error *err)
{
	struct mr_buf figures = {0}, stats = {0};
	struct json_value root;
	size_t null_column;
	file->rows = strtoll(arena_copy(arena, sql_text(row, 0)).ptr, NULL, 10);
	put_figures(&figures, meta, row);
	int rc = json_parse(parser, mr_buf_view(&figures), &root, err);
	if (rc == 0) {
		delta_stats_write(&stats, meta, file->rows, root, &null_column);
		file->stats_json = arena_copy(arena, mr_buf_view(&stats));
	}
	mr_buf_release(&figures);
	mr_buf_release(&stats);
	return rc;
}

static int adopt(struct delta_table *table, const struct table_meta *meta, struct json_parser *parser,
		 struct sql_conn *conn, struct delta_file *file, struct arena *arena, struct mr_error *err)
{
	struct mr_buf sql = {0};
	struct sql_result *row = NULL;
	struct file_info info;
	char *path = mr_asprintf("%s/%.*s", table->path, MR_FMT(file->path));
	put_query(&sql, meta, mr_str_from(path));
	int rc = disk_stat(table->env->disk, path, &info, err);
	if (rc == 0)
		rc = disk_fetch(table->env->disk, path, err);
	if (rc == 0)
		rc = sql_query(conn, mr_buf_view(&sql), &row, err);
	if (rc == 0)
		rc = sql_next(row, err);
	if (rc == 1) {
		file->size = info.size;
		rc = put_stats(meta, parser, row, file, arena, err);
	}
	sql_result_free(row);
	mr_buf_release(&sql);
	free(path);
	return rc < 0 ? mr_error_wrap(err, rc, "%.*s", MR_FMT(file->path)) : 0;
}

int delta_adopt_files(struct delta_table *table, mr_str metadata, struct sql_conn *conn,
		      struct delta_file *files, size_t count, struct arena *arena, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct action_metadata action;
	struct table_meta *meta = NULL;
	int rc = json_parse(parser, metadata, &action.body, err);
	if (rc == 0)
		rc = delta_meta_parse(parser, &action, &meta, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = adopt(table, meta, parser, conn, &files[i], arena, err);
	delta_meta_unref(meta);
	json_parser_free(parser);
	return rc;
}
