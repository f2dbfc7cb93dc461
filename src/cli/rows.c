#include "cli/rows.h"

#include "cli/print.h"
#include "sql/engine.h"

#include <unistd.h>

const char *rows_format(const char *format)
{
	return format ? format : print_is_terminal(STDOUT_FILENO) ? "box" : "tsv";
}

static void put_value(struct mr_buf *sql, struct json_value v)
{
	if (json_type(v) == JSON_STRING)
		sql_quote_literal(sql, json_str(v));
	else if (json_type(v) == JSON_BOOL)
		mr_buf_cstr(sql, json_bool(v) ? "true" : "false");
	else if (json_type(v) == JSON_INT)
		mr_buf_printf(sql, "%lld", (long long)json_int(v));
	else
		mr_buf_cstr(sql, "NULL");
}

int rows_print(struct target *target, const char *format, struct json_value array, const char *const *columns,
	       size_t column_count, struct mr_error *err)
{
	struct mr_buf sql = {0};
	bool any = json_count(array) > 0;
	mr_buf_cstr(&sql, "SELECT ");
	for (size_t c = 0; c < column_count; c++) {
		mr_buf_cstr(&sql, c ? ", " : "");
		if (!any)
			mr_buf_cstr(&sql, "'' AS ");
		sql_quote_name(&sql, mr_str_from(columns[c]));
	}
	mr_buf_cstr(&sql, any ? " FROM (VALUES " : " WHERE false");
	size_t n = 0;
	for (struct json_iter it = json_iter(array); json_next(&it); n++) {
		mr_buf_cstr(&sql, n ? ", (" : "(");
		for (size_t c = 0; c < column_count; c++) {
			mr_buf_cstr(&sql, c ? ", " : "");
			put_value(&sql, json_get(it.value, columns[c]));
		}
		mr_buf_char(&sql, ')');
	}
	if (any)
		mr_buf_cstr(&sql, ") AS t(");
	for (size_t c = 0; any && c < column_count; c++) {
		mr_buf_cstr(&sql, c ? ", " : "");
		sql_quote_name(&sql, mr_str_from(columns[c]));
	}
	if (any)
		mr_buf_char(&sql, ')');
	int rc = target_sql(target, mr_buf_view(&sql), rows_format(format), print_width(), target_print, NULL,
			    err);
	mr_buf_release(&sql);
	return rc;
}

int rows_admin(struct target *target, const char *verb, mr_str body, const char *format, const char *member,
	       const char *const *columns, size_t column_count, struct mr_error *err)
{
	struct mr_buf answer = {0};
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	int rc = target_admin(target, verb, body, &answer, err);
	if (rc == 0)
		rc = json_parse(parser, mr_buf_view(&answer), &v, err);
	if (rc == 0 && member)
		rc = rows_print(target, format, json_get(v, member), columns, column_count, err);
	json_parser_free(parser);
	mr_buf_release(&answer);
	return rc;
}
