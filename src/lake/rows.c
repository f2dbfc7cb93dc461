#include "lake/rows.h"

#include "lake/define.h"
#include "lake/identity.h"

#include <strings.h>

int lake_expression(struct lake_session *s, mr_str text, mr_str *out, struct mr_error *err)
{
	/* Comments of a line must not swallow what comes behind. */
	mr_str select = arena_printf(&s->arena, "SELECT (%.*s\n)", MR_FMT(text));
	int rc = s->bind(s->bind_arg, select, &s->arena, out, err);
	if (rc == 0)
		*out = mr_str_tail(*out, strlen("SELECT "));
	return rc;
}

/* ---- columns in place ---- */

static bool same(mr_str a, mr_str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static size_t position(const mr_str *names, size_t count, mr_str name)
{
	size_t at = 0;
	while (at < count && !same(names[at], name))
		at++;
	return at;
}

struct arrangement {
	struct lake_session *s;
	struct definition def;
	const mr_str *names; /* of the query's columns, in order */
	size_t count;
};

static int check_names(const struct arrangement *a, size_t given, struct mr_error *err)
{
	if (given != a->count)
		return mr_fail(err, MR_ERR_INVALID, "the query gives %zu columns where the table takes %zu",
			       given, a->count);
	for (size_t i = 0; i < a->count; i++) {
		if (!definition_find(&a->def, a->names[i]))
			return mr_fail(err, MR_ERR_INVALID, "the table has no column %.*s",
				       MR_FMT(a->names[i]));
		if (position(a->names, i, a->names[i]) < i)
			return mr_fail(err, MR_ERR_INVALID, "column %.*s is given twice",
				       MR_FMT(a->names[i]));
	}
	return 0;
}

/* One column of the inner query: given, or its default. */
static int put_given(struct arrangement *a, const struct field *field, struct mr_buf *out,
		     struct mr_error *err)
{
	mr_str text = MR_STR("NULL");
	int rc = 0;
	if (position(a->names, a->count, field->name) < a->count) {
		sql_quote_name(out, field->name);
		return 0;
	}
	mr_str value = field_get(field, "CURRENT_DEFAULT", &a->s->arena);
	if (value.len)
		rc = lake_expression(a->s, value, &text, err);
	if (identity_is(field))
		identity_values_sql(field, MR_STR(""), out);
	else
		mr_buf_str(out, text);
	mr_buf_cstr(out, " AS ");
	sql_quote_name(out, field->name);
	return rc;
}

static void put_source(struct arrangement *a, mr_str query, struct mr_buf *out)
{
	mr_buf_printf(out, " FROM (%.*s\n) AS q(", MR_FMT(query));
	for (size_t i = 0; i < a->count; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		sql_quote_name(out, definition_find(&a->def, a->names[i])->name);
	}
	mr_buf_char(out, ')');
}

static int arrange(struct arrangement *a, const struct delta_snapshot *snapshot, mr_str query,
		   struct mr_buf *out, struct mr_error *err)
{
	struct mr_buf inner = {0};
	int rc = 0;
	mr_buf_cstr(&inner, "SELECT ");
	mr_buf_cstr(out, "SELECT ");
	for (size_t i = 0; i < a->def.fields.len && rc == 0; i++) {
		const struct field *field = &a->def.fields.items[i];
		mr_str generation = field_get(field, "delta.generationExpression", &a->s->arena), text;
		bool given = position(a->names, a->count, field->name) < a->count;
		mr_buf_cstr(&inner, i ? ", " : "");
		mr_buf_cstr(out, i ? ", " : "");
		rc = put_given(a, field, &inner, err);
		if (rc == 0 && generation.len && !given) {
			rc = lake_expression(a->s, generation, &text, err);
			mr_buf_printf(out, "CAST(%.*s AS %.*s) AS ", MR_FMT(rc == 0 ? text : MR_STR("")),
				      MR_FMT(delta_column_sql_type(snapshot, i)));
		}
		sql_quote_name(out, field->name);
	}
	put_source(a, query, &inner);
	mr_buf_printf(out, " FROM (%.*s) AS r", MR_FMT(mr_buf_view(&inner)));
	mr_buf_release(&inner);
	return rc;
}

int rows_arrange(struct lake_session *s, const struct delta_snapshot *snapshot, mr_str query,
		 const mr_str *names, size_t count, bool by_name, struct mr_buf *out, struct mr_error *err)
{
	struct arrangement a = {.s = s, .names = names, .count = count};
	struct column_def *defs;
	size_t given;
	definition_init(&a.def, &s->arena);
	int rc = sql_describe(s->conn, query, &s->arena, &defs, &given, err);
	if (rc == 0)
		rc = definition_read(&a.def, delta_metadata_json(snapshot), err);
	if (rc == 0 && !count) {
		a.count = by_name ? given : a.def.fields.len;
		mr_str *own = arena_alloc(&s->arena, (a.count + 1) * sizeof *own);
		for (size_t i = 0; i < a.count; i++)
			own[i] = by_name ? defs[i].name : a.def.fields.items[i].name;
		a.names = own;
	}
	if (rc == 0)
		rc = check_names(&a, given, err);
	if (rc == 0)
		rc = arrange(&a, snapshot, query, out, err);
	definition_release(&a.def);
	return rc;
}

/* ---- what the table asks of rows ---- */

static void put_check(struct mr_buf *out, size_t *checks, mr_str condition, mr_str complaint)
{
	mr_buf_printf(out, "%sCASE WHEN %.*s THEN true ELSE CAST(error(", (*checks)++ ? " AND " : " WHERE ",
		      MR_FMT(condition));
	sql_quote_literal(out, complaint);
	mr_buf_cstr(out, ") AS BOOLEAN) END");
}

static int put_constraint(struct lake_session *s, mr_str name, mr_str expression, const char *kind,
			  struct mr_buf *out, size_t *checks, struct mr_error *err)
{
	mr_str condition;
	int rc = lake_expression(s, expression, &condition, err);
	if (rc < 0)
		return mr_error_wrap(err, rc, "%s %.*s", kind, MR_FMT(name));
	mr_str complaint = arena_printf(&s->arena, "%s %.*s (%.*s) is violated by a row", kind, MR_FMT(name),
					MR_FMT(expression));
	put_check(out, checks, condition, complaint);
	return 0;
}

static int put_generated(struct lake_session *s, const struct field *field, mr_str expression, mr_str type,
			 struct mr_buf *out, size_t *checks, struct mr_error *err)
{
	mr_str text;
	struct mr_buf condition = {0};
	int rc = lake_expression(s, expression, &text, err);
	if (rc < 0)
		return rc;
	sql_quote_name(&condition, field->name);
	mr_buf_printf(&condition, " IS NOT DISTINCT FROM CAST(%.*s AS %.*s)", MR_FMT(text), MR_FMT(type));
	put_check(out, checks, mr_buf_view(&condition),
		  arena_printf(&s->arena, "generated column %.*s: a row's value is not %.*s",
			       MR_FMT(field->name), MR_FMT(expression)));
	mr_buf_release(&condition);
	return 0;
}

/* delta.invariants: {"expression":{"expression":"x > 3"}} */
static mr_str invariant_of(struct lake_session *s, const struct field *field)
{
	mr_str text = field_get(field, "delta.invariants", &s->arena), out = MR_STR_NULL;
	if (!text.len)
		return out;
	struct json_parser *parser = json_parser_new();
	struct json_value root;
	if (json_parse(parser, text, &root, NULL) == 0)
		out = arena_copy(&s->arena, json_str(json_get(json_get(root, "expression"), "expression")));
	json_parser_free(parser);
	return out;
}

static int put_field_checks(struct lake_session *s, const struct delta_snapshot *snapshot,
			    const struct definition *def, size_t at, struct mr_buf *out, size_t *checks,
			    struct mr_error *err)
{
	const struct field *field = &def->fields.items[at];
	mr_str invariant = invariant_of(s, field);
	mr_str generation = field_get(field, "delta.generationExpression", &s->arena);
	int rc = 0;
	if (invariant.len)
		rc = put_constraint(s, field->name, invariant, "invariant of column", out, checks, err);
	if (rc == 0 && generation.len)
		rc = put_generated(s, field, generation, delta_column_sql_type(snapshot, at), out, checks,
				   err);
	return rc;
}

int rows_guard(struct lake_session *s, const struct delta_snapshot *snapshot, mr_str query,
	       struct mr_buf *out, struct mr_error *err)
{
	mr_str prefix = MR_STR("delta.constraints.");
	struct definition def;
	struct mr_buf checks = {0};
	size_t count = 0;
	definition_init(&def, &s->arena);
	int rc = definition_read(&def, delta_metadata_json(snapshot), err);
	for (size_t i = 0; i < def.properties.len && rc == 0; i++)
		if (mr_str_starts(def.properties.items[i].key, prefix))
			rc = put_constraint(s, mr_str_tail(def.properties.items[i].key, prefix.len),
					    def.properties.items[i].value, "CHECK constraint", &checks,
					    &count, err);
	for (size_t i = 0; i < def.fields.len && rc == 0; i++)
		rc = put_field_checks(s, snapshot, &def, i, &checks, &count, err);
	if (count)
		mr_buf_printf(out, "SELECT * FROM (%.*s\n) AS r%.*s", MR_FMT(query),
			      MR_FMT(mr_buf_view(&checks)));
	else
		mr_buf_str(out, query);
	mr_buf_release(&checks);
	definition_release(&def);
	return rc;
}

int rows_write(struct lake_session *s, struct delta_table *table, const struct delta_snapshot *snapshot,
	       mr_str query, struct delta_file **files, size_t *count, struct mr_error *err)
{
	struct mr_buf guarded = {0};
	int rc = rows_guard(s, snapshot, query, &guarded, err);
	if (rc == 0)
		rc = delta_write_files(table, snapshot, s->conn, mr_buf_view(&guarded), &s->arena, files,
				       count, err);
	mr_buf_release(&guarded);
	return rc;
}
