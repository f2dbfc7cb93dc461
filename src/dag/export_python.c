#include "dag/export_internal.h"

#include "dag/civil.h"
#include "dag/tz.h"

#include <stdarg.h>
#include <stdio.h>

void export_import(struct export *e, const char *module, const char *name)
{
	mr_str line = name ? arena_printf(&e->arena, "from %s import %s", module, name)
			   : arena_printf(&e->arena, "import %s", module);
	for (size_t i = 0; i < e->imports.len; i++) {
		if (mr_str_eq(e->imports.items[i], line))
			return;
	}
	mr_vec_push(&e->imports, line);
}

/* JSON's escapes are Python's too. */
void export_string(struct mr_buf *out, mr_str text)
{
	json_quote(out, text);
}

static void put_members(struct export *e, struct json_value v, struct mr_buf *out)
{
	const char *before = "{";
	for (struct json_iter it = json_iter(v); json_next(&it); before = ", ") {
		mr_buf_cstr(out, before);
		export_string(out, it.key);
		mr_buf_cstr(out, ": ");
		export_value(e, it.value, out);
	}
	mr_buf_cstr(out, before[0] == '{' ? "{}" : "}");
}

static bool put_output(struct export *e, struct json_value v, struct mr_buf *out)
{
	const struct dag_task *task = dag_task_find(e->dag, json_str(json_get(v, "__xcom__")));
	if (!task)
		return false;
	mr_buf_printf(out, "%.*s.output", MR_FMT(e->names[task->index]));
	return true;
}

void export_value(struct export *e, struct json_value v, struct mr_buf *out)
{
	const char *before = "[";
	switch (json_type(v)) {
	case JSON_NULL:
		mr_buf_cstr(out, "None");
		break;
	case JSON_BOOL:
		mr_buf_cstr(out, json_bool(v) ? "True" : "False");
		break;
	case JSON_STRING:
		export_string(out, json_str(v));
		break;
	case JSON_ARRAY:
		for (struct json_iter it = json_iter(v); json_next(&it); before = ", ") {
			mr_buf_cstr(out, before);
			export_value(e, it.value, out);
		}
		mr_buf_cstr(out, before[0] == '[' ? "[]" : "]");
		break;
	case JSON_OBJECT:
		if (!json_present(json_get(v, "__xcom__")) || !put_output(e, v, out))
			put_members(e, v, out);
		break;
	default:
		json_write_value(out, v);
	}
}

void export_json(struct export *e, mr_str json, struct mr_buf *out)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	if (json_parse(parser, json, &v, NULL) == 0)
		export_value(e, v, out);
	else
		mr_buf_cstr(out, "None");
	json_parser_free(parser);
}

void export_delta(struct export *e, int64_t us, struct mr_buf *out)
{
	static const struct {
		int64_t us;
		const char *unit;
	} units[] = {
	    {DAY_SECONDS * SECOND_US, "days"}, {3600 * SECOND_US, "hours"}, {60 * SECOND_US, "minutes"}};
	export_import(e, "datetime", "timedelta");
	for (size_t i = 0; i < MR_COUNT(units); i++) {
		if (us && us % units[i].us == 0) {
			mr_buf_printf(out, "timedelta(%s=%lld)", units[i].unit,
				      (long long)(us / units[i].us));
			return;
		}
	}
	if (us % SECOND_US == 0)
		mr_buf_printf(out, "timedelta(seconds=%lld)", (long long)(us / SECOND_US));
	else
		mr_buf_printf(out, "timedelta(microseconds=%lld)", (long long)us);
}

void export_datetime(struct export *e, int64_t us, struct mr_buf *out)
{
	const struct tz *zone = timetable_zone(e->dag->timetable);
	int64_t seconds = floor_div(us, SECOND_US);
	struct civil at = civil_from_seconds(tz_local_s(zone, seconds));
	export_import(e, "pendulum", NULL);
	mr_buf_printf(out, "pendulum.datetime(%d, %d, %d", at.year, at.month, at.day);
	if (at.hour || at.minute || at.second)
		mr_buf_printf(out, ", %d, %d, %d", at.hour, at.minute, at.second);
	mr_buf_cstr(out, ", tz=");
	export_string(out, tz_name(zone));
	mr_buf_char(out, ')');
}

void export_asset(struct export *e, mr_str uri, struct mr_buf *out)
{
	export_import(e, "airflow.sdk", "Asset");
	mr_buf_cstr(out, "Asset(");
	export_string(out, uri);
	mr_buf_char(out, ')');
}

void export_line(struct export *e, const char *fmt, ...)
{
	va_list args;
	for (int i = 0; i < e->indent; i++)
		mr_buf_cstr(&e->body, "    ");
	va_start(args, fmt);
	mr_buf_vprintf(&e->body, fmt, args);
	va_end(args);
	mr_buf_char(&e->body, '\n');
}

void export_note(struct export *e, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	mr_buf_vprintf(&e->notes, fmt, args);
	va_end(args);
	mr_buf_char(&e->notes, '\n');
}

/* ---- names ---- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_reserved(mr_str name)
{
	static const char *const words[] = {
	    "False",     "None",     "True",     "and",    "as",   "assert", "async",  "await",
	    "break",     "class",    "continue", "def",    "del",  "elif",   "else",   "except",
	    "finally",   "for",      "from",     "global", "if",   "import", "in",     "is",
	    "lambda",    "nonlocal", "not",      "or",     "pass", "raise",  "return", "try",
	    "while",     "with",     "yield",    "dag",    "DAG",  "Asset",  "Param",  "TaskGroup",
	    "timedelta", "pendulum", "datetime", "time",   "os",
	};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		if (mr_str_is(name, words[i]))
			return true;
	}
	return false;
}

static bool is_taken(struct export *e, mr_str name)
{
	for (size_t i = 0; i < e->dag->task_count; i++) {
		if (mr_str_eq(e->names[i], name))
			return true;
	}
	for (size_t i = 0; i < e->imports.len; i++) {
		if (mr_str_ends(e->imports.items[i], name))
			return true;
	}
	return is_reserved(name);
}

mr_str export_name(struct export *e, mr_str text)
{
	char *name = arena_alloc(&e->arena, text.len + 2);
	size_t n = 0;
	if (!text.len || !is_letter(text.ptr[0]))
		name[n++] = '_';
	for (size_t i = 0; i < text.len; i++) {
		bool digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
		name[n++] = (char)(is_letter(text.ptr[i]) || digit ? text.ptr[i] : '_');
	}
	mr_str base = mr_str_n(name, n), made = base;
	for (int i = 2; is_taken(e, made); i++)
		made = arena_printf(&e->arena, "%.*s_%d", MR_FMT(base), i);
	return made;
}
