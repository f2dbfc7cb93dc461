/* lake/version.c - versions and times in Spark's spellings. */
#include "lake/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#define STAMP_DIGITS 17 /* yyyyMMddHHmmssSSS */

static bool all_digits(mr_str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!isdigit((unsigned char)text.ptr[i]))
			return false;
	return text.len > 0;
}

static int64_t digits(mr_str text, size_t at, size_t count)
{
	int64_t value = 0;
	for (size_t i = 0; i < count; i++)
		value = value * 10 + (text.ptr[at + i] - '0');
	return value;
}

static int64_t stamp_ms(mr_str stamp)
{
	struct tm tm = {.tm_year = (int)digits(stamp, 0, 4) - 1900,
			.tm_mon = (int)digits(stamp, 4, 2) - 1,
			.tm_mday = (int)digits(stamp, 6, 2),
			.tm_hour = (int)digits(stamp, 8, 2),
			.tm_min = (int)digits(stamp, 10, 2),
			.tm_sec = (int)digits(stamp, 12, 2)};
	return (int64_t)timegm(&tm) * 1000 + digits(stamp, 14, 3);
}

void lake_cut_time(mr_str *path, struct table_time *out)
{
	const char *at = memrchr(path->ptr, '@', path->len);
	if (!at)
		return;
	size_t before = (size_t)(at - path->ptr);
	mr_str word = mr_str_tail(*path, before + 1);
	if (word.len > 1 && word.len < 19 && (word.ptr[0] | 32) == 'v' && all_digits(mr_str_tail(word, 1)))
		*out = (struct table_time){TIME_VERSION, digits(word, 1, word.len - 1)};
	else if (word.len == STAMP_DIGITS && all_digits(word))
		*out = (struct table_time){TIME_STAMP, stamp_ms(word)};
	else
		return;
	path->len = before;
}

/* current_timestamp() - INTERVAL 1 DAY, '2024-01-31', date_sub(current_date(), 1): the engine's to say. */
static int evaluate_stamp(struct lake_session *s, mr_str expression, int64_t *out, struct mr_error *err)
{
	mr_str bound;
	struct mr_buf query = {0};
	struct sql_result *result = NULL;
	mr_buf_printf(&query, "SELECT epoch_ms(CAST((%.*s) AS TIMESTAMPTZ))", MR_FMT(expression));
	int rc = s->bind(s->bind_arg, mr_buf_view(&query), &s->arena, &bound, err);
	if (rc == 0)
		rc = sql_query(s->conn, bound, &result, err);
	if (rc == 0)
		rc = sql_next(result, err);
	if (rc == 1) {
		rc = sql_is_null(result, 0) ? mr_fail(err, MR_ERR_INVALID, "TIMESTAMP AS OF is NULL") : 0;
		if (rc == 0)
			*out = sql_int(result, 0);
	}
	sql_result_free(result);
	mr_buf_release(&query);
	return rc;
}

/* One value: a literal, or a function with its arguments, and an interval after it. */
static int take_value(struct parser *p, mr_str *out)
{
	size_t first = p->at;
	mr_str ignored;
	if (!parser_is(p, "(")) {
		if (parser_at_end(p))
			return parser_fail(p, "a time");
		p->at++;
		while (parser_peek(p)->kind == TOKEN_STRING) /* TIMESTAMP '...' */
			p->at++;
	}
	int rc = parser_is(p, "(") ? parser_parentheses(p, &ignored) : 0;
	if (rc == 0 && (parser_take(p, "- interval") || parser_take(p, "+ interval"))) {
		p->at += parser_at_end(p) ? 0 : 1;
		if (parser_peek(p)->kind == TOKEN_WORD)
			p->at++;
	}
	const struct token *from = &p->tokens[first], *last = &p->tokens[p->at - 1];
	*out = mr_str_n(p->text.ptr + from->at, last->at + last->text.len - from->at);
	return rc;
}

static int take_version(struct parser *p, int64_t *out)
{
	if (parser_peek(p)->kind != TOKEN_STRING)
		return parser_integer(p, "a version", out);
	mr_str text;
	int rc = parser_string(p, "a version", &text);
	if (rc == 0 && (!all_digits(text) || text.len > 18))
		rc = mr_fail(p->err, MR_ERR_INVALID, "'%.*s' is no version", MR_FMT(text));
	if (rc == 0)
		*out = digits(text, 0, text.len);
	return rc;
}

int lake_take_stamp(struct lake_session *s, struct parser *p, struct table_time *out)
{
	mr_str expression;
	out->kind = TIME_STAMP;
	int rc = take_value(p, &expression);
	return rc == 0 ? evaluate_stamp(s, expression, &out->value, p->err) : rc;
}

int lake_parse_time(struct lake_session *s, struct parser *p, struct table_time *out)
{
	if (parser_take(p, "version as of") || parser_take(p, "for version as of") ||
	    parser_take(p, "for system_version as of")) {
		out->kind = TIME_VERSION;
		return take_version(p, &out->value);
	}
	if (!parser_take(p, "timestamp as of") && !parser_take(p, "for timestamp as of") &&
	    !parser_take(p, "for system_time as of"))
		return 0;
	return lake_take_stamp(s, p, out);
}

int lake_snapshot(struct delta_table *table, const struct table_time *time, struct delta_snapshot **out,
		  struct mr_error *err)
{
	switch (time->kind) {
	case TIME_VERSION:
		return delta_snapshot_at(table, time->value, out, err);
	case TIME_STAMP:
		return delta_snapshot_at_time(table, time->value, out, err);
	case TIME_NOW:
		break;
	}
	return delta_snapshot(table, out, err);
}
