/* lake/insert.c - INSERT.
 *
 *   INSERT INTO t [(columns) | BY NAME] query | VALUES ...
 *   INSERT WITH SCHEMA EVOLUTION {INTO | OVERWRITE} t ...: columns that the table lacks are added
 *   INSERT INTO t REPLACE WHERE condition query
 *   INSERT OVERWRITE t [PARTITION (p = 'x', ...) | PARTITION (p, ...)] [(columns)] query
 *
 * PARTITION with values replaces that partition; without, each partition that the query gives rows
 * for. What goes and what comes are one version.
 */
#include "lake/change.h"
#include "lake/identity.h"
#include "lake/rows.h"

struct insertion {
	struct table_name name;
	mr_str *columns;
	size_t column_count;
	bool by_name, overwrite, evolves;
	mr_str replace_where; /* as written */
	mr_str *partitions;   /* PARTITION (p, ...) */
	size_t partition_count;
	mr_str query;
	mr_str *given; /* the columns that it is for */
	size_t given_count;
	struct mr_buf fixed; /* ", 'x' AS "p"": the values of PARTITION (p = 'x') */
};

/* PARTITION (a = 1, b = 'x') or (a, b) */
static int parse_partition(struct parser *p, struct insertion *in)
{
	static const char *const stops[] = {",", NULL};
	struct mr_buf where = {0};
	MR_VEC(mr_str) names = {0};
	int rc = parser_expect(p, "(");
	while (rc == 0) {
		mr_str name, value;
		rc = parser_word(p, "a partition column", &name);
		if (rc == 0 && parser_take(p, "=")) {
			rc = parser_stretch(p, stops, "the partition's value", &value);
			if (rc == 0) {
				mr_buf_cstr(&where, where.len ? " AND " : "");
				sql_quote_name(&where, name);
				mr_buf_printf(&where, " IS NOT DISTINCT FROM %.*s", MR_FMT(value));
				mr_buf_printf(&in->fixed, ", %.*s AS ", MR_FMT(value));
				sql_quote_name(&in->fixed, name);
			}
		} else if (rc == 0) {
			mr_vec_push(&names, name);
		}
		if (rc == 0 && !parser_take(p, ",")) {
			rc = parser_expect(p, ")");
			break;
		}
	}
	if (rc == 0 && where.len && names.len)
		rc = mr_fail(p->err, MR_ERR_UNSUPPORTED,
			     "PARTITION with values for some columns only; give all or none");
	in->replace_where = arena_copy(p->arena, mr_buf_view(&where));
	in->partition_count = names.len;
	in->partitions = arena_alloc(p->arena, (names.len + 1) * sizeof *in->partitions);
	for (size_t i = 0; i < names.len; i++)
		in->partitions[i] = names.items[i];
	mr_vec_release(&names);
	mr_buf_release(&where);
	return rc;
}

static bool begins_query(const struct parser *p)
{
	static const char *const words[] = {"select", "values", "with", "from", "table"};
	for (size_t i = 0; i < MR_COUNT(words); i++)
		if (parser_is(p, words[i]))
			return true;
	return false;
}

static int parse(struct parser *p, struct insertion *in)
{
	static const char *const stops[] = {"select", "values", "with", "from", "table", NULL};
	parser_take(p, "table");
	int rc = parser_table(p, &in->name);
	if (rc == 0 && parser_take(p, "partition"))
		rc = parse_partition(p, in);
	if (rc == 0 && parser_take(p, "by name"))
		in->by_name = true;
	if (rc == 0 && parser_is(p, "(") && !token_is(&p->tokens[p->at + 1], "select") &&
	    !token_is(&p->tokens[p->at + 1], "with"))
		rc = parser_names(p, &in->columns, &in->column_count);
	if (rc == 0 && parser_take(p, "replace where")) {
		rc = parser_stretch(p, stops, "the condition", &in->replace_where);
		in->overwrite = true;
	}
	if (rc == 0 && parser_take(p, "table")) { /* TABLE x is SELECT * FROM x */
		in->query = arena_printf(p->arena, "SELECT * FROM %.*s", MR_FMT(parser_rest(p)));
		return 0;
	}
	if (rc == 0 && !begins_query(p) && !parser_is(p, "("))
		return parser_fail(p, "a query or VALUES");
	if (rc == 0)
		in->query = parser_rest(p);
	return rc;
}

/* The query gives the columns that are listed, else all but those of PARTITION, in their order. */
static void put_fixed(const struct change *c, const struct insertion *in, mr_str query, struct mr_buf *out)
{
	const struct column_def *defs;
	size_t count = delta_columns(c->base, &defs), given = 0;
	mr_buf_cstr(out, "SELECT *");
	mr_buf_str(out, mr_buf_view(&in->fixed));
	mr_buf_printf(out, " FROM (%.*s\n) AS q(", MR_FMT(query));
	for (size_t i = 0; i < (in->column_count ? in->column_count : count); i++) {
		struct mr_buf name = {0};
		sql_quote_name(&name, in->column_count ? in->columns[i] : defs[i].name);
		if (in->column_count || !memmem(in->fixed.ptr, in->fixed.len, name.ptr, name.len))
			mr_buf_printf(out, "%s%s", given++ ? ", " : "", name.ptr);
		mr_buf_release(&name);
	}
	mr_buf_char(out, ')');
}

/* The columns that the query is for. */
static int note_given(struct change *c, struct insertion *in, mr_str query, struct mr_error *err)
{
	struct column_def *defs;
	const struct column_def *own;
	size_t count, own_count = delta_columns(c->base, &own);
	if (in->column_count) {
		in->given = in->columns;
		in->given_count = in->column_count;
		return identity_check(c, in->given, in->given_count, err);
	}
	int rc = sql_describe(c->s->conn, query, &c->s->arena, &defs, &count, err);
	if (rc < 0)
		return rc;
	in->given_count = in->by_name ? count : own_count;
	in->given = arena_alloc(&c->s->arena, (in->given_count + 1) * sizeof *in->given);
	for (size_t i = 0; i < in->given_count; i++)
		in->given[i] = in->by_name ? defs[i].name : own[i].name;
	return identity_check(c, in->given, in->given_count, err);
}

/* The query in DuckDB's SQL, every column of the table in its place. */
static int arrange(struct change *c, struct insertion *in, mr_str *out, struct mr_error *err)
{
	struct lake_session *s = c->s;
	mr_str bound;
	struct mr_buf text = {0}, arranged = {0};
	mr_buf_str(&text, in->query);
	int rc = s->bind(s->bind_arg, mr_buf_view(&text), &s->arena, &bound, err);
	if (rc == 0 && in->evolves)
		rc = change_grow(c, bound, in->columns, in->column_count, in->by_name || in->fixed.len, err);
	mr_buf_clear(&text);
	if (in->fixed.len && rc == 0) {
		put_fixed(c, in, bound, &text);
		in->by_name = true;
		in->column_count = 0;
		bound = arena_copy(&s->arena, mr_buf_view(&text));
	}
	if (rc == 0)
		rc = note_given(c, in, bound, err);
	if (rc == 0)
		rc = rows_arrange(s, c->base, bound, in->columns, in->column_count, in->by_name, &arranged,
				  err);
	if (rc == 0)
		*out = arena_copy(&s->arena, mr_buf_view(&arranged));
	mr_buf_release(&text);
	mr_buf_release(&arranged);
	return rc;
}

/* Every new row must be one that the condition means: else it would not be replaced next time. */
static mr_str guard_condition(struct change *c, mr_str condition, mr_str query)
{
	struct mr_buf out = {0};
	mr_buf_printf(
	    &out,
	    "SELECT * FROM (%.*s\n) AS r WHERE CASE WHEN %.*s THEN true ELSE CAST(error('a row to be "
	    "written does not meet REPLACE WHERE') AS BOOLEAN) END",
	    MR_FMT(query), MR_FMT(condition));
	mr_str copy = arena_copy(&c->s->arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return copy;
}

/* The files of the partitions that the new files are of. */
static void remove_same_partitions(struct change *c)
{
	const mr_str *names;
	size_t partitions = delta_partition_columns(c->base, &names);
	for (size_t i = 0; i < c->file_count; i++) {
		bool hit = false;
		for (size_t j = 0; j < c->added.len && !hit; j++) {
			size_t k = 0;
			while (k < partitions && mr_str_eq(c->files[i].partition_values[k],
							   c->added.items[j].partition_values[k]))
				k++;
			hit = k == partitions;
		}
		if (hit)
			change_remove(c, i);
	}
}

/* The new rows, and where identity columns go on. */
static int add_rows(struct change *c, const struct insertion *in, mr_str query, struct mr_error *err)
{
	int64_t before = change_rows_added(c);
	int rc = change_add_rows(c, query, err);
	return rc == 0 ? identity_advance(c, in->given, in->given_count, change_rows_added(c) - before, err)
		       : rc;
}

static int overwrite(struct change *c, struct insertion *in, mr_str query, struct mr_error *err)
{
	mr_str condition;
	int rc = 0;
	if (in->replace_where.len) {
		rc = lake_expression(c->s, in->replace_where, &condition, err);
		if (rc == 0)
			rc = change_delete_where(c, condition, err);
		return rc == 0 ? add_rows(c, in, guard_condition(c, condition, query), err) : rc;
	}
	rc = add_rows(c, in, query, err);
	c->looks = true;
	if (rc == 0 && in->partition_count) {
		remove_same_partitions(c);
	} else if (rc == 0) {
		c->reads_table = true;
		for (size_t i = 0; i < c->file_count; i++)
			change_remove(c, i);
	}
	return rc;
}

static int run(struct lake_session *s, struct parser *p, struct mr_buf *report, bool overwrites, bool evolves)
{
	struct insertion in = {.overwrite = overwrites, .evolves = evolves};
	struct delta_table *table;
	struct change c;
	mr_str query;
	int rc = parse(p, &in);
	if (rc == 0)
		rc = lake_resolve(s, &in.name, true, &table, p->err);
	if (rc == 0) {
		rc = in.overwrite ? change_open(&c, s, table, p->err)
				  : change_open_append(&c, s, table, p->err);
		if (rc == 0)
			rc = arrange(&c, &in, &query, p->err);
		if (rc == 0)
			rc = in.overwrite ? overwrite(&c, &in, query, p->err)
					  : add_rows(&c, &in, query, p->err);
		int64_t rows = change_rows_added(&c);
		if (rc == 0)
			rc = change_commit(
			    &c, "WRITE", in.overwrite ? "{\"mode\":\"Overwrite\"}" : "{\"mode\":\"Append\"}",
			    p->err);
		change_close(&c);
		if (rc == 0)
			mr_buf_printf(report,
				      "SELECT CAST(%lld AS BIGINT) AS num_affected_rows, "
				      "CAST(%lld AS BIGINT) AS num_inserted_rows",
				      (long long)rows, (long long)rows);
		rc = rc < 0 ? rc : 1;
	} else if (rc == 1) {
		rc = 0; /* DuckDB's table, or nobody's */
	}
	mr_buf_release(&in.fixed);
	return rc;
}

int lake_insert_into(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	return run(s, p, report, false, false);
}

int lake_insert_overwrite(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	return run(s, p, report, true, false);
}

int lake_insert_evolving(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	bool overwrites = parser_take(p, "overwrite");
	int rc = overwrites ? 0 : parser_expect(p, "into");
	return rc == 0 ? run(s, p, report, overwrites, true) : rc;
}
