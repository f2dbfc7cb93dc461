/* lake/update.c - UPDATE t [[AS] alias] SET a = e, ... [WHERE condition]. */
#include "lake/assign.h"
#include "lake/rows.h"

struct update {
	struct change c;
	struct definition def;
	struct assignments set;
	mr_str condition; /* DuckDB's; empty: every row */
};

/* The columns as they are to be; a generated one that is not set is left to rows_arrange. */
static void put_updated(struct update *u, struct mr_buf *out, mr_str *names, size_t *count)
{
	*count = 0;
	mr_buf_cstr(out, "SELECT ");
	for (size_t i = 0; i < u->def.fields.len; i++) {
		const struct field *field = &u->def.fields.items[i];
		const struct assignment *set = assign_find(&u->set, field->name);
		if (!set && field_get(field, "delta.generationExpression", &u->c.s->arena).len)
			continue;
		mr_buf_cstr(out, *count ? ", " : "");
		if (set)
			mr_buf_printf(out, "CASE WHEN %.*s THEN CAST(%.*s AS %.*s) ELSE ",
				      MR_FMT(u->condition), MR_FMT(set->value),
				      MR_FMT(delta_column_sql_type(u->c.base, i)));
		sql_quote_name(out, field->name);
		mr_buf_cstr(out, set ? " END" : "");
		names[(*count)++] = field->name;
	}
}

/* Rows of the chosen files after the update: all of them, or the changed ones alone. */
static int updated_rows(struct update *u, const size_t *chosen, size_t count, bool changed_only, mr_str *out,
			struct mr_error *err)
{
	struct arena *arena = &u->c.s->arena;
	mr_str *names = arena_alloc(arena, (u->def.fields.len + 1) * sizeof *names);
	size_t name_count;
	struct mr_buf query = {0}, arranged = {0};
	put_updated(u, &query, names, &name_count);
	mr_buf_cstr(&query, " FROM ");
	change_scan(&u->c, chosen, count, &query);
	mr_buf_printf(&query, " AS %.*s", MR_FMT(u->c.alias));
	if (changed_only)
		mr_buf_printf(&query, " WHERE %.*s", MR_FMT(u->condition));
	int rc =
	    rows_arrange(u->c.s, u->c.base, mr_buf_view(&query), names, name_count, false, &arranged, err);
	if (rc == 0)
		*out = arena_copy(arena, mr_buf_view(&arranged));
	mr_buf_release(&query);
	mr_buf_release(&arranged);
	return rc;
}

static int feed(struct update *u, const size_t *chosen, size_t count, struct mr_error *err)
{
	mr_str after;
	struct mr_buf sql = {0};
	if (!u->c.has_feed)
		return 0;
	int rc = updated_rows(u, chosen, count, true, &after, err);
	mr_buf_cstr(&sql, "SELECT ");
	change_columns(&u->c, "", &sql);
	mr_buf_cstr(&sql, ", 'update_preimage' AS _change_type FROM ");
	change_scan(&u->c, chosen, count, &sql);
	mr_buf_printf(&sql, " AS %.*s WHERE %.*s UNION ALL SELECT *, 'update_postimage' FROM (%.*s) AS a",
		      MR_FMT(u->c.alias), MR_FMT(u->condition), MR_FMT(rc == 0 ? after : MR_STR("")));
	if (rc == 0)
		rc = change_add_feed(&u->c, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	return rc;
}

static int update_rows(struct update *u, struct mr_error *err)
{
	size_t *chosen, count;
	mr_str rows;
	int rc = change_find(&u->c, u->condition, &chosen, &count, &u->c.rows_removed, err);
	if (rc < 0 || !count)
		return rc;
	bool marks = change_can_mark(&u->c, chosen, count);
	rc = updated_rows(u, chosen, count, marks, &rows, err);
	if (rc == 0)
		rc = change_add_rows(&u->c, rows, err);
	if (rc == 0 && marks)
		rc = change_mark_where(&u->c, chosen, count, u->condition, err);
	for (size_t i = 0; i < count && !marks; i++)
		change_remove(&u->c, chosen[i]);
	return rc == 0 ? feed(u, chosen, count, err) : rc;
}

static int run(struct update *u, struct parser *p)
{
	static const char *const stops[] = {"where", NULL};
	struct lake_session *s = u->c.s;
	int rc = definition_read(&u->def, delta_metadata_json(u->c.base), p->err);
	if (rc == 0)
		rc = parser_expect(p, "set");
	if (rc == 0)
		rc = assign_parse(s, p, &u->def, stops, &u->set);
	u->condition = MR_STR("true");
	if (rc == 0 && parser_take(p, "where"))
		rc = lake_expression(s, parser_rest(p), &u->condition, p->err);
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = update_rows(u, p->err);
	if (rc < 0)
		return rc;
	change_metric(&u->c, "numUpdatedRows", u->c.rows_removed);
	change_metric(&u->c, "numCopiedRows", change_rows_added(&u->c) - u->c.rows_removed);
	change_metric(&u->c, "numAddedFiles", (int64_t)u->c.added.len);
	return change_commit(&u->c, "UPDATE", "{}", p->err);
}

int lake_update(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	static const char *const not_alias[] = {"set", NULL};
	struct table_name name;
	struct delta_table *table;
	struct update u = {0};
	mr_str alias;
	int rc = parser_table(p, &name);
	if (rc == 0)
		rc = parser_alias(p, &name, not_alias, &alias);
	if (rc == 0)
		rc = lake_resolve(s, &name, true, &table, p->err);
	if (rc != 0)
		return rc < 0 ? rc : 0; /* 1: DuckDB's table, or nobody's */
	rc = change_open(&u.c, s, table, p->err);
	if (rc < 0)
		return rc;
	u.c.alias = alias;
	definition_init(&u.def, &s->arena);
	rc = run(&u, p);
	if (rc == 0)
		mr_buf_printf(report, "SELECT CAST(%lld AS BIGINT) AS num_affected_rows",
			      (long long)u.c.rows_removed);
	mr_vec_release(&u.set.items);
	definition_release(&u.def);
	change_close(&u.c);
	return rc < 0 ? rc : 1;
}
