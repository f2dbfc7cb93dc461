/* lake/merge.c - MERGE INTO.
 *
 *   MERGE [WITH SCHEMA EVOLUTION] INTO t [AS a] USING source [AS s] ON condition
 *     WHEN MATCHED [AND c] THEN UPDATE SET * | UPDATE SET a = e, ... | DELETE
 *     WHEN NOT MATCHED [BY TARGET] [AND c] THEN INSERT * | INSERT (a, ...) VALUES (e, ...)
 *     WHEN NOT MATCHED BY SOURCE [AND c] THEN UPDATE SET a = e, ... | DELETE
 *
 * Of the clauses of a kind the first whose condition is true applies. A row of the table that more
 * than one row of the source would change is an error.
 *
 * How: the source is read once, into a table of the connection, its rows numbered. One join reads
 * only the columns that conditions name and yields actions: (file, row, source row, clause). Files
 * that have actions are then written again, joined with their actions; the others are not touched.
 * What DuckDB cannot hold in its memory it spills.
 */
#include "lake/assign.h"
#include "lake/identity.h"
#include "lake/rows.h"

#define SOURCE LAKE_SCHEMA ".merge_source"
#define MATCHES LAKE_SCHEMA ".merge_matches"
#define ACTIONS LAKE_SCHEMA ".merge_actions"
#define TOUCHED LAKE_SCHEMA ".merge_touched"
#define CLAUSES_MAX 64

enum clause_kind { MATCHED, NOT_MATCHED, NOT_MATCHED_BY_SOURCE };

struct clause {
	enum clause_kind kind;
	mr_str condition; /* DuckDB's; "true" when there is none */
	bool deletes, star, conditional;
	struct assignments set; /* of an update or an insert */
};

struct merge {
	struct change c;
	bool evolves;
	struct definition def;
	mr_str source, source_alias, condition;
	struct clause clauses[CLAUSES_MAX];
	size_t clause_count;
	struct column_def *source_columns;
	size_t source_column_count;
	int64_t inserted, updated, deleted;
};

/* ---- the statement ---- */

static int parse_insert(struct merge *m, struct parser *p, struct clause *clause)
{
	static const char *const stops[] = {",", NULL};
	mr_str *names, text, value;
	size_t count;
	int rc = parser_names(p, &names, &count);
	if (rc == 0)
		rc = parser_expect(p, "values (");
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct field *field = definition_find(&m->def, names[i]);
		if (!field)
			return mr_fail(p->err, MR_ERR_INVALID, "the table has no column %.*s",
				       MR_FMT(names[i]));
		if (parser_take(p, "default")) {
			rc = assign_default(m->c.s, field, &value, p->err);
		} else {
			rc = parser_stretch(p, stops, "a value", &text);
			if (rc == 0)
				rc = lake_expression(m->c.s, text, &value, p->err);
		}
		if (rc == 0)
			assign_add(&clause->set, field->name, value);
		if (rc == 0)
			rc = parser_expect(p, i + 1 < count ? "," : ")");
	}
	return rc;
}

static int parse_action(struct merge *m, struct parser *p, struct clause *clause)
{
	static const char *const stops[] = {"when", NULL};
	if (clause->kind == NOT_MATCHED) {
		int rc = parser_expect(p, "insert");
		clause->star = rc == 0 && parser_take(p, "*");
		return rc < 0 || clause->star ? rc : parse_insert(m, p, clause);
	}
	if (parser_take(p, "delete")) {
		clause->deletes = true;
		return 0;
	}
	if (!parser_take(p, "update set"))
		return parser_fail(p, "UPDATE SET or DELETE");
	clause->star = clause->kind == MATCHED && parser_take(p, "*");
	return clause->star ? 0 : assign_parse(m->c.s, p, &m->def, stops, &clause->set);
}

static int parse_clause(struct merge *m, struct parser *p)
{
	static const char *const stops[] = {"then", NULL};
	mr_str text;
	if (m->clause_count == CLAUSES_MAX)
		return mr_fail(p->err, MR_ERR_LIMIT, "more than %d WHEN clauses", CLAUSES_MAX);
	struct clause *clause = &m->clauses[m->clause_count++];
	*clause = (struct clause){.condition = MR_STR("true")};
	int rc = parser_expect(p, "when");
	if (rc == 0 && !parser_take(p, "matched")) {
		rc = parser_expect(p, "not matched");
		clause->kind = parser_take(p, "by source") ? NOT_MATCHED_BY_SOURCE : NOT_MATCHED;
		if (clause->kind == NOT_MATCHED)
			parser_take(p, "by target");
	}
	if (rc == 0 && parser_take(p, "and")) {
		clause->conditional = true;
		rc = parser_stretch(p, stops, "the clause's condition", &text);
		if (rc == 0)
			rc = lake_expression(m->c.s, text, &clause->condition, p->err);
	}
	if (rc == 0)
		rc = parser_expect(p, "then");
	return rc == 0 ? parse_action(m, p, clause) : rc;
}

/* USING table [AS s] | (query) [AS s] */
static int parse_source(struct merge *m, struct parser *p)
{
	static const char *const not_alias[] = {"on", NULL};
	struct table_name name = {0};
	struct table_time time = {0};
	mr_str text;
	int rc = parser_expect(p, "using");
	if (rc == 0 && parser_is(p, "(")) {
		rc = parser_parentheses(p, &text);
		text = rc == 0 ? arena_printf(p->arena, "SELECT * FROM (%.*s\n) AS q", MR_FMT(text)) : text;
	} else if (rc == 0) {
		const struct token *first = parser_peek(p);
		rc = parser_table(p, &name);
		if (rc == 0)
			rc = lake_parse_time(m->c.s, p, &time);
		const struct token *last = &p->tokens[p->at - 1];
		text = arena_printf(p->arena, "SELECT * FROM %.*s",
				    (int)(last->at + last->text.len - first->at), p->text.ptr + first->at);
	}
	if (rc == 0)
		rc = m->c.s->bind(m->c.s->bind_arg, text, &m->c.s->arena, &m->source, p->err);
	return rc == 0 ? parser_alias(p, &name, not_alias, &m->source_alias) : rc;
}

static int parse(struct merge *m, struct parser *p)
{
	static const char *const stops[] = {"when", NULL};
	mr_str text;
	int rc = parse_source(m, p);
	if (rc == 0)
		rc = parser_expect(p, "on");
	if (rc == 0)
		rc = parser_stretch(p, stops, "the merge condition", &text);
	if (rc == 0)
		rc = lake_expression(m->c.s, text, &m->condition, p->err);
	if (rc == 0 && parser_at_end(p))
		return parser_fail(p, "WHEN MATCHED or WHEN NOT MATCHED");
	while (rc == 0 && !parser_at_end(p))
		rc = parse_clause(m, p);
	return rc;
}

/* ---- SET * and INSERT * ---- */

static int expand_star(struct merge *m, struct clause *clause, struct mr_error *err)
{
	for (size_t i = 0; i < m->source_column_count; i++) {
		mr_str name = m->source_columns[i].name;
		const struct field *field = definition_find(&m->def, name);
		if (!field) {
			mr_fail(err, MR_ERR_INVALID, "the source has a column %.*s, which the table lacks",
				MR_FMT(name));
			return mr_hint(err, "ALTER TABLE ... ADD COLUMNS first, or name the columns");
		}
		if (clause->kind == MATCHED && identity_is(field)) {
			mr_fail(err, MR_ERR_INVALID, "the identity column %.*s cannot be set",
				MR_FMT(field->name));
			return mr_hint(err, "UPDATE SET names the other columns, one by one");
		}
		struct mr_buf value = {0};
		mr_buf_printf(&value, "%.*s.", MR_FMT(m->source_alias));
		sql_quote_name(&value, name);
		assign_add(&clause->set, field->name, arena_copy(&m->c.s->arena, mr_buf_view(&value)));
		mr_buf_release(&value);
	}
	/* As in Spark, SET * and INSERT * want every column of the table in the source. */
	for (size_t i = 0; i < m->def.fields.len; i++) {
		const struct field *field = &m->def.fields.items[i];
		bool made = field_get(field, "delta.generationExpression", &m->c.s->arena).len ||
			    field_get(field, "CURRENT_DEFAULT", &m->c.s->arena).len || identity_is(field);
		if (!assign_find(&clause->set, field->name) && !made && !m->evolves)
			return mr_fail(err, MR_ERR_INVALID, "the source has no column %.*s for '*'",
				       MR_FMT(field->name));
	}
	return 0;
}

/* With evolution, '*' brings columns that the table lacks. */
static int grow(struct merge *m, struct mr_error *err)
{
	bool stars = false;
	for (size_t i = 0; i < m->clause_count; i++)
		stars |= m->clauses[i].star;
	if (!m->evolves || !stars)
		return 0;
	int rc = change_grow(&m->c, m->source, NULL, 0, true, err);
	definition_release(&m->def);
	definition_init(&m->def, &m->c.s->arena);
	return rc == 0 ? definition_read(&m->def, delta_metadata_json(m->c.base), err) : rc;
}

static int read_source(struct merge *m, struct mr_error *err)
{
	struct mr_buf sql = {0};
	int rc = sql_describe(m->c.s->conn, m->source, &m->c.s->arena, &m->source_columns,
			      &m->source_column_count, err);
	mr_buf_printf(&sql,
		      "CREATE SCHEMA IF NOT EXISTS " LAKE_SCHEMA "; CREATE OR REPLACE TABLE " SOURCE
		      " AS SELECT *, row_number() OVER () AS __mr_source FROM (%.*s\n) AS q",
		      MR_FMT(m->source));
	if (rc == 0)
		rc = sql_exec(m->c.s->conn, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	for (size_t i = 0; i < m->clause_count && rc == 0; i++)
		if (m->clauses[i].star)
			rc = expand_star(m, &m->clauses[i], err);
	return rc;
}

/* ---- actions ---- */

static bool has_clause(const struct merge *m, enum clause_kind kind)
{
	for (size_t i = 0; i < m->clause_count; i++)
		if (m->clauses[i].kind == kind)
			return true;
	return false;
}

/* CASE WHEN c THEN 1 ... ELSE 0 END: the first clause of the kind that applies, from 1. */
static void put_choice(const struct merge *m, enum clause_kind kind, struct mr_buf *out)
{
	mr_buf_cstr(out, "CASE");
	for (size_t i = 0; i < m->clause_count; i++)
		if (m->clauses[i].kind == kind)
			mr_buf_printf(out, " WHEN %.*s THEN %zu", MR_FMT(m->clauses[i].condition), i + 1);
	mr_buf_cstr(out, has_clause(m, kind) ? " ELSE 0 END" : " WHEN true THEN 0 END");
}

static void put_target(struct merge *m, struct mr_buf *out)
{
	m->c.looks = true;
	size_t *all = arena_alloc(&m->c.s->arena, (m->c.file_count + 1) * sizeof *all);
	for (size_t i = 0; i < m->c.file_count; i++) {
		all[i] = i;
		m->c.read[i] = true;
	}
	change_scan(&m->c, all, m->c.file_count, out);
	mr_buf_printf(out, " AS %.*s", MR_FMT(m->c.alias));
}

static int find_actions(struct merge *m, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "CREATE OR REPLACE TABLE " MATCHES " AS SELECT " DELTA_FILE_COLUMN
			  ", " DELTA_ROW_COLUMN ", __mr_source, ");
	put_choice(m, MATCHED, &sql);
	mr_buf_cstr(&sql, " AS clause FROM ");
	put_target(m, &sql);
	mr_buf_printf(&sql, " JOIN " SOURCE " AS %.*s ON %.*s; ", MR_FMT(m->source_alias),
		      MR_FMT(m->condition));
	mr_buf_cstr(&sql,
		    "CREATE OR REPLACE TABLE " ACTIONS " AS SELECT * FROM " MATCHES " WHERE clause > 0");
	if (has_clause(m, NOT_MATCHED_BY_SOURCE)) {
		mr_buf_cstr(&sql, " UNION ALL SELECT * FROM (SELECT " DELTA_FILE_COLUMN ", " DELTA_ROW_COLUMN
				  ", NULL, ");
		put_choice(m, NOT_MATCHED_BY_SOURCE, &sql);
		mr_buf_cstr(&sql, " AS clause FROM ");
		put_target(m, &sql);
		mr_buf_cstr(&sql, " ANTI JOIN " MATCHES " USING (" DELTA_FILE_COLUMN ", " DELTA_ROW_COLUMN
				  ")) AS o WHERE clause > 0");
	}
	int rc = sql_exec(m->c.s->conn, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	return rc;
}

static int count_of(struct merge *m, const char *query, int64_t *out, struct mr_error *err)
{
	struct sql_result *result = NULL;
	int rc = sql_query(m->c.s->conn, mr_str_from(query), &result, err);
	if (rc == 0)
		rc = sql_next(result, err);
	if (rc == 1)
		*out = sql_int(result, 0);
	sql_result_free(result);
	return rc < 0 ? rc : 0;
}

/* Deleting a row twice is deleting it: with one unconditional DELETE nothing is ambiguous. */
static bool only_deletes(const struct merge *m)
{
	size_t matched = 0;
	bool plain = true;
	for (size_t i = 0; i < m->clause_count; i++)
		if (m->clauses[i].kind == MATCHED) {
			matched++;
			plain &= m->clauses[i].deletes && !m->clauses[i].conditional;
		}
	return matched == 1 && plain;
}

static int check_unambiguous(struct merge *m, struct mr_error *err)
{
	int64_t doubled = 0;
	int rc = count_of(m,
			  "SELECT count(*) FROM (SELECT 1 FROM " ACTIONS " GROUP BY " DELTA_FILE_COLUMN
			  ", " DELTA_ROW_COLUMN " HAVING count(*) > 1)",
			  &doubled, err);
	if (rc < 0 || !doubled)
		return rc;
	if (only_deletes(m))
		return sql_exec(m->c.s->conn,
				MR_STR("CREATE OR REPLACE TABLE " ACTIONS " AS SELECT " DELTA_FILE_COLUMN
				       ", " DELTA_ROW_COLUMN
				       ", min(__mr_source) AS __mr_source, clause FROM " ACTIONS
				       " GROUP BY ALL"),
				err);
	mr_fail(err, MR_ERR_INVALID, "%lld rows of the table are matched by more than one row of the source",
		(long long)doubled);
	return mr_hint(err, "which of them should win cannot be known: make the source's keys unique");
}

/* ---- rows ---- */

static bool is_left_to_generate(const struct merge *m, const struct field *field)
{
	if (!field_get(field, "delta.generationExpression", &m->c.s->arena).len)
		return false;
	for (size_t i = 0; i < m->clause_count; i++)
		if (assign_find(&m->clauses[i].set, field->name))
			return false;
	return true;
}

/* New rows are computed more than once (for the change feed, too): numbered in the source's order they get
 * the same values each time. */
static void put_identity(const struct merge *m, const struct field *field, struct mr_buf *out)
{
	mr_str order = arena_printf(&m->c.s->arena, "ORDER BY %.*s.__mr_source", MR_FMT(m->source_alias));
	identity_values_sql(field, order, out);
}

/* CASE clause WHEN 1 THEN e ... ELSE otherwise END, for every column that is not generated. */
static int put_values(struct merge *m, bool inserts, struct mr_buf *out, mr_str *names, size_t *count,
		      struct mr_error *err)
{
	int rc = 0;
	*count = 0;
	for (size_t i = 0; i < m->def.fields.len && rc == 0; i++) {
		const struct field *field = &m->def.fields.items[i];
		mr_str otherwise;
		if (is_left_to_generate(m, field))
			continue;
		names[(*count)++] = field->name;
		mr_buf_printf(out, "%sCAST(CASE x.clause WHEN -1 THEN NULL", *count > 1 ? ", " : "");
		for (size_t k = 0; k < m->clause_count; k++) {
			const struct assignment *set = assign_find(&m->clauses[k].set, field->name);
			if (set && (m->clauses[k].kind == NOT_MATCHED) == inserts)
				mr_buf_printf(out, " WHEN %zu THEN %.*s", k + 1, MR_FMT(set->value));
		}
		mr_buf_cstr(out, " ELSE ");
		if (inserts && identity_is(field)) {
			put_identity(m, field, out);
		} else if (inserts) {
			rc = assign_default(m->c.s, field, &otherwise, err);
			mr_buf_str(out, rc == 0 ? otherwise : MR_STR(""));
		} else {
			mr_buf_printf(out, "%.*s.", MR_FMT(m->c.alias));
			sql_quote_name(out, field->name);
		}
		mr_buf_printf(out, " END AS %.*s) AS ", MR_FMT(delta_column_sql_type(m->c.base, i)));
		sql_quote_name(out, field->name);
	}
	return rc;
}

/* The rows of the chosen files after the merge (changed_only: those that an update changed). */
static void put_kept_from(struct merge *m, const size_t *chosen, size_t count, bool changed_only,
			  struct mr_buf *out)
{
	mr_buf_cstr(out, " FROM ");
	change_scan(&m->c, chosen, count, out);
	mr_buf_printf(out,
		      " AS %.*s %s JOIN " TOUCHED " AS x USING (" DELTA_FILE_COLUMN ", " DELTA_ROW_COLUMN
		      ") LEFT JOIN " SOURCE " AS %.*s ON %.*s.__mr_source = x.__mr_source WHERE true",
		      MR_FMT(m->c.alias), changed_only ? "" : "LEFT", MR_FMT(m->source_alias),
		      MR_FMT(m->source_alias));
	for (size_t i = 0; i < m->clause_count; i++)
		if (m->clauses[i].deletes)
			mr_buf_printf(out, " AND x.clause IS DISTINCT FROM %zu", i + 1);
}

static void put_new_from(struct merge *m, struct mr_buf *out)
{
	mr_buf_printf(out, " FROM (SELECT *, ");
	put_choice(m, NOT_MATCHED, out);
	mr_buf_printf(out,
		      " AS __mr_clause FROM " SOURCE " AS %.*s ANTI JOIN " MATCHES
		      " USING (__mr_source)) AS %.*s, LATERAL (SELECT %.*s.__mr_clause AS clause) AS x "
		      "WHERE x.clause > 0",
		      MR_FMT(m->source_alias), MR_FMT(m->source_alias), MR_FMT(m->source_alias));
}

enum part { KEPT, UPDATED, NEW };

static int rows_of(struct merge *m, enum part part, const size_t *chosen, size_t count, mr_str *out,
		   struct mr_error *err)
{
	struct arena *arena = &m->c.s->arena;
	mr_str *names = arena_alloc(arena, (m->def.fields.len + 1) * sizeof *names);
	size_t name_count;
	struct mr_buf sql = {0}, arranged = {0};
	mr_buf_cstr(&sql, "SELECT ");
	int rc = put_values(m, part == NEW, &sql, names, &name_count, err);
	if (part == NEW)
		put_new_from(m, &sql);
	else
		put_kept_from(m, chosen, count, part == UPDATED, &sql);
	if (rc == 0)
		rc = rows_arrange(m->c.s, m->c.base, mr_buf_view(&sql), names, name_count, false, &arranged,
				  err);
	if (rc == 0)
		*out = arena_copy(arena, mr_buf_view(&arranged));
	mr_buf_release(&sql);
	mr_buf_release(&arranged);
	return rc;
}

/* ---- identity columns ---- */

/* Identity columns that no INSERT leaves to the table: their mark stays where it is. */
static size_t explicit_columns(const struct merge *m, mr_str *names)
{
	size_t count = 0;
	for (size_t i = 0; i < m->def.fields.len; i++) {
		bool left = false;
		for (size_t k = 0; k < m->clause_count; k++)
			left |= m->clauses[k].kind == NOT_MATCHED &&
				!assign_find(&m->clauses[k].set, m->def.fields.items[i].name);
		if (!left)
			names[count++] = m->def.fields.items[i].name;
	}
	return count;
}

static int advance_identity(struct merge *m, struct mr_error *err)
{
	mr_str *names = arena_alloc(&m->c.s->arena, (m->def.fields.len + 1) * sizeof *names);
	return identity_advance(&m->c, names, explicit_columns(m, names), m->inserted, err);
}

/* What INSERT says of columns that are GENERATED ALWAYS. */
static int check_identity(const struct merge *m, struct mr_error *err)
{
	int rc = 0;
	for (size_t k = 0; k < m->clause_count && rc == 0; k++) {
		const struct assignments *set = &m->clauses[k].set;
		mr_str *names = arena_alloc(&m->c.s->arena, (set->items.len + 1) * sizeof *names);
		for (size_t i = 0; i < set->items.len; i++)
			names[i] = set->items.items[i].column;
		if (m->clauses[k].kind == NOT_MATCHED)
			rc = identity_check(&m->c, names, set->items.len, err);
	}
	return rc;
}

/* ---- writing ---- */

static int touched_files(struct merge *m, size_t **chosen, size_t *count, struct mr_error *err)
{
	struct sql_result *result = NULL;
	struct mr_buf sql = {0};
	size_t *found = arena_alloc(&m->c.s->arena, (m->c.file_count + 1) * sizeof *found);
	*count = 0;
	int rc = sql_query(m->c.s->conn,
			   MR_STR("SELECT DISTINCT " DELTA_FILE_COLUMN " FROM " ACTIONS " ORDER BY 1"),
			   &result, err);
	while (rc >= 0 && (rc = sql_next(result, err)) == 1)
		found[(*count)++] = (size_t)sql_int(result, 0);
	sql_result_free(result);
	*chosen = found;
	/* Scans of the chosen number them from 0. */
	mr_buf_cstr(&sql, "CREATE OR REPLACE TABLE " TOUCHED
			  " AS SELECT a.* REPLACE (CAST(m.i AS UBIGINT) AS " DELTA_FILE_COLUMN
			  ") FROM " ACTIONS " a JOIN (VALUES (-1, -1)");
	for (size_t i = 0; i < *count && rc == 0; i++)
		mr_buf_printf(&sql, ", (%zu, %zu)", found[i], i);
	mr_buf_cstr(&sql, ") m(f, i) ON a." DELTA_FILE_COLUMN " = m.f");
	if (rc == 0)
		rc = sql_exec(m->c.s->conn, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	return rc;
}

static int feed(struct merge *m, const size_t *chosen, size_t count, struct mr_error *err)
{
	mr_str after, new;
	struct mr_buf sql = {0};
	if (!m->c.has_feed)
		return 0;
	int rc = rows_of(m, UPDATED, chosen, count, &after, err);
	if (rc == 0)
		rc = rows_of(m, NEW, NULL, 0, &new, err);
	if (rc == 0) {
		mr_buf_cstr(&sql, "SELECT ");
		change_columns(&m->c, "t.", &sql);
		mr_buf_cstr(&sql, ", CASE WHEN x.clause IN (0");
		for (size_t i = 0; i < m->clause_count; i++)
			if (m->clauses[i].deletes)
				mr_buf_printf(&sql, ", %zu", i + 1);
		mr_buf_cstr(&sql, ") THEN 'delete' ELSE 'update_preimage' END AS _change_type FROM ");
		change_scan(&m->c, chosen, count, &sql);
		mr_buf_printf(&sql,
			      " AS t JOIN " TOUCHED " AS x USING (" DELTA_FILE_COLUMN ", " DELTA_ROW_COLUMN
			      ") UNION ALL SELECT *, 'update_postimage' FROM (%.*s) AS a UNION ALL SELECT *, "
			      "'insert' FROM (%.*s) AS n",
			      MR_FMT(after), MR_FMT(new));
		rc = change_add_feed(&m->c, mr_buf_view(&sql), err);
	}
	mr_buf_release(&sql);
	return rc;
}

static int count_actions(struct merge *m, struct mr_error *err)
{
	struct sql_result *result = NULL;
	int rc = sql_query(m->c.s->conn, MR_STR("SELECT clause, count(*) FROM " ACTIONS " GROUP BY 1"),
			   &result, err);
	while (rc >= 0 && (rc = sql_next(result, err)) == 1) {
		const struct clause *clause = &m->clauses[sql_int(result, 0) - 1];
		*(clause->deletes ? &m->deleted : &m->updated) += sql_int(result, 1);
	}
	sql_result_free(result);
	return rc;
}

static int write_rows(struct merge *m, struct mr_error *err)
{
	size_t *chosen, count;
	mr_str rows, new = MR_STR("");
	int rc = touched_files(m, &chosen, &count, err);
	if (rc == 0)
		rc = rows_of(m, NEW, NULL, 0, &new, err);
	if (rc == 0 && has_clause(m, NOT_MATCHED)) {
		rc = change_add_rows(&m->c, new, err);
		m->inserted = change_rows_added(&m->c);
		if (rc == 0)
			rc = advance_identity(m, err);
	}
	if (rc == 0 && count) {
		bool marks = change_can_mark(&m->c, chosen, count);
		rc = rows_of(m, marks ? UPDATED : KEPT, chosen, count, &rows, err);
		if (rc == 0)
			rc = change_add_rows(&m->c, rows, err);
		if (rc == 0 && marks)
			rc = change_mark(&m->c,
					 MR_STR("SELECT DISTINCT " DELTA_FILE_COLUMN ", " DELTA_ROW_COLUMN
						" FROM " ACTIONS),
					 NULL, err);
		for (size_t i = 0; i < count && !marks; i++)
			change_remove(&m->c, chosen[i]);
	}
	return rc == 0 ? feed(m, chosen, count, err) : rc;
}

static int merge(struct merge *m, struct parser *p)
{
	int rc = definition_read(&m->def, delta_metadata_json(m->c.base), p->err);
	if (rc == 0)
		rc = parse(m, p);
	if (rc == 0)
		rc = grow(m, p->err);
	if (rc == 0)
		rc = read_source(m, p->err);
	if (rc == 0)
		rc = check_identity(m, p->err);
	if (rc == 0)
		rc = find_actions(m, p->err);
	if (rc == 0)
		rc = check_unambiguous(m, p->err);
	if (rc == 0)
		rc = count_actions(m, p->err);
	if (rc == 0)
		rc = write_rows(m, p->err);
	if (rc < 0)
		return rc;
	int64_t copied = change_rows_added(&m->c) - m->inserted - m->updated;
	change_metric(&m->c, "numTargetRowsInserted", m->inserted);
	change_metric(&m->c, "numTargetRowsUpdated", m->updated);
	change_metric(&m->c, "numTargetRowsDeleted", m->deleted);
	change_metric(&m->c, "numTargetRowsCopied", copied);
	change_metric(&m->c, "numTargetFilesAdded", (int64_t)m->c.added.len);
	return change_commit(&m->c, "MERGE", "{}", p->err);
}

static void forget_tables(struct merge *m)
{
	int ignored = sql_exec(m->c.s->conn,
			       MR_STR("DROP TABLE IF EXISTS " SOURCE "; DROP TABLE IF EXISTS " MATCHES
				      "; DROP TABLE IF EXISTS " ACTIONS "; DROP TABLE IF EXISTS " TOUCHED),
			       NULL);
	(void)ignored;
}

static int run(struct lake_session *s, struct parser *p, struct mr_buf *report, bool evolves)
{
	static const char *const not_alias[] = {"using", NULL};
	struct table_name name;
	struct delta_table *table;
	mr_str alias;
	int rc = parser_table(p, &name);
	if (rc == 0)
		rc = parser_alias(p, &name, not_alias, &alias);
	if (rc == 0)
		rc = lake_resolve(s, &name, true, &table, p->err);
	if (rc == 1)
		rc = mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(name.text));
	if (rc < 0)
		return rc;
	struct merge *m = mr_calloc(1, sizeof *m);
	rc = change_open(&m->c, s, table, p->err);
	if (rc == 0) {
		m->c.alias = alias;
		m->evolves = evolves;
		definition_init(&m->def, &s->arena);
		rc = merge(m, p);
		forget_tables(m);
		if (rc == 0)
			mr_buf_printf(
			    report,
			    "SELECT CAST(%lld AS BIGINT) AS num_affected_rows, CAST(%lld AS BIGINT) AS "
			    "num_updated_rows, CAST(%lld AS BIGINT) AS num_deleted_rows, CAST(%lld AS "
			    "BIGINT) AS num_inserted_rows",
			    (long long)(m->updated + m->deleted + m->inserted), (long long)m->updated,
			    (long long)m->deleted, (long long)m->inserted);
		for (size_t i = 0; i < m->clause_count; i++)
			mr_vec_release(&m->clauses[i].set.items);
		definition_release(&m->def);
		change_close(&m->c);
	}
	free(m);
	return rc < 0 ? rc : 1;
}

int lake_merge(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	return run(s, p, report, false);
}

int lake_merge_evolving(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	return run(s, p, report, true);
}
