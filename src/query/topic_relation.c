#include "query/topic_relation.h"

#include "base/mem.h"
#include "codec/columns.h"
#include "codec/json.h"
#include "log/transactions.h"
#include "sql/engine.h"

#include <stdlib.h>

static void put_ranges(struct log_topic *topic, struct mr_buf *out)
{
	for (int32_t i = 0; i < log_topic_partition_count(topic); i++) {
		struct log_partition *partition = log_partition_at(topic, i);
		int64_t from = log_start_offset(partition), to = log_last_stable_offset(partition);
		if (from < to)
			mr_buf_printf(out, "%s%d:%lld-%lld", out->len ? "," : "", i, (long long)from,
				      (long long)to);
	}
}

/* Times are read from text by a cast that forgives; all else by json_transform. */
static bool is_time(const struct column_def *def)
{
	return def->type == COL_TIMESTAMP || def->type == COL_TIMESTAMP_NTZ || def->type == COL_DATE;
}

static void put_transform(const struct column_def *defs, size_t count, struct mr_buf *out)
{
	struct mr_buf shape = {0};
	struct json_writer w = json_writer(&shape);
	json_begin_object(&w);
	for (size_t i = 0; i < count; i++) {
		struct mr_buf type = {0};
		if (is_time(&defs[i]))
			mr_buf_cstr(&type, "VARCHAR");
		else if (defs[i].type == COL_JSON)
			mr_buf_cstr(&type, "JSON");
		else
			sql_put_type(&type, &defs[i]);
		json_key_str(&w, defs[i].name);
		json_put_str(&w, mr_buf_view(&type));
		mr_buf_release(&type);
	}
	json_end_object(&w);
	mr_buf_cstr(out, "json_transform(TRY_CAST(value AS JSON), ");
	sql_quote_literal(out, mr_buf_view(&shape));
	mr_buf_cstr(out, ") AS \"$event\"");
	mr_buf_release(&shape);
}

static void put_typed_column(const struct column_def *def, struct mr_buf *out)
{
	static const char *const taken[] = {"key", "value", "headers", "partition", "offset", "timestamp"};
	bool time = is_time(def), clash = false;
	mr_buf_cstr(out, time ? ", TRY_CAST(\"$event\"." : ", \"$event\".");
	sql_quote_name(out, def->name);
	if (time) {
		mr_buf_cstr(out, " AS ");
		sql_put_type(out, def);
		mr_buf_char(out, ')');
	}
	for (size_t i = 0; i < MR_COUNT(taken); i++)
		clash |= mr_str_is(def->name, taken[i]);
	mr_buf_cstr(out, " AS ");
	struct mr_buf name = {0};
	mr_buf_cstr(&name, clash ? "event_" : "");
	mr_buf_str(&name, def->name);
	sql_quote_name(out, mr_buf_view(&name));
	mr_buf_release(&name);
}

void topic_relation(struct log_topic *topic, const struct json_schema *schema, struct mr_buf *out)
{
	const struct json_schema_column *columns = NULL;
	size_t count = schema ? json_schema_columns(schema, &columns) : 0;
	struct column_def *defs = mr_calloc(count, sizeof *defs);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		mr_str type = mr_str_is(mr_str_from(columns[i].type), "json") ? MR_STR("string")
									      : mr_str_from(columns[i].type);
		if (column_type_parse(type, &defs[kept], NULL) < 0)
			continue;
		if (mr_str_is(mr_str_from(columns[i].type), "json"))
			defs[kept].type = COL_JSON;
		defs[kept++].name = columns[i].name;
	}
	struct mr_buf ranges = {0};
	put_ranges(topic, &ranges);
	mr_buf_cstr(out, "(SELECT key, value, headers, \"partition\", \"offset\", timestamp");
	for (size_t i = 0; i < kept; i++)
		put_typed_column(&defs[i], out);
	mr_buf_cstr(out, " FROM (SELECT *");
	if (kept) {
		mr_buf_cstr(out, ", ");
		put_transform(defs, kept, out);
	}
	mr_buf_cstr(out, " FROM millrace_topic(");
	sql_quote_literal(out, log_topic_name(topic));
	mr_buf_cstr(out, ", ");
	sql_quote_literal(out, mr_buf_view(&ranges));
	mr_buf_cstr(out, ")))");
	mr_buf_release(&ranges);
	free(defs);
}
