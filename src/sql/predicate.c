#include "sql/predicate.h"

#include "base/vec.h"
#include "sql/internal.h"

#include <stdio.h>
#include <strings.h>

#define DEPTH_MAX 200

/* The table whose columns are looked for. */
struct scope {
	struct arena *arena;
	mr_str alias, schema, table;
	bool alone; /* nothing else is in the FROM: a bare name is its column, if it has one */
};

static bool type_is(struct json_value v, const char *type)
{
	return mr_str_is(json_str(json_get(v, "type")), type);
}

static bool same_name(mr_str a, mr_str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static struct sql_predicate *new_predicate(const struct scope *s, enum predicate_kind kind)
{
	struct sql_predicate *p = arena_calloc(s->arena, 1, sizeof *p);
	p->kind = kind;
	return p;
}

static struct sql_predicate *any(const struct scope *s)
{
	return new_predicate(s, PREDICATE_ANY);
}

static struct sql_predicate *combine(const struct scope *s, enum predicate_kind kind,
				     struct sql_predicate **children, size_t count)
{
	struct sql_predicate *p = new_predicate(s, kind);
	p->children = arena_calloc(s->arena, count + 1, sizeof *p->children);
	for (size_t i = 0; i < count; i++) {
		if (children[i]->kind != PREDICATE_ANY)
			p->children[p->count++] = children[i];
		else if (kind == PREDICATE_OR)
			return any(s);
	}
	return p->count ? p : any(s);
}

/* ---- columns and constants ---- */

static bool take_column(const struct scope *s, struct json_value v, mr_str *out)
{
	if (!type_is(v, "COLUMN_REF"))
		return false;
	struct json_value names = json_get(v, "column_names");
	size_t count = json_count(names);
	mr_str first = json_str(json_at(names, 0)), second = json_str(json_at(names, 1));
	if (count == 1 && !s->alone)
		return false;
	if (count == 2 && !same_name(first, s->alias.len ? s->alias : s->table))
		return false;
	if (count == 3 && (s->alias.len || !same_name(first, s->schema) || !same_name(second, s->table)))
		return false;
	if (count < 1 || count > 3)
		return false;
	*out = arena_copy(s->arena, json_str(json_at(names, count - 1)));
	return true;
}

/* 15 with scale 1: 1.5 */
static mr_str decimal_text(struct arena *arena, int64_t value, int64_t scale)
{
	char digits[64];
	bool negative = value < 0;
	uint64_t magnitude = negative ? -(uint64_t)value : (uint64_t)value;
	int n = snprintf(digits, sizeof digits, "%0*llu", (int)scale + 1, (unsigned long long)magnitude);
	return arena_printf(arena, "%s%.*s.%s", negative ? "-" : "", n - (int)scale, digits,
			    digits + n - scale);
}

static bool take_number(const struct scope *s, struct json_value type, struct json_value value,
			struct sql_predicate *p)
{
	static const char *const types[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT", "UTINYINT",
					    "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT",  "DOUBLE"};
	mr_str id = json_str(json_get(type, "id"));
	p->constant = CONSTANT_NUMBER;
	if (mr_str_is(id, "DECIMAL") && json_type(value) == JSON_INT) {
		int64_t scale = json_int(json_get(json_get(type, "type_info"), "scale"));
		if (scale < 0 || scale > 38)
			return false;
		p->value = scale ? decimal_text(s->arena, json_int(value), scale)
				 : arena_printf(s->arena, "%lld", (long long)json_int(value));
		return true;
	}
	bool known = false;
	for (size_t i = 0; i < MR_COUNT(types); i++)
		known |= mr_str_is(id, types[i]);
	bool is_number =
	    json_type(value) == JSON_INT || json_type(value) == JSON_UINT || json_type(value) == JSON_DOUBLE;
	if (!known || !is_number)
		return false;
	struct mr_buf text = {0};
	json_write_value(&text, value);
	p->value = arena_copy(s->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return true;
}

static bool take_plain(const struct scope *s, struct json_value v, struct sql_predicate *p)
{
	struct json_value constant = json_get(v, "value"), type = json_get(constant, "type");
	if (!type_is(v, "VALUE_CONSTANT") || json_bool(json_get(constant, "is_null")))
		return false;
	struct json_value value = json_get(constant, "value");
	if (!mr_str_is(json_str(json_get(type, "id")), "VARCHAR"))
		return take_number(s, type, value, p);
	p->constant = CONSTANT_TEXT;
	p->value = arena_copy(s->arena, json_str(value));
	return json_type(value) == JSON_STRING;
}

/* A constant, or a text that is cast to a date or a time. */
static bool take_constant(const struct scope *s, struct json_value v, struct sql_predicate *p)
{
	static const struct {
		const char *type;
		enum predicate_constant constant;
	} casts[] = {{"DATE", CONSTANT_DATE},
		     {"TIMESTAMP", CONSTANT_TIME},
		     {"TIMESTAMP WITH TIME ZONE", CONSTANT_TIME}};
	if (!type_is(v, "OPERATOR_CAST"))
		return take_plain(s, v, p);
	if (!take_plain(s, json_get(v, "child"), p) || p->constant != CONSTANT_TEXT ||
	    json_bool(json_get(v, "try_cast")))
		return false;
	mr_str to = json_str(json_get(json_get(v, "cast_type"), "id"));
	for (size_t i = 0; i < MR_COUNT(casts); i++) {
		p->constant = casts[i].constant;
		if (mr_str_is(to, casts[i].type))
			return true;
	}
	return false;
}

/* ---- the tree ---- */

static struct sql_predicate *compare(const struct scope *s, struct json_value left, struct json_value right,
				     enum predicate_comparison comparison)
{
	static const enum predicate_comparison mirrored[] = {
	    [COMPARE_EQ] = COMPARE_EQ, [COMPARE_NE] = COMPARE_NE, [COMPARE_LT] = COMPARE_GT,
	    [COMPARE_LE] = COMPARE_GE, [COMPARE_GT] = COMPARE_LT, [COMPARE_GE] = COMPARE_LE};
	struct sql_predicate *p = new_predicate(s, PREDICATE_COMPARE);
	p->comparison = comparison;
	if (take_column(s, left, &p->column) && take_constant(s, right, p))
		return p;
	p->comparison = mirrored[comparison];
	if (take_column(s, right, &p->column) && take_constant(s, left, p))
		return p;
	return any(s);
}

static bool comparison_of(struct json_value v, bool negated, enum predicate_comparison *out)
{
	static const struct {
		const char *type;
		enum predicate_comparison is, is_not;
	} comparisons[] = {
	    {"COMPARE_EQUAL", COMPARE_EQ, COMPARE_NE},
	    {"COMPARE_NOTEQUAL", COMPARE_NE, COMPARE_EQ},
	    {"COMPARE_LESSTHAN", COMPARE_LT, COMPARE_GE},
	    {"COMPARE_LESSTHANOREQUALTO", COMPARE_LE, COMPARE_GT},
	    {"COMPARE_GREATERTHAN", COMPARE_GT, COMPARE_LE},
	    {"COMPARE_GREATERTHANOREQUALTO", COMPARE_GE, COMPARE_LT},
	};
	for (size_t i = 0; i < MR_COUNT(comparisons); i++) {
		*out = negated ? comparisons[i].is_not : comparisons[i].is;
		if (type_is(v, comparisons[i].type))
			return true;
	}
	return false;
}

static struct sql_predicate *build(const struct scope *s, struct json_value v, bool negated, int depth);

static struct sql_predicate *build_children(const struct scope *s, struct json_value v, bool is_and,
					    bool negated, int depth)
{
	struct json_value list = json_get(v, "children");
	struct sql_predicate **children = arena_calloc(s->arena, json_count(list) + 1, sizeof *children);
	size_t count = 0;
	for (struct json_iter it = json_iter(list); json_next(&it);)
		children[count++] = build(s, it.value, negated, depth);
	return combine(s, is_and != negated ? PREDICATE_AND : PREDICATE_OR, children, count);
}

static struct sql_predicate *build_between(const struct scope *s, struct json_value v, bool negated)
{
	struct json_value input = json_get(v, "input");
	struct sql_predicate *both[] = {
	    compare(s, input, json_get(v, "lower"), negated ? COMPARE_LT : COMPARE_GE),
	    compare(s, input, json_get(v, "upper"), negated ? COMPARE_GT : COMPARE_LE)};
	return combine(s, negated ? PREDICATE_OR : PREDICATE_AND, both, 2);
}

static struct sql_predicate *build_in(const struct scope *s, struct json_value v, bool negated)
{
	struct json_value list = json_get(v, "children"), column = json_at(list, 0);
	struct sql_predicate **children = arena_calloc(s->arena, json_count(list) + 1, sizeof *children);
	size_t count = 0, at = 0;
	for (struct json_iter it = json_iter(list); json_next(&it); at++)
		if (at)
			children[count++] = compare(s, column, it.value, negated ? COMPARE_NE : COMPARE_EQ);
	return combine(s, negated ? PREDICATE_AND : PREDICATE_OR, children, count);
}

static struct sql_predicate *build_null(const struct scope *s, struct json_value v, bool is_null)
{
	struct sql_predicate *p = new_predicate(s, is_null ? PREDICATE_IS_NULL : PREDICATE_IS_NOT_NULL);
	return take_column(s, json_at(json_get(v, "children"), 0), &p->column) ? p : any(s);
}

/* s LIKE 'abc%': what comes before the first wildcard. */
static struct sql_predicate *build_like(const struct scope *s, struct json_value v)
{
	struct json_value children = json_get(v, "children");
	struct sql_predicate *p = new_predicate(s, PREDICATE_PREFIX);
	bool is_like = mr_str_is(json_str(json_get(v, "function_name")), "~~");
	if ((!is_like && !mr_str_is(json_str(json_get(v, "function_name")), "starts_with")) ||
	    json_count(children) != 2 || !take_column(s, json_at(children, 0), &p->column) ||
	    !take_plain(s, json_at(children, 1), p) || p->constant != CONSTANT_TEXT)
		return any(s);
	size_t len = 0;
	while (len < p->value.len && !(is_like && strchr("%_\\", p->value.ptr[len])))
		len++;
	p->value.len = len;
	return len ? p : any(s);
}

static struct sql_predicate *build(const struct scope *s, struct json_value v, bool negated, int depth)
{
	enum predicate_comparison comparison;
	if (depth > DEPTH_MAX)
		return any(s);
	if (type_is(v, "CONJUNCTION_AND"))
		return build_children(s, v, true, negated, depth + 1);
	if (type_is(v, "CONJUNCTION_OR"))
		return build_children(s, v, false, negated, depth + 1);
	if (type_is(v, "OPERATOR_NOT"))
		return build(s, json_at(json_get(v, "children"), 0), !negated, depth + 1);
	if (comparison_of(v, negated, &comparison))
		return compare(s, json_get(v, "left"), json_get(v, "right"), comparison);
	if (type_is(v, "COMPARE_BETWEEN"))
		return build_between(s, v, negated);
	if (type_is(v, "COMPARE_IN") || type_is(v, "COMPARE_NOT_IN"))
		return build_in(s, v, negated != type_is(v, "COMPARE_NOT_IN"));
	if (type_is(v, "OPERATOR_IS_NULL") || type_is(v, "OPERATOR_IS_NOT_NULL"))
		return build_null(s, v, type_is(v, "OPERATOR_IS_NULL") != negated);
	if (type_is(v, "FUNCTION") && !negated)
		return build_like(s, v);
	return any(s);
}

/* ---- the tables of a statement ---- */

/* A table may be named more than once: each of its places is an alternative. */
struct found {
	mr_str schema, table;
	size_t places, understood;
	MR_VEC(struct sql_predicate *) predicates;
};

struct search {
	struct arena *arena;
	MR_VEC(struct found) tables;
};

static struct found *find_table(struct search *search, struct json_value ref)
{
	mr_str schema = json_str(json_get(ref, "schema_name")), table = json_str(json_get(ref, "table_name"));
	for (size_t i = 0; i < search->tables.len; i++) {
		struct found *f = &search->tables.items[i];
		if (same_name(f->schema, schema) && same_name(f->table, table))
			return f;
	}
	struct found f = {.schema = arena_copy(search->arena, schema),
			  .table = arena_copy(search->arena, table)};
	mr_vec_push(&search->tables, f);
	return &search->tables.items[search->tables.len - 1];
}

static bool is_plain_table(struct json_value ref)
{
	return type_is(ref, "BASE_TABLE") && !json_str(json_get(ref, "catalog_name")).len &&
	       json_type(json_get(ref, "sample")) == JSON_NULL &&
	       json_type(json_get(ref, "at_clause")) == JSON_NULL &&
	       json_count(json_get(ref, "column_name_alias")) == 0;
}

/* Which rows of the tables below a FROM's part reach the WHERE, whole or not at all: both sides of an inner
 * join, the outer side of an outer one. condition: of the inner joins around it. */
static void search_from(struct search *search, struct json_value from, struct json_value where,
			const struct json_value *conditions, size_t condition_count, bool alone)
{
	struct json_value inner[8];
	if (is_plain_table(from)) {
		struct scope s = {search->arena, json_str(json_get(from, "alias")),
				  json_str(json_get(from, "schema_name")),
				  json_str(json_get(from, "table_name")), alone};
		struct sql_predicate *all[MR_COUNT(inner) + 1];
		size_t count = 0;
		if (json_present(where))
			all[count++] = build(&s, where, false, 0);
		for (size_t i = 0; i < condition_count; i++)
			all[count++] = build(&s, conditions[i], false, 0);
		struct found *f = find_table(search, from);
		mr_vec_push(&f->predicates, combine(&s, PREDICATE_AND, all, count));
		f->understood++;
		return;
	}
	mr_str join = json_str(json_get(from, "join_type")), kind = json_str(json_get(from, "ref_type"));
	if (!type_is(from, "JOIN") || (!mr_str_is(kind, "REGULAR") && !mr_str_is(kind, "CROSS")))
		return;
	bool is_inner = mr_str_is(join, "INNER") || !join.len;
	for (size_t i = 0; i < condition_count; i++)
		inner[i] = conditions[i];
	if (is_inner && condition_count < MR_COUNT(inner) && json_present(json_get(from, "condition")))
		inner[condition_count++] = json_get(from, "condition");
	if (is_inner || mr_str_is(join, "LEFT"))
		search_from(search, json_get(from, "left"), where, inner, condition_count, false);
	if (is_inner || mr_str_is(join, "RIGHT"))
		search_from(search, json_get(from, "right"), where, inner, condition_count, false);
}

static void search_value(struct search *search, struct json_value v, int depth)
{
	if (depth > 4 * DEPTH_MAX)
		return;
	if (type_is(v, "BASE_TABLE"))
		find_table(search, v)->places++;
	if (type_is(v, "SELECT_NODE") && json_type(json_get(v, "sample")) == JSON_NULL) {
		struct json_value from = json_get(v, "from_table");
		search_from(search, from, json_get(v, "where_clause"), NULL, 0, type_is(from, "BASE_TABLE"));
	}
	for (struct json_iter it = json_iter(v); json_next(&it);)
		if (json_type(it.value) == JSON_OBJECT || json_type(it.value) == JSON_ARRAY)
			search_value(search, it.value, depth + 1);
}

static mr_str without_explain(mr_str sql)
{
	static const char *const words[] = {"explain", "analyze"};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		size_t n = strlen(words[i]);
		while (sql.len && strchr(" \t\r\n", sql.ptr[0]))
			sql = mr_str_tail(sql, 1);
		if (sql.len > n && strncasecmp(sql.ptr, words[i], n) == 0 && strchr(" \t\r\n", sql.ptr[n]))
			sql = mr_str_tail(sql, n);
	}
	return sql;
}

/* The syntax tree of a SELECT, in the connection's parser; 1: it is none. */
static int serialize(struct sql_conn *conn, mr_str sql, struct sql_result **result, struct json_value *out,
		     struct mr_error *err)
{
	struct mr_buf query = {0};
	mr_buf_cstr(&query, "SELECT json_serialize_sql(");
	sql_quote_literal(&query, without_explain(sql));
	mr_buf_char(&query, ')');
	int rc = sql_query(conn, mr_buf_view(&query), result, err);
	if (rc == 0)
		rc = sql_next(*result, err);
	if (rc == 1)
		rc = json_parse(conn->parser, sql_str(*result, 0), out, err);
	mr_buf_release(&query);
	return rc == 0 && json_bool(json_get(*out, "error")) ? 1 : rc;
}

int sql_predicates(struct sql_conn *conn, mr_str sql, struct arena *arena, struct sql_table_predicate **out,
		   size_t *count, struct mr_error *err)
{
	struct search search = {.arena = arena};
	struct sql_result *result = NULL;
	struct json_value root;
	*count = 0;
	int rc = serialize(conn, sql, &result, &root, err);
	if (rc == 0)
		search_value(&search, root, 0);
	*out = arena_calloc(arena, search.tables.len + 1, sizeof **out);
	for (size_t i = 0; i < search.tables.len; i++) {
		struct found *f = &search.tables.items[i];
		struct scope s = {.arena = arena};
		struct sql_predicate *p = combine(&s, PREDICATE_OR, f->predicates.items, f->predicates.len);
		if (f->understood == f->places && p->kind != PREDICATE_ANY)
			(*out)[(*count)++] = (struct sql_table_predicate){f->schema, f->table, p};
		mr_vec_release(&f->predicates);
	}
	mr_vec_release(&search.tables);
	sql_result_free(result);
	return rc < 0 ? rc : 0;
}

int sql_condition_predicate(struct sql_conn *conn, mr_str condition, mr_str alias, struct arena *arena,
			    struct sql_predicate **out, struct mr_error *err)
{
	struct sql_table_predicate *found;
	struct mr_buf sql = {0};
	size_t count;
	mr_buf_printf(&sql, "SELECT 1 FROM __mr_target AS %.*s WHERE %.*s", MR_FMT(alias), MR_FMT(condition));
	int rc = sql_predicates(conn, mr_buf_view(&sql), arena, &found, &count, err);
	*out = NULL;
	for (size_t i = 0; i < count && rc == 0; i++)
		if (mr_str_is(found[i].table, "__mr_target"))
			*out = found[i].predicate;
	mr_buf_release(&sql);
	return rc;
}
