/* dag/load_value.c - single values of DAG files: durations, dates, lists, callbacks. */
#include "dag/load_internal.h"

#include "conf/nearest.h"
#include "conf/units.h"
#include "dag/civil.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX 1000
#define KEYS_MAX 128

int load_fail(const struct build *b, const struct yaml_node *at, struct mr_error *err, const char *fmt, ...)
{
	char text[sizeof err->message];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	mr_fail(err, MR_ERR_INVALID, "%s", text);
	mr_error_where(err, b->file, at->line, at->column);
	return MR_ERR_INVALID;
}

mr_str load_type(const struct yaml_node *node)
{
	const struct yaml_node *type = node->kind == YAML_MAPPING ? yaml_get(node, "__type__") : NULL;
	if (!type || type->kind != YAML_SCALAR)
		return MR_STR_NULL;
	const char *dot = type->text.len ? memrchr(type->text.ptr, '.', type->text.len) : NULL;
	return dot ? mr_str_tail(type->text, (size_t)(dot - type->text.ptr) + 1) : type->text;
}

static bool read_double(mr_str text, double *out)
{
	char copy[64], *end;
	if (!text.len || text.len >= sizeof copy)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	errno = 0;
	*out = strtod(copy, &end);
	return !*end && errno == 0 && isfinite(*out);
}

static int read_bool(struct build *b, const struct yaml_node *node, bool *out, struct mr_error *err)
{
	static const char *const yes[] = {"true", "True"}, *const no[] = {"false", "False"};
	for (size_t i = 0; node->kind == YAML_SCALAR && i < MR_COUNT(yes); i++) {
		bool is_yes = mr_str_is(node->text, yes[i]);
		if (is_yes || mr_str_is(node->text, no[i])) {
			*out = is_yes;
			return 0;
		}
	}
	return load_fail(b, node, err, "expected true or false");
}

/* The parts of a datetime.timedelta, in seconds. */
static int read_timedelta(struct build *b, const struct yaml_node *node, int64_t *us, struct mr_error *err)
{
	static const struct {
		const char *name;
		double seconds;
	} parts[] = {{"days", 86400},   {"hours", 3600},         {"minutes", 60},           {"seconds", 1},
		     {"weeks", 604800}, {"milliseconds", 0.001}, {"microseconds", 0.000001}};
	double total = 0, n;
	for (size_t i = 0; i < node->count; i++) {
		mr_str key = node->keys[i]->text;
		size_t p = 0;
		while (p < MR_COUNT(parts) && !mr_str_is(key, parts[p].name))
			p++;
		if (mr_str_is(key, "__type__"))
			continue;
		if (p == MR_COUNT(parts))
			return load_fail(b, node->keys[i], err, "a timedelta has no '%.*s'", MR_FMT(key));
		if (node->items[i]->kind != YAML_SCALAR || !read_double(node->items[i]->text, &n))
			return load_fail(b, node->items[i], err, "expected a number");
		total += n * parts[p].seconds;
	}
	if (fabs(total) > 3e9)
		return load_fail(b, node, err, "a duration of more than 95 years");
	*us = llround(total * 1e6);
	return 0;
}

int load_duration(struct build *b, const struct yaml_node *node, int64_t *us, struct mr_error *err)
{
	double seconds;
	int64_t ms;
	if (mr_str_is(load_type(node), "timedelta") || mr_str_is(load_type(node), "duration"))
		return read_timedelta(b, node, us, err);
	if (node->kind == YAML_SCALAR && read_double(node->text, &seconds) && seconds >= 0 && seconds < 3e9) {
		*us = llround(seconds * 1e6);
		return 0;
	}
	if (node->kind == YAML_SCALAR && conf_parse_duration(node->text, &ms, NULL) == 0 &&
	    ms < INT64_C(3000000000000)) {
		*us = ms * 1000;
		return 0;
	}
	load_fail(b, node, err, "expected a duration");
	return mr_hint(err, "5m, 1h30m, a number of seconds, or {__type__: datetime.timedelta, hours: 2}");
}

/* {__type__: datetime.datetime, year: 2026, month: 1, day: 1} */
static bool read_datetime(const struct yaml_node *node, mr_str *text, char buffer[40])
{
	static const char *const parts[] = {"year", "month", "day", "hour", "minute", "second"};
	double v[MR_COUNT(parts)] = {0, 1, 1};
	if (!mr_str_is(load_type(node), "datetime") && !mr_str_is(load_type(node), "date"))
		return false;
	for (size_t i = 0; i < MR_COUNT(parts); i++) {
		const struct yaml_node *part = yaml_get(node, parts[i]);
		if (part &&
		    (part->kind != YAML_SCALAR || !read_double(part->text, &v[i]) || v[i] < 0 || v[i] > 9999))
			return false;
	}
	snprintf(buffer, 40, "%04d-%02d-%02dT%02d:%02d:%02d", (int)v[0], (int)v[1], (int)v[2], (int)v[3],
		 (int)v[4], (int)v[5]);
	*text = mr_str_from(buffer);
	return true;
}

int load_time(struct build *b, const struct yaml_node *node, int64_t *us, struct mr_error *err)
{
	char buffer[40];
	mr_str text = node->kind == YAML_SCALAR ? node->text : MR_STR_NULL;
	if ((text.len || read_datetime(node, &text, buffer)) && civil_parse(text, b->zone, us))
		return 0;
	load_fail(b, node, err, "expected a date or a time");
	return mr_hint(err, "2026-01-01 or 2026-01-01T02:30:00+02:00");
}

int load_names(struct build *b, const struct yaml_node *node, mr_str **names, size_t *count,
	       struct mr_error *err)
{
	bool one = node->kind == YAML_SCALAR;
	size_t n = one ? (yaml_is_null(node) ? 0 : 1) : node->count;
	if (node->kind == YAML_MAPPING)
		return load_fail(b, node, err, "expected a list of names");
	if (n > NAMES_MAX)
		return load_fail(b, node, err, "more than %d names", NAMES_MAX);
	mr_str *list = arena_calloc(b->arena, n + 1, sizeof *list);
	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *item = one ? node : node->items[i];
		/* {__type__: airflow.sdk.Asset, __args__: [uri]} or {…, uri: …} */
		if (item->kind == YAML_MAPPING) {
			const struct yaml_node *args = yaml_get(item, "__args__"),
					       *uri = yaml_get(item, "uri");
			item = uri                                                  ? uri
			       : args && args->kind == YAML_SEQUENCE && args->count ? args->items[0]
										    : item;
		}
		if (item->kind != YAML_SCALAR || !item->text.len)
			return load_fail(b, item, err, "expected a name");
		list[i] = arena_copy(b->arena, item->text);
	}
	*names = list;
	*count = n;
	return 0;
}

int load_json(struct build *b, const struct yaml_node *node, mr_str *json, struct mr_error *err)
{
	struct mr_buf text;
	mr_buf_init(&text, YAML_BYTES_MAX * 2);
	int rc = yaml_to_json(node, b->file, &text, err);
	if (rc == 0 && text.overflow)
		rc = load_fail(b, node, err, "a value of more than %zu bytes", YAML_BYTES_MAX * 2);
	if (rc == 0)
		*json = arena_copy(b->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return rc;
}

static int read_callback(struct build *b, const struct yaml_node *node, struct dag_callback *out,
			 struct mr_error *err)
{
	static const char *const kinds[] = {"webhook", "email"};
	if (node->kind == YAML_MAPPING && node->count == 1) {
		for (size_t i = 0; i < MR_COUNT(kinds); i++) {
			if (mr_str_is(node->keys[0]->text, kinds[i])) {
				out->kind = mr_str_from(kinds[i]);
				return load_json(b, node->items[0], &out->json, err);
			}
		}
	}
	load_fail(b, node, err, "this is no callback");
	return mr_hint(err, "{webhook: CONNECTION} or {email: [ADDRESS]}");
}

int load_callbacks(struct build *b, const struct yaml_node *node, struct dag_callback **out, size_t *count,
		   struct mr_error *err)
{
	bool list = node->kind == YAML_SEQUENCE;
	size_t n = list ? node->count : yaml_is_null(node) ? 0 : 1;
	struct dag_callback *callbacks = arena_calloc(b->arena, n + 1, sizeof *callbacks);
	for (size_t i = 0; i < n; i++) {
		int rc = read_callback(b, list ? node->items[i] : node, &callbacks[i], err);
		if (rc < 0)
			return rc;
	}
	*out = callbacks;
	*count = n;
	return 0;
}

const struct key *load_key(const struct key *keys, size_t count, mr_str name)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

int load_unknown_key(const struct build *b, const struct yaml_node *key, const char *what,
		     const struct key *keys, size_t count, const char *nearest_too, struct mr_error *err)
{
	const char *names[KEYS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < count && n < KEYS_MAX - 1; i++)
		names[n++] = keys[i].name;
	if (nearest_too)
		names[n++] = nearest_too;
	const char *near = conf_nearest(key->text, names, n);
	load_fail(b, key, err, "unknown key '%.*s' in %s", MR_FMT(key->text), what);
	return near ? mr_hint(err, "did you mean '%s'?", near) : MR_ERR_INVALID;
}

int load_value(struct build *b, const struct key *key, const struct yaml_node *node, void *to,
	       struct mr_error *err)
{
	void *at = (char *)to + key->offset;
	double number;
	if (key->kind == VALUE_IGNORED || (yaml_is_null(node) && key->kind != VALUE_CUSTOM))
		return 0;
	switch (key->kind) {
	case VALUE_STR:
		if (node->kind != YAML_SCALAR)
			return load_fail(b, node, err, "'%s' takes text, not %s", key->name,
					 yaml_kind_name(node));
		*(mr_str *)at = arena_copy(b->arena, node->text);
		return 0;
	case VALUE_BOOL:
		return read_bool(b, node, at, err);
	case VALUE_INT:
		if (node->kind != YAML_SCALAR || !read_double(node->text, &number) ||
		    number != floor(number) || number < key->least || number > INT32_MAX)
			return load_fail(b, node, err, "'%s' takes a whole number from %d", key->name,
					 key->least);
		*(int32_t *)at = (int32_t)number;
		return 0;
	case VALUE_NUMBER:
		if (node->kind != YAML_SCALAR || !read_double(node->text, &number) || number < 0)
			return load_fail(b, node, err, "'%s' takes a number from 0", key->name);
		*(double *)at = number;
		return 0;
	case VALUE_DURATION:
		return load_duration(b, node, at, err);
	case VALUE_TIME:
		return load_time(b, node, at, err);
	default:
		return key->read(b, node, to, err);
	}
}
