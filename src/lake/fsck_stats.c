/* lake/fsck_stats.c - a file's statistics, held against its rows: none may lie outside of the bounds, and
 * there are as many NULLs as are said. Rows that a deletion vector hides are not looked at. */
#include "lake/fsck.h"

#include "codec/json.h"
#include "lake/define.h"

enum claim_kind { CLAIM_MIN, CLAIM_MAX, CLAIM_NULLS, CLAIM_KINDS };

static const char *const members[CLAIM_KINDS] = {"minValues", "maxValues", "nullCount"};

struct claim {
	enum claim_kind kind;
	size_t column;
	mr_str value;
};

struct claims {
	struct fsck *f;
	struct definition def;
	const struct column_def *columns;
	size_t column_count;
	MR_VEC(struct claim) items;
};

/* The index of the column whose physical name that is; count when there is none. */
static size_t column_of(const struct claims *c, mr_str physical)
{
	size_t at = 0;
	for (; at < c->column_count; at++) {
		const struct field *field = definition_find(&c->def, c->columns[at].name);
		mr_str name =
		    field ? field_get(field, "delta.columnMapping.physicalName", c->def.arena) : MR_STR("");
		if (mr_str_eq(name.len ? name : c->columns[at].name, physical))
			break;
	}
	return at;
}

static void note_claims(struct claims *c, struct json_value stats, enum claim_kind kind)
{
	for (struct json_iter it = json_iter(json_get(stats, members[kind])); json_next(&it);) {
		size_t column = column_of(c, it.key);
		enum json_type type = json_type(it.value);
		if (column == c->column_count || type == JSON_NULL || type == JSON_OBJECT)
			continue;
		struct mr_buf text = {0};
		if (type == JSON_STRING)
			mr_buf_str(&text, json_str(it.value));
		else
			json_write_value(&text, it.value);
		struct claim claim = {kind, column, arena_copy(c->def.arena, mr_buf_view(&text))};
		mr_vec_push(&c->items, claim);
		mr_buf_release(&text);
	}
}

/* true where the file's rows contradict. A timestamp's bounds are cut to milliseconds. */
static void put_test(const struct claims *c, const struct claim *claim, struct mr_buf *out)
{
	const struct column_def *column = &c->columns[claim->column];
	mr_str type = delta_column_sql_type(c->f->snapshot, claim->column);
	bool time = column->type == COL_TIMESTAMP || column->type == COL_TIMESTAMP_NTZ;
	mr_buf_cstr(out, "count(*) FILTER (WHERE ");
	sql_quote_name(out, column->name);
	mr_buf_cstr(out, claim->kind == CLAIM_MIN   ? " < TRY_CAST("
			 : claim->kind == CLAIM_MAX ? " > TRY_CAST("
						    : " IS NULL) <> CAST(");
	sql_quote_literal(out, claim->value);
	if (claim->kind == CLAIM_NULLS)
		mr_buf_cstr(out, " AS BIGINT)");
	else
		mr_buf_printf(out, " AS %.*s)%s) > 0", MR_FMT(type),
			      time && claim->kind == CLAIM_MAX ? " + INTERVAL 1 MILLISECOND" : "");
}

static void check_claims(struct claims *c, const struct delta_data_file *file)
{
	struct mr_buf sql = {0};
	struct sql_result *result = NULL;
	mr_buf_cstr(&sql, "SELECT ");
	for (size_t i = 0; i < c->items.len; i++) {
		mr_buf_cstr(&sql, i ? ", " : "");
		put_test(c, &c->items.items[i], &sql);
	}
	mr_buf_cstr(&sql, " FROM ");
	delta_scan_rows_sql(c->f->snapshot, file, 1, &sql);
	int rc = sql_query(c->f->s->conn, mr_buf_view(&sql), &result, NULL);
	if (rc == 0)
		rc = sql_next(result, NULL); /* rows that cannot be read are told of by their footer */
	for (size_t i = 0; i < c->items.len && rc == 1; i++) {
		const struct claim *claim = &c->items.items[i];
		if (!sql_is_null(result, i) && mr_str_is(sql_text(result, i), "true"))
			fsck_found(c->f, "statistics", file->path,
				   arena_printf(c->def.arena, "%s of %.*s is %.*s, which its rows contradict",
						members[claim->kind], MR_FMT(c->columns[claim->column].name),
						MR_FMT(claim->value)));
	}
	sql_result_free(result);
	mr_buf_release(&sql);
}

void fsck_statistics(struct fsck *f, const struct delta_data_file *file)
{
	struct claims c = {.f = f};
	struct json_parser *parser = json_parser_new();
	struct json_value stats;
	c.column_count = delta_columns(f->snapshot, &c.columns);
	definition_init(&c.def, &f->s->arena);
	if (file->stats.len && json_parse(parser, file->stats, &stats, NULL) == 0 &&
	    definition_read(&c.def, delta_metadata_json(f->snapshot), NULL) == 0) {
		note_claims(&c, stats, CLAIM_MIN);
		note_claims(&c, stats, CLAIM_MAX);
		if (!file->dv)
			note_claims(&c, stats, CLAIM_NULLS);
		if (c.items.len)
			check_claims(&c, file);
	}
	mr_vec_release(&c.items);
	definition_release(&c.def);
	json_parser_free(parser);
}
