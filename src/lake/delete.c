/* lake/delete.c - DELETE FROM t [[AS] alias] [WHERE condition]; TRUNCATE is DELETE without WHERE. */
#include "codec/json.h"
#include "lake/change.h"

static int delete_rows(struct change *c, mr_str where, struct mr_error *err)
{
	mr_str condition;
	if (where.len) {
		int rc = lake_expression(c->s, where, &condition, err);
		return rc == 0 ? change_delete_where(c, condition, err) : rc;
	}
	c->reads_table = true;
	for (size_t i = 0; i < c->file_count; i++) {
		change_remove(c, i);
		c->rows_removed += mr_max_i64(c->files[i].rows, 0);
	}
	return 0;
}

static int commit(struct change *c, mr_str where, struct mr_error *err)
{
	int64_t removed = 0;
	struct mr_buf parameters = {0};
	for (size_t i = 0; i < c->file_count; i++)
		removed += c->removed[i];
	change_metric(c, "numRemovedFiles", removed - (int64_t)c->marked.len);
	change_metric(c, "numDeletionVectorsAdded", (int64_t)c->marked.len);
	change_metric(c, "numAddedFiles", (int64_t)c->added.len);
	change_metric(c, "numDeletedRows", c->rows_removed);
	change_metric(c, "numCopiedRows", change_rows_added(c));
	mr_buf_cstr(&parameters, "{\"predicate\":");
	struct mr_buf list = {0};
	if (where.len)
		json_quote(&list, where);
	json_quote(&parameters, arena_printf(&c->s->arena, "[%s]", list.len ? list.ptr : ""));
	mr_buf_char(&parameters, '}');
	int rc = change_commit(c, "DELETE", parameters.ptr, err);
	mr_buf_release(&list);
	mr_buf_release(&parameters);
	return rc;
}

int lake_delete(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	static const char *const not_alias[] = {"where", NULL};
	struct table_name name;
	struct delta_table *table;
	struct change c;
	mr_str where = MR_STR(""), alias;
	int rc = parser_table(p, &name);
	if (rc == 0)
		rc = parser_alias(p, &name, not_alias, &alias);
	if (rc == 0 && parser_take(p, "where"))
		where = parser_rest(p);
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = lake_resolve(s, &name, true, &table, p->err);
	if (rc != 0)
		return rc < 0 ? rc : 0; /* 1: DuckDB's table, or nobody's */
	rc = change_open(&c, s, table, p->err);
	if (rc < 0)
		return rc;
	c.alias = alias;
	rc = delete_rows(&c, where, p->err);
	int64_t rows = c.rows_removed;
	if (rc == 0)
		rc = commit(&c, where, p->err);
	change_close(&c);
	if (rc == 0)
		mr_buf_printf(report, "SELECT CAST(%lld AS BIGINT) AS num_affected_rows", (long long)rows);
	return rc < 0 ? rc : 1;
}
