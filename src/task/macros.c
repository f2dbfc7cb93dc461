#include "task/macros.h"

#include "dag/civil.h"

#include <stdio.h>
#include <time.h>

const char *const macro_members[] = {"ds_add", "ds_format", "timedelta", "datetime", NULL};

static int text_arg(const struct jinja_args *args, size_t i, const char *name, mr_str *out,
		    struct mr_error *err)
{
	struct jinja_value v;
	if (!jinja_arg(args, i, name, &v) || v.type != JINJA_STR || v.text.len > 200)
		return mr_fail(err, MR_ERR_INVALID, "'%s' is missing or no string", name);
	*out = v.text;
	return 0;
}

/* Python's strptime formats are the C library's, for what DAGs use. */
static int parse_time(mr_str text, mr_str format, int64_t *us, struct mr_error *err)
{
	char t[201], f[201];
	struct tm tm = {.tm_mday = 1, .tm_year = 0};
	snprintf(t, sizeof t, "%.*s", MR_FMT(text));
	snprintf(f, sizeof f, "%.*s", MR_FMT(format));
	const char *end = strptime(t, f, &tm);
	if (!end || *end)
		return mr_fail(err, MR_ERR_INVALID, "time '%s' does not match the format '%s'", t, f);
	*us = (int64_t)timegm(&tm) * SECOND_US;
	return 0;
}

static struct jinja_value date_text(struct jinja_state *state, int64_t us)
{
	char text[24];
	struct civil c = civil_from_seconds(floor_div(us, SECOND_US));
	snprintf(text, sizeof text, "%04d-%02d-%02d", c.year, c.month, c.day);
	return jinja_str(arena_copy(jinja_arena(state), mr_str_from(text)));
}

static int ds_add(struct jinja_state *state, const struct jinja_args *args, struct jinja_value *out,
		  struct mr_error *err)
{
	struct jinja_value days;
	mr_str ds;
	int64_t us, n;
	int rc = text_arg(args, 0, "ds", &ds, err);
	if (rc == 0)
		rc = parse_time(ds, MR_STR("%Y-%m-%d"), &us, err);
	if (rc == 0 &&
	    (!jinja_arg(args, 1, "days", &days) || !jinja_as_int(days, &n) || n > 4000000 || n < -4000000))
		rc = mr_fail(err, MR_ERR_INVALID, "ds_add needs a number of days");
	if (rc == 0)
		*out = date_text(state, us + n * DAY_SECONDS * SECOND_US);
	return rc;
}

static int ds_format(struct jinja_state *state, const struct jinja_args *args, struct jinja_value *out,
		     struct mr_error *err)
{
	mr_str ds, from, to;
	char format[201], text[512];
	struct tm tm;
	int64_t us;
	int rc = text_arg(args, 0, "ds", &ds, err);
	if (rc == 0)
		rc = text_arg(args, 1, "input_format", &from, err);
	if (rc == 0)
		rc = text_arg(args, 2, "output_format", &to, err);
	if (rc == 0)
		rc = parse_time(ds, from, &us, err);
	if (rc != 0)
		return rc;
	time_t seconds = (time_t)floor_div(us, SECOND_US);
	snprintf(format, sizeof format, "%.*s", MR_FMT(to));
	gmtime_r(&seconds, &tm);
	size_t n = strftime(text, sizeof text, format, &tm);
	*out = jinja_str(arena_copy(jinja_arena(state), mr_str_n(text, n)));
	return 0;
}

static int timedelta(const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	static const char *const names[] = {"days",    "seconds", "microseconds", "milliseconds",
					    "minutes", "hours",   "weeks"};
	static const double units[] = {86400e6, 1e6, 1, 1e3, 60e6, 3600e6, 7 * 86400e6};
	double us = 0;
	int rc = jinja_check_args(args, "timedelta", names, MR_COUNT(names), err);
	for (size_t i = 0; rc == 0 && i < MR_COUNT(names); i++) {
		struct jinja_value v = jinja_int(0);
		jinja_arg(args, i, names[i], &v);
		if (!jinja_is_number(v))
			return mr_fail(err, MR_ERR_INVALID, "timedelta: %s is no number", names[i]);
		us += jinja_as_double(v) * units[i];
	}
	if (rc == 0 && !(us < 8e18 && us > -8e18))
		rc = mr_fail(err, MR_ERR_LIMIT, "timedelta: beyond what a time can be");
	if (rc == 0)
		*out = jinja_delta((int64_t)us);
	return rc;
}

static int datetime(const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	static const char *const names[] = {"year",   "month",  "day",        "hour",
					    "minute", "second", "microsecond"};
	static const int64_t least[] = {1, 1, 1, 0, 0, 0, 0}, most[] = {9999, 12, 31, 23, 59, 59, 999999};
	int64_t parts[7] = {0};
	int rc = jinja_check_args(args, "datetime", names, MR_COUNT(names), err);
	for (size_t i = 0; rc == 0 && i < MR_COUNT(names); i++) {
		struct jinja_value v = jinja_int(i < 3 ? -1 : 0);
		jinja_arg(args, i, names[i], &v);
		if (!jinja_as_int(v, &parts[i]) || parts[i] < least[i] || parts[i] > most[i])
			return mr_fail(err, MR_ERR_INVALID, "datetime: %s is missing or out of range",
				       names[i]);
	}
	struct civil c = {(int32_t)parts[0], (int32_t)parts[1], (int32_t)parts[2],
			  (int32_t)parts[3], (int32_t)parts[4], (int32_t)parts[5]};
	if (rc == 0 && c.day > civil_month_days(c.year, c.month))
		rc = mr_fail(err, MR_ERR_INVALID, "datetime: day is out of range");
	if (rc == 0)
		*out = jinja_time(civil_seconds(&c) * SECOND_US + parts[6]);
	return rc;
}

static int macros_call(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		       const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	if (mr_str_is(name, "ds_add"))
		return ds_add(state, args, out, err);
	if (mr_str_is(name, "ds_format"))
		return ds_format(state, args, out, err);
	if (mr_str_is(name, "timedelta"))
		return timedelta(args, out, err);
	if (mr_str_is(name, "datetime"))
		return datetime(args, out, err);
	return 1;
}

static int macros_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		      struct jinja_value *out, struct mr_error *err)
{
	if (!mr_str_is(name, "datetime"))
		return 1;
	*out = jinja_object(object->data);
	return 0;
}

static int datetime_call(const struct jinja_object *object, struct jinja_state *state, mr_str name,
			 const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	mr_str text, format;
	int64_t us;
	bool iso = mr_str_is(name, "fromisoformat");
	if (!iso && !mr_str_is(name, "strptime"))
		return 1;
	int rc = text_arg(args, 0, "date_string", &text, err);
	if (rc == 0 && iso && !civil_parse(text, NULL, &us))
		rc = mr_fail(err, MR_ERR_INVALID, "'%.*s' is no ISO 8601 time", MR_FMT(text));
	if (rc == 0 && !iso) {
		rc = text_arg(args, 1, "format", &format, err);
		if (rc == 0)
			rc = parse_time(text, format, &us, err);
	}
	if (rc == 0)
		*out = jinja_time(us);
	return rc;
}

static const struct jinja_object_ops macros_ops = {.get = macros_get, .call = macros_call};
static const struct jinja_object_ops datetime_ops = {.call = datetime_call};

struct jinja_object macros_object(struct jinja_object *datetime_object)
{
	*datetime_object = (struct jinja_object){&datetime_ops, "datetime", NULL};
	return (struct jinja_object){&macros_ops, "macros", datetime_object};
}
