/* Times: Python's aware datetime in UTC and timedelta, with the methods that Airflow's users call on
 * pendulum's. Calendar arithmetic is the C library's. */
#include "jinja/tree.h"

#include <time.h>

#define SECOND_US 1000000LL
#define DAY_US (86400 * SECOND_US)
#define YEAR_MAX 9999

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t split(int64_t us, struct tm *out)
{
	int64_t seconds = floor_div(us, SECOND_US);
	time_t t = (time_t)seconds;
	if (!gmtime_r(&t, out))
		*out = (struct tm){.tm_mday = 1};
	return us - seconds * SECOND_US;
}

static void put_delta(struct mr_buf *out, int64_t us)
{
	int64_t days = floor_div(us, DAY_US), rest = us - days * DAY_US, seconds = rest / SECOND_US;
	if (days)
		mr_buf_printf(out, "%lld day%s, ", (long long)days, days == 1 || days == -1 ? "" : "s");
	mr_buf_printf(out, "%lld:%02lld:%02lld", (long long)(seconds / 3600), (long long)(seconds / 60 % 60),
		      (long long)(seconds % 60));
	if (rest % SECOND_US)
		mr_buf_printf(out, ".%06lld", (long long)(rest % SECOND_US));
}

void time_put(struct mr_buf *out, struct jinja_value v, char between)
{
	struct tm tm;
	if (v.type == JINJA_DELTA) {
		put_delta(out, v.us);
		return;
	}
	int64_t rest = split(v.us, &tm);
	mr_buf_printf(out, "%04d-%02d-%02d%c%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		      between, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (rest)
		mr_buf_printf(out, ".%06lld", (long long)rest);
	mr_buf_cstr(out, "+00:00");
}

/* One % conversion of strftime; %f and %:z are Python's own. */
static void put_conversion(struct mr_buf *out, const struct tm *tm, int64_t rest, char conversion)
{
	char spec[3] = {'%', conversion, 0}, text[128];
	if (conversion == 'f') {
		mr_buf_printf(out, "%06lld", (long long)rest);
	} else if (conversion == 'Z') {
		mr_buf_cstr(out, "UTC");
	} else if (conversion == 'z') {
		mr_buf_cstr(out, "+0000");
	} else if (conversion == 's') {
		struct tm copy = *tm;
		mr_buf_printf(out, "%lld", (long long)timegm(&copy));
	} else {
		size_t n = strftime(text, sizeof text, spec, tm);
		mr_buf_append(out, text, n);
	}
}

int time_format(struct jinja_state *state, int64_t us, mr_str format, struct jinja_value *out,
		struct mr_error *err)
{
	struct mr_buf text = {0};
	struct tm tm;
	int64_t rest = split(us, &tm);
	for (size_t i = 0; i < format.len; i++) {
		if (format.ptr[i] == '%' && i + 1 < format.len)
			put_conversion(&text, &tm, rest, format.ptr[++i]);
		else
			mr_buf_char(&text, format.ptr[i]);
	}
	return jinja_take(state, &text, out, err);
}

int time_attribute(struct jinja_value v, mr_str name, struct jinja_value *out)
{
	struct tm tm;
	if (v.type == JINJA_DELTA) {
		int64_t days = floor_div(v.us, DAY_US), rest = v.us - days * DAY_US;
		if (mr_str_is(name, "days"))
			*out = jinja_int(days);
		else if (mr_str_is(name, "seconds"))
			*out = jinja_int(rest / SECOND_US);
		else if (mr_str_is(name, "microseconds"))
			*out = jinja_int(rest % SECOND_US);
		else
			return 1;
		return 0;
	}
	int64_t rest = split(v.us, &tm);
	const struct {
		const char *name;
		int64_t value;
	} parts[] = {
	    {"year", tm.tm_year + 1900},
	    {"month", tm.tm_mon + 1},
	    {"day", tm.tm_mday},
	    {"hour", tm.tm_hour},
	    {"minute", tm.tm_min},
	    {"second", tm.tm_sec},
	    {"microsecond", rest},
	    {"day_of_year", tm.tm_yday + 1},
	    {"quarter", tm.tm_mon / 3 + 1},
	    {"day_of_week", (tm.tm_wday + 6) % 7},
	    {"int_timestamp", floor_div(v.us, SECOND_US)},
	};
	for (size_t i = 0; i < MR_COUNT(parts); i++) {
		if (mr_str_is(name, parts[i].name)) {
			*out = jinja_int(parts[i].value);
			return 0;
		}
	}
	return 1;
}

/* add(days=1, months=-1 …): months and years first, their day clipped to the month, as pendulum. */
static int add_units(int64_t us, int sign, const struct jinja_args *args, int64_t *out, struct mr_error *err)
{
	static const char *const names[] = {"years", "months",  "weeks",   "days",
					    "hours", "minutes", "seconds", "microseconds"};
	static const int64_t units[] = {0,         0, 7 * DAY_US, DAY_US, 3600 * SECOND_US, 60 * SECOND_US,
					SECOND_US, 1};
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t amounts[8] = {0}, total = 0;
	int rc = jinja_check_args(args, "add", names, MR_COUNT(names), err);
	for (size_t i = 0; rc == 0 && i < MR_COUNT(names); i++) {
		struct jinja_value v = jinja_int(0);
		jinja_arg(args, i, names[i], &v);
		if (!jinja_as_int(v, &amounts[i]) || amounts[i] > INT32_MAX || amounts[i] < -INT32_MAX)
			return mr_fail(err, MR_ERR_INVALID, "%s is no whole number of reasonable size",
				       names[i]);
		amounts[i] *= sign;
		total += amounts[i] * (units[i] / SECOND_US); /* in seconds: cannot overflow */
	}
	if (rc != 0)
		return rc;
	struct tm tm;
	int64_t rest = split(us, &tm),
		months = (int64_t)tm.tm_year * 12 + tm.tm_mon + amounts[0] * 12 + amounts[1];
	int64_t year = floor_div(months, 12) + 1900;
	if (year < 1 || year > YEAR_MAX || total > (int64_t)YEAR_MAX * 366 * 86400 ||
	    total < -(int64_t)YEAR_MAX * 366 * 86400)
		return mr_fail(err, MR_ERR_LIMIT, "the time is beyond the years 1 to %d", YEAR_MAX);
	tm.tm_year = (int)(year - 1900);
	tm.tm_mon = (int)(months - floor_div(months, 12) * 12);
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int last = month_days[tm.tm_mon] + (tm.tm_mon == 1 && leap);
	tm.tm_mday = tm.tm_mday > last ? last : tm.tm_mday;
	*out = ((int64_t)timegm(&tm) + total) * SECOND_US + rest + amounts[7];
	return 0;
}

static int delta_method(struct jinja_value v, mr_str name, struct jinja_value *out)
{
	if (!mr_str_is(name, "total_seconds"))
		return 1;
	*out = jinja_float((double)v.us / 1e6);
	return 0;
}

/* Methods that keep to a unit's beginning: start_of('day'). */
static int start_of(int64_t us, const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value unit = jinja_none();
	struct tm tm;
	split(us, &tm);
	tm.tm_sec = 0;
	jinja_arg(args, 0, "unit", &unit);
	mr_str word = unit.type == JINJA_STR ? unit.text : MR_STR("");
	if (!mr_str_is(word, "minute"))
		tm.tm_min = 0;
	if (!mr_str_is(word, "minute") && !mr_str_is(word, "hour"))
		tm.tm_hour = 0;
	if (mr_str_is(word, "week"))
		tm.tm_mday -= (tm.tm_wday + 6) % 7;
	else if (mr_str_is(word, "month") || mr_str_is(word, "year"))
		tm.tm_mday = 1;
	else if (!mr_str_is(word, "day") && !mr_str_is(word, "hour") && !mr_str_is(word, "minute"))
		return mr_fail(err, MR_ERR_INVALID, "start_of takes minute, hour, day, week, month or year");
	if (mr_str_is(word, "year"))
		tm.tm_mon = 0;
	*out = jinja_time((int64_t)timegm(&tm) * SECOND_US);
	return 0;
}

int time_method(struct jinja_state *state, struct jinja_value v, mr_str name, const struct jinja_args *args,
		struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value arg;
	struct mr_buf text = {0};
	struct tm tm;
	int64_t us;
	if (v.type == JINJA_DELTA)
		return delta_method(v, name, out);
	if (mr_str_is(name, "strftime")) {
		if (!jinja_arg(args, 0, "format", &arg) || arg.type != JINJA_STR)
			return mr_fail(err, MR_ERR_INVALID, "strftime needs a format");
		return time_format(state, v.us, arg.text, out, err);
	}
	split(v.us, &tm);
	if (mr_str_is(name, "isoformat") || mr_str_is(name, "to_iso8601_string")) {
		time_put(&text, v, 'T');
	} else if (mr_str_is(name, "date") || mr_str_is(name, "to_date_string")) {
		mr_buf_printf(&text, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	} else if (mr_str_is(name, "to_datetime_string")) {
		return time_format(state, v.us, MR_STR("%Y-%m-%d %H:%M:%S"), out, err);
	} else if (mr_str_is(name, "add") || mr_str_is(name, "subtract")) {
		int rc = add_units(v.us, mr_str_is(name, "add") ? 1 : -1, args, &us, err);
		*out = jinja_time(rc == 0 ? us : 0);
		return rc;
	} else if (mr_str_is(name, "start_of")) {
		return start_of(v.us, args, out, err);
	} else {
		if (mr_str_is(name, "timestamp"))
			*out = jinja_float((double)v.us / 1e6);
		else if (mr_str_is(name, "weekday") || mr_str_is(name, "isoweekday"))
			*out = jinja_int((tm.tm_wday + 6) % 7 + mr_str_is(name, "isoweekday"));
		else
			return 1;
		return 0;
	}
	return jinja_take(state, &text, out, err);
}
