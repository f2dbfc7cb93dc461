/* sql/report.c - DuckDB's error reports as struct mr_error.
 *
 * With errors_as_json a report reads
 *   {"exception_type":"Binder","exception_message":"...","position":"13", ...}
 * (parser errors with "Parser Error: " before it). The position counts bytes of the text that
 * was given; people get line and column, the column in characters.
 */
#include "sql/internal.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	duckdb_error_type type;
	int code;
} codes[] = {
    {DUCKDB_ERROR_IO, MR_ERR_IO},
    {DUCKDB_ERROR_OUT_OF_MEMORY, MR_ERR_LIMIT},
    {DUCKDB_ERROR_INTERRUPT, MR_ERR_CANCELLED},
    {DUCKDB_ERROR_NOT_IMPLEMENTED, MR_ERR_UNSUPPORTED},
    {DUCKDB_ERROR_MISSING_EXTENSION, MR_ERR_UNSUPPORTED},
    {DUCKDB_ERROR_PERMISSION, MR_ERR_UNSUPPORTED},
    {DUCKDB_ERROR_TRANSACTION, MR_ERR_CONFLICT},
    {DUCKDB_ERROR_INTERNAL, MR_ERR_INTERNAL},
    {DUCKDB_ERROR_FATAL, MR_ERR_INTERNAL},
};

/* By name as well: duckdb_prepare gives the text alone. */
static const struct {
	const char *name;
	int code;
} named_codes[] = {
    {"IO", MR_ERR_IO},
    {"Out of Memory", MR_ERR_LIMIT},
    {"INTERRUPT", MR_ERR_CANCELLED},
    {"Not implemented", MR_ERR_UNSUPPORTED},
    {"Missing Extension", MR_ERR_UNSUPPORTED},
    {"Permission", MR_ERR_UNSUPPORTED},
    {"TransactionContext", MR_ERR_CONFLICT},
    {"INTERNAL", MR_ERR_INTERNAL},
    {"FATAL", MR_ERR_INTERNAL},
};

static int code_of(duckdb_error_type type, mr_str name, struct json_value report)
{
	for (size_t i = 0; i < MR_COUNT(codes); i++)
		if (codes[i].type == type)
			return codes[i].code;
	for (size_t i = 0; i < MR_COUNT(named_codes); i++)
		if (mr_str_is(name, named_codes[i].name))
			return named_codes[i].code;
	mr_str message = json_str(json_get(report, "exception_message"));
	if (mr_str_is(name, "Catalog") && message.len &&
	    memmem(message.ptr, message.len, "does not exist", strlen("does not exist")))
		return MR_ERR_NOT_FOUND;
	return MR_ERR_INVALID;
}

static void say_where(mr_str sql, mr_str position, struct mr_error *err)
{
	size_t at = 0;
	for (size_t i = 0; i < position.len && at <= sql.len; i++)
		at = at * 10 + (size_t)(position.ptr[i] - '0');
	if (at > sql.len)
		return;
	int line = 1, column = 1;
	for (size_t i = 0; i < at; i++) {
		if (sql.ptr[i] == '\n')
			line++, column = 1;
		else if (((unsigned char)sql.ptr[i] & 0xc0) != 0x80)
			column++;
	}
	snprintf(err->where, sizeof err->where, "%d:%d", line, column);
}

/* DuckDB puts its suggestion on the lines after the first: "\nDid you mean ...". */
static void say_message(int code, mr_str text, struct mr_error *err)
{
	const char *newline = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
	mr_str first = newline ? mr_str_n(text.ptr, (size_t)(newline - text.ptr)) : text;
	mr_fail(err, code, "%.*s", MR_FMT(first));
	mr_str rest = newline ? mr_str_tail(text, first.len + 1) : MR_STR_NULL;
	while (rest.len && (rest.ptr[0] == '\n' || rest.ptr[0] == ' '))
		rest = mr_str_tail(rest, 1);
	if (rest.len)
		mr_hint(err, "%.*s", MR_FMT(rest));
}

int sql_report(struct sql_conn *conn, const char *report, duckdb_error_type type, mr_str sql,
	       struct mr_error *err)
{
	if (!report)
		return mr_fail(err, MR_ERR_INTERNAL, "DuckDB failed without saying why");
	struct mr_error own;
	if (!err)
		err = &own;
	const char *brace = strchr(report, '{');
	struct json_value root;
	if (!brace || json_parse(conn->parser, mr_str_from(brace), &root, NULL) < 0 ||
	    !json_present(json_get(root, "exception_message"))) {
		int code = code_of(type, MR_STR_NULL, (struct json_value){0});
		const char *label = strstr(report, " Error: ");
		say_message(code, mr_str_from(label ? label + strlen(" Error: ") : report), err);
		return code;
	}
	int code = code_of(type, json_str(json_get(root, "exception_type")), root);
	say_message(code, json_str(json_get(root, "exception_message")), err);
	mr_str position = json_str(json_get(root, "position"));
	if (position.len)
		say_where(sql, position, err);
	return code;
}
