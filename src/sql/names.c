/* sql/names.c - which tables a query names, and which columns it yields.
 *
 * The names come from DuckDB's own parser (json_serialize_sql), so that they are found without
 * the tables being there. A name that a WITH clause of an enclosing query defines is no table;
 * inside `WITH a AS (SELECT ... FROM a)` it still is, unless the WITH is RECURSIVE.
 */
#include "base/vec.h"
#include "sql/internal.h"

struct walk {
	struct arena *arena;
	MR_VEC(mr_str) found;
	MR_VEC(mr_str) hidden; /* CTE names in scope, innermost last */
};

static bool contains(const mr_str *names, size_t count, mr_str name)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_eq(names[i], name))
			return true;
	return false;
}

static void add_table(struct walk *walk, struct json_value ref)
{
	mr_str catalog = json_str(json_get(ref, "catalog_name"));
	mr_str schema = json_str(json_get(ref, "schema_name"));
	mr_str table = json_str(json_get(ref, "table_name"));
	if (!table.len || (!schema.len && contains(walk->hidden.items, walk->hidden.len, table)))
		return;
	mr_str name = arena_printf(walk->arena, "%.*s%s%.*s%s%.*s", MR_FMT(catalog), catalog.len ? "." : "",
				   MR_FMT(schema), schema.len ? "." : "", MR_FMT(table));
	if (!contains(walk->found.items, walk->found.len, name))
		mr_vec_push(&walk->found, name);
}

static void walk_value(struct walk *walk, struct json_value v);

static void walk_ctes(struct walk *walk, struct json_value ctes)
{
	for (struct json_iter it = json_iter(json_get(ctes, "map")); json_next(&it);) {
		mr_str name = json_str(json_get(it.value, "key"));
		struct json_value query = json_get(json_get(json_get(it.value, "value"), "query"), "node");
		bool recursive = mr_str_is(json_str(json_get(query, "type")), "RECURSIVE_CTE_NODE");
		if (recursive)
			mr_vec_push(&walk->hidden, arena_copy(walk->arena, name));
		walk_value(walk, query);
		if (!recursive)
			mr_vec_push(&walk->hidden, arena_copy(walk->arena, name));
	}
}

static void walk_value(struct walk *walk, struct json_value v)
{
	size_t scope = walk->hidden.len;
	if (json_type(v) == JSON_OBJECT) {
		walk_ctes(walk, json_get(v, "cte_map"));
		if (mr_str_is(json_str(json_get(v, "type")), "BASE_TABLE"))
			add_table(walk, v);
	}
	for (struct json_iter it = json_iter(v); json_next(&it);)
		if (!mr_str_is(it.key, "cte_map"))
			walk_value(walk, it.value);
	walk->hidden.len = scope;
}

/* Statements around a query (COPY, CREATE ... AS, EXPLAIN, INSERT): DuckDB binds these, so
 * their tables must be known to it; what it cannot bind names nothing here. */
static void names_of_other(struct sql_conn *conn, const char *text, struct walk *walk)
{
	duckdb_value list = duckdb_get_table_names(conn->handle, text, true);
	if (!list)
		return;
	for (idx_t i = 0; i < duckdb_get_list_size(list); i++) {
		duckdb_value item = duckdb_get_list_child(list, i);
		char *name = duckdb_get_varchar(item);
		mr_vec_push(&walk->found, arena_copy(walk->arena, mr_str_from(name)));
		duckdb_free(name);
		duckdb_destroy_value(&item);
	}
	duckdb_destroy_value(&list);
}

static int walk_serialized(struct sql_conn *conn, mr_str sql, mr_str serialized, struct walk *walk,
			   struct mr_error *err)
{
	struct json_value root;
	int rc = json_parse(conn->parser, serialized, &root, err);
	if (rc < 0)
		return mr_error_wrap(err, rc, "DuckDB's syntax tree");
	if (!json_bool(json_get(root, "error"))) {
		walk_value(walk, json_get(root, "statements"));
		return 0;
	}
	if (!mr_str_is(json_str(json_get(root, "error_type")), "not implemented")) {
		struct mr_buf report = {0};
		struct json_writer w = json_writer(&report);
		json_begin_object(&w);
		json_member_cstr(&w, "exception_type", "Parser");
		json_member_str(&w, "exception_message", json_str(json_get(root, "error_message")));
		json_member_str(&w, "position", json_str(json_get(root, "position")));
		json_end_object(&w);
		rc = sql_report(conn, mr_buf_view(&report).ptr, DUCKDB_ERROR_PARSER, sql, err);
		mr_buf_release(&report);
		return rc;
	}
	char *text;
	rc = sql_text_copy(sql, &text, err);
	if (rc < 0)
		return rc;
	names_of_other(conn, text, walk);
	free(text);
	return 0;
}

int sql_table_names(struct sql_conn *conn, mr_str sql, struct arena *arena, mr_str **out, size_t *count,
		    struct mr_error *err)
{
	struct mr_buf query = {0};
	mr_buf_cstr(&query, "SELECT json_serialize_sql(");
	sql_quote_literal(&query, sql);
	mr_buf_cstr(&query, ")");
	struct sql_result *result = NULL;
	struct walk walk = {.arena = arena};
	int rc = sql_query(conn, mr_buf_view(&query), &result, err);
	if (rc == 0)
		rc = sql_next(result, err);
	if (rc == 1)
		rc = walk_serialized(conn, sql, sql_str(result, 0), &walk, err);
	if (rc == 0) {
		*out = arena_alloc(arena, (walk.found.len + 1) * sizeof **out);
		if (walk.found.len)
			memcpy(*out, walk.found.items, walk.found.len * sizeof **out);
		*count = walk.found.len;
	}
	sql_result_free(result);
	mr_buf_release(&query);
	mr_vec_release(&walk.found);
	mr_vec_release(&walk.hidden);
	return rc;
}

static const struct {
	duckdb_type from;
	enum column_type to;
	uint8_t precision;
} delta_types[] = {
    {DUCKDB_TYPE_BOOLEAN, COL_BOOLEAN, 0},
    {DUCKDB_TYPE_TINYINT, COL_BYTE, 0},
    {DUCKDB_TYPE_SMALLINT, COL_SHORT, 0},
    {DUCKDB_TYPE_INTEGER, COL_INTEGER, 0},
    {DUCKDB_TYPE_SQLNULL, COL_INTEGER, 0}, /* SELECT NULL: DuckDB's own choice too */
    {DUCKDB_TYPE_BIGINT, COL_LONG, 0},
    {DUCKDB_TYPE_UTINYINT, COL_SHORT, 0},
    {DUCKDB_TYPE_USMALLINT, COL_INTEGER, 0},
    {DUCKDB_TYPE_UINTEGER, COL_LONG, 0},
    {DUCKDB_TYPE_UBIGINT, COL_DECIMAL, 20},
    {DUCKDB_TYPE_HUGEINT, COL_DECIMAL, 38},
    {DUCKDB_TYPE_UHUGEINT, COL_DECIMAL, 38},
    {DUCKDB_TYPE_FLOAT, COL_FLOAT, 0},
    {DUCKDB_TYPE_DOUBLE, COL_DOUBLE, 0},
    {DUCKDB_TYPE_BLOB, COL_BINARY, 0},
    {DUCKDB_TYPE_DATE, COL_DATE, 0},
    {DUCKDB_TYPE_TIMESTAMP, COL_TIMESTAMP_NTZ, 0},
    {DUCKDB_TYPE_TIMESTAMP_S, COL_TIMESTAMP_NTZ, 0},
    {DUCKDB_TYPE_TIMESTAMP_MS, COL_TIMESTAMP_NTZ, 0},
    {DUCKDB_TYPE_TIMESTAMP_NS, COL_TIMESTAMP_NTZ, 0},
    {DUCKDB_TYPE_TIMESTAMP_TZ, COL_TIMESTAMP, 0},
};

/* What is not in the table is written as text; nested values as JSON text. */
static void describe_type(duckdb_logical_type logical, struct arena *arena, struct column_def *def)
{
	struct sql_type type;
	sql_type_init(&type, logical, arena);
	def->type = type.child_count || type.is_json ? COL_JSON : COL_STRING;
	if (type.id == DUCKDB_TYPE_DECIMAL) {
		def->type = COL_DECIMAL;
		def->precision = type.width;
		def->scale = type.scale;
	}
	for (size_t i = 0; i < MR_COUNT(delta_types); i++) {
		if (delta_types[i].from != type.id)
			continue;
		def->type = delta_types[i].to;
		def->precision = delta_types[i].precision;
	}
	sql_type_release(&type);
}

int sql_describe(struct sql_conn *conn, mr_str query, struct arena *arena, struct column_def **out,
		 size_t *count, struct mr_error *err)
{
	duckdb_prepared_statement statement;
	int rc = sql_prepare(conn, query, &statement, err);
	if (rc < 0)
		return rc;
	size_t n = duckdb_prepared_statement_column_count(statement);
	struct column_def *defs = arena_calloc(arena, n + 1, sizeof *defs);
	for (size_t i = 0; i < n; i++) {
		const char *name = duckdb_prepared_statement_column_name(statement, i);
		defs[i].name = arena_copy(arena, mr_str_from(name));
		duckdb_free((void *)(uintptr_t)name);
		describe_type(duckdb_prepared_statement_column_logical_type(statement, i), arena, &defs[i]);
	}
	duckdb_destroy_prepare(&statement);
	*out = defs;
	*count = n;
	return 0;
}
