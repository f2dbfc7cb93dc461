#include "dag/cron.h"

#include "dag/civil.h"

#include <strings.h>

#define YEARS_MAX 50
#define FIELD_MAX 256

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, SECOND, FIELDS };

static const struct field {
	const char *name;
	int32_t low, high;
	const char *words; /* three letters each, from `low` on */
} fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, ""},
    [HOUR] = {"hour", 0, 23, ""},
    [DAY] = {"day of month", 1, 31, ""},
    [MONTH] = {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    [WEEKDAY] = {"day of week", 0, 6, "sunmontuewedthufrisat"},
    [SECOND] = {"second", 0, 59, ""},
};

static const struct {
	const char *name, *means;
} presets[] = {
    {"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"}, {"@monthly", "0 0 1 * *"},  {"@quarterly", "0 0 1 */3 *"},
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

/* What one field came to. */
struct set {
	uint64_t bits;
	bool star;    /* written as * or ? */
	bool last;    /* L */
	bool nth;     /* some day has a # or L */
	bool literal; /* some day has none */
};

struct reader {
	struct cron *cron;
	mr_str whole;
	struct mr_error *err;
};

static int bad(struct reader *r, int f, mr_str part, const char *why)
{
	const struct field *field = &fields[f];
	mr_fail(r->err, MR_ERR_INVALID, "cron '%.*s': '%.*s' is no %s (%s)", MR_FMT(r->whole), MR_FMT(part),
		field->name, why);
	return mr_hint(r->err, "minute hour day-of-month month day-of-week [second]; %s is %d-%d",
		       field->name, field->low, field->high);
}

static bool read_number(mr_str text, int32_t *out)
{
	if (!text.len || text.len > 4)
		return false;
	int32_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = n * 10 + (text.ptr[i] - '0');
	}
	*out = n;
	return true;
}

/* A number of the field's range or one of its words; Sunday is also 7. */
static bool read_value(int f, mr_str text, int32_t *out)
{
	const struct field *field = &fields[f];
	int32_t n;
	if (!read_number(text, &n)) {
		for (size_t i = 0; text.len == 3 && field->words[i]; i += 3) {
			if (strncasecmp(field->words + i, text.ptr, 3) == 0) {
				*out = field->low + (int32_t)(i / 3);
				return true;
			}
		}
		return false;
	}
	if (f == WEEKDAY && n == 7)
		n = 0;
	*out = n;
	return n >= field->low && n <= field->high;
}

static mr_str cut(mr_str *rest, char at)
{
	const char *found = rest->len ? memchr(rest->ptr, at, rest->len) : NULL;
	size_t len = found ? (size_t)(found - rest->ptr) : rest->len;
	mr_str part = mr_str_n(rest->ptr, len);
	*rest = mr_str_tail(*rest, len + (found ? 1 : 0));
	return part;
}

/* low..high by step, wrapping when low > high. A wrapped range goes on with its step only where
 * it does not reach past the field's end, as croniter counts. */
static uint64_t range_bits(const struct field *field, int32_t low, int32_t high, int32_t step)
{
	uint64_t bits = 0;
	int32_t last = low;
	for (int32_t v = low; v <= (low > high ? field->high : high); v += step) {
		bits |= UINT64_C(1) << v;
		last = v;
	}
	if (low <= high)
		return bits;
	int32_t after = field->high - last, size = field->high - field->low + 1;
	int32_t skip = last - field->low + step > size && after < step ? step - after : 0;
	for (int32_t v = field->low + skip; v <= high; v += step)
		bits |= UINT64_C(1) << v;
	return bits;
}

/* a-b, a-b/n, a/n, * /n: true when it is one of them (or an error, *rc). */
static bool read_range(struct reader *r, int f, mr_str part, uint64_t *bits, int *rc)
{
	const struct field *field = &fields[f];
	mr_str rest = part;
	mr_str range = cut(&rest, '/');
	bool stepped = range.len < part.len;
	int32_t step = 1, low, high = field->high;
	if (stepped && (!read_number(rest, &step) || step == 0)) {
		*rc = bad(r, f, part, "a step is a number from 1");
		return true;
	}
	mr_str tail = range;
	mr_str first = cut(&tail, '-');
	bool has_high = first.len < range.len, star = mr_str_is(range, "*");
	if (!has_high && !stepped)
		return false;
	low = field->low;
	bool ok = star || read_value(f, first, &low);
	if (ok && has_high)
		ok = (f == DAY && tail.len == 1 && (tail.ptr[0] | 32) == 'l') ? (high = 31, true)
									      : read_value(f, tail, &high);
	if (!ok) {
		*rc = bad(r, f, part, "out of range");
		return true;
	}
	if (has_high && low == high) {
		low = field->low;
		high = field->high;
	}
	*bits = range_bits(field, low, high, step);
	return true;
}

static void add_nth(struct reader *r, uint64_t weekdays, int32_t nth)
{
	for (int d = 0; d < 7; d++)
		if (weekdays >> d & 1)
			r->cron->nth[d] |= 1u << nth;
	r->cron->has_nth = true;
}

/* fri#2, mon-wed#1, L5: the part loses its mark; *nth is 0 without one. */
static int take_nth(struct reader *r, mr_str *part, int32_t *nth)
{
	mr_str rest = *part;
	mr_str day = cut(&rest, '#');
	*nth = 0;
	if (day.len < part->len) {
		if (!read_number(rest, nth) || *nth < 1 || *nth > 5)
			return bad(r, WEEKDAY, *part, "# takes 1 to 5");
		*part = day;
	} else if (part->len > 1 && (part->ptr[0] | 32) == 'l') {
		*part = mr_str_tail(*part, 1);
		*nth = CRON_NTH_LAST;
	}
	return 0;
}

/* 15W or W15, which stands alone. */
static bool read_nearest(mr_str part, int32_t *day)
{
	if (part.len < 2)
		return false;
	if ((part.ptr[0] | 32) == 'w')
		return read_number(mr_str_tail(part, 1), day);
	return (part.ptr[part.len - 1] | 32) == 'w' && read_number(mr_str_n(part.ptr, part.len - 1), day);
}

static int read_part(struct reader *r, int f, mr_str part, bool alone, struct set *set)
{
	int32_t nth = 0, value = 0;
	int rc = f == WEEKDAY ? take_nth(r, &part, &nth) : 0;
	if (rc < 0)
		return rc;
	uint64_t bits = 0;
	if (f == DAY && read_nearest(part, &value)) {
		if (!alone || value < 1 || value > 31)
			return bad(r, f, part, "W takes one day, alone");
		r->cron->nearest_weekday = value;
		return 0;
	}
	if (mr_str_is(part, "*") || (mr_str_is(part, "?") && alone && (f == DAY || f == WEEKDAY))) {
		set->star = true;
		bits = range_bits(&fields[f], fields[f].low, fields[f].high, 1);
	} else if (f == DAY && part.len == 1 && (part.ptr[0] | 32) == 'l') {
		set->last = true;
		return 0;
	} else if (!read_range(r, f, part, &bits, &rc)) {
		if (!read_value(f, part, &value))
			return bad(r, f, part, "out of range");
		bits = UINT64_C(1) << value;
	}
	if (rc < 0)
		return rc;
	set->bits |= bits;
	if (nth)
		add_nth(r, bits, nth);
	set->nth |= nth != 0;
	set->literal |= nth == 0;
	return 0;
}

static int read_field(struct reader *r, int f, mr_str text, struct set *set)
{
	bool alone = !memchr(text.ptr, ',', text.len);
	int rc = 0;
	for (mr_str rest = text; rc == 0;) {
		mr_str part = cut(&rest, ',');
		if (!part.len)
			return bad(r, f, text, "an empty part");
		rc = read_part(r, f, part, alone, set);
		if (part.ptr + part.len == text.ptr + text.len)
			break;
		if (!rest.len && rc == 0)
			return bad(r, f, text, "an empty part");
	}
	if (rc == 0 && set->nth && set->literal)
		return bad(r, f, text, "days with and without # or L do not mix");
	return rc;
}

static size_t split(mr_str text, mr_str parts[FIELDS + 1])
{
	size_t n = 0;
	for (size_t i = 0; i < text.len;) {
		while (i < text.len && strchr(" \t\n\r", text.ptr[i]))
			i++;
		size_t start = i;
		while (i < text.len && !strchr(" \t\n\r", text.ptr[i]))
			i++;
		if (i > start && n <= FIELDS)
			parts[n++] = mr_str_n(text.ptr + start, i - start);
	}
	return n;
}

static bool full(const struct set *set, int f)
{
	const struct field *field = &fields[f];
	return set->bits == range_bits(field, field->low, field->high, 1) && !set->nth;
}

static bool has_star(mr_str text)
{
	return memchr(text.ptr, '*', text.len) || memchr(text.ptr, '?', text.len);
}

static void settle(struct cron *cron, const struct set sets[FIELDS], const mr_str parts[])
{
	cron->minutes = sets[MINUTE].bits;
	cron->hours = (uint32_t)sets[HOUR].bits;
	cron->days = (uint32_t)sets[DAY].bits;
	cron->months = (uint32_t)sets[MONTH].bits;
	cron->weekdays = (uint32_t)sets[WEEKDAY].bits;
	cron->seconds = cron->by_second ? sets[SECOND].bits : 1;
	cron->last_day = sets[DAY].last;
	cron->every_hour = full(&sets[HOUR], HOUR);
	/* A full list is a star only beside a star: else it is a day that was asked for. */
	cron->any_day = !cron->nearest_weekday && !cron->last_day &&
			(sets[DAY].star || (full(&sets[DAY], DAY) && has_star(parts[WEEKDAY])));
	cron->any_weekday =
	    !cron->has_nth && (sets[WEEKDAY].star || (full(&sets[WEEKDAY], WEEKDAY) && has_star(parts[DAY])));
}

int cron_parse(mr_str text, struct cron *out, struct mr_error *err)
{
	struct cron cron = {0};
	struct reader reader = {.cron = &cron, .whole = text, .err = err};
	mr_str parts[FIELDS + 1];
	struct set sets[FIELDS] = {0};
	if (text.len > FIELD_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a cron expression of %zu bytes (at most %d)", text.len,
			       FIELD_MAX);
	mr_str body = text;
	for (size_t i = 0; i < MR_COUNT(presets); i++)
		if (text.len == strlen(presets[i].name) &&
		    strncasecmp(text.ptr, presets[i].name, text.len) == 0)
			body = mr_str_from(presets[i].means);
	size_t n = split(body, parts);
	if (n != 5 && n != 6) {
		mr_fail(err, MR_ERR_INVALID, "cron '%.*s' has %zu fields", MR_FMT(text), n);
		return mr_hint(err,
			       "minute hour day-of-month month day-of-week [second], or @daily and the like");
	}
	cron.by_second = n == 6;
	for (size_t i = 0; i < n; i++) {
		int rc = read_field(&reader, (int)i, parts[i], &sets[i]);
		if (rc < 0)
			return rc;
	}
	settle(&cron, sets, parts);
	int64_t never;
	if (!cron_next(&cron, INT64_C(946684800) * SECOND_US, &never))
		return mr_fail(err, MR_ERR_INVALID, "cron '%.*s' never fires: no month has that day",
			       MR_FMT(text));
	*out = cron;
	return 0;
}

static int32_t nearest_weekday(int32_t year, int32_t month, int32_t day)
{
	int32_t last = civil_month_days(year, month);
	day = day < last ? day : last;
	int32_t weekday = civil_weekday(civil_days(year, month, day));
	if (weekday == 6)
		return day > 1 ? day - 1 : day + 2;
	if (weekday == 0)
		return day < last ? day + 1 : day - 2;
	return day;
}

static bool weekday_fits(const struct cron *cron, int64_t days, int32_t day, int32_t month_days)
{
	int32_t weekday = civil_weekday(days);
	if (!cron->has_nth)
		return cron->weekdays >> weekday & 1;
	bool is_last = day + 7 > month_days;
	return (cron->nth[weekday] >> ((day - 1) / 7 + 1) & 1) ||
	       (is_last && (cron->nth[weekday] >> CRON_NTH_LAST & 1));
}

static bool day_fits(const struct cron *cron, int64_t days)
{
	struct civil at = civil_from_seconds(days * DAY_SECONDS);
	if (!(cron->months >> at.month & 1))
		return false;
	int32_t month_days = civil_month_days(at.year, at.month);
	bool by_day = cron->any_day || (cron->days >> at.day & 1) || (cron->last_day && at.day == month_days);
	bool by_weekday = cron->any_weekday || weekday_fits(cron, days, at.day, month_days);
	bool by_nearest =
	    !cron->nearest_weekday || at.day == nearest_weekday(at.year, at.month, cron->nearest_weekday);
	/* croniter keeps # and W apart from the two fields: beside them the other field is not asked. */
	if (cron->has_nth || cron->nearest_weekday)
		return (!cron->has_nth || by_weekday) && by_nearest;
	if (cron->any_day || cron->any_weekday)
		return by_day && by_weekday;
	return by_day || by_weekday;
}

/* The lowest set bit from `from` on, or -1. */
static int32_t bit_from(uint64_t bits, int32_t from)
{
	bits = from > 63 ? 0 : bits >> from << from;
	return bits ? __builtin_ctzll(bits) : -1;
}

/* The highest set bit up to `to`, or -1. */
static int32_t bit_to(uint64_t bits, int32_t to)
{
	bits = to < 0 ? 0 : bits & (UINT64_MAX >> (63 - to));
	return bits ? 63 - __builtin_clzll(bits) : -1;
}

/* The first second of the day, not before `from`, that fits; -1. */
static int32_t first_of_day(const struct cron *cron, int32_t from)
{
	int32_t hour = from / 3600, minute = from / 60 % 60, second = from % 60;
	for (int32_t h = bit_from(cron->hours, hour); h >= 0; h = bit_from(cron->hours, h + 1)) {
		int32_t from_minute = h == hour ? minute : 0;
		int32_t m = bit_from(cron->minutes, from_minute);
		for (; m >= 0; m = bit_from(cron->minutes, m + 1)) {
			bool same = h == hour && m == minute;
			int32_t s = bit_from(cron->seconds, same ? second : 0);
			if (s >= 0)
				return h * 3600 + m * 60 + s;
		}
	}
	return -1;
}

static int32_t last_of_day(const struct cron *cron, int32_t to)
{
	int32_t hour = to / 3600, minute = to / 60 % 60, second = to % 60;
	for (int32_t h = bit_to(cron->hours, hour); h >= 0; h = bit_to(cron->hours, h - 1)) {
		int32_t m = bit_to(cron->minutes, h == hour ? minute : 59);
		for (; m >= 0; m = bit_to(cron->minutes, m - 1)) {
			bool same = h == hour && m == minute;
			int32_t s = bit_to(cron->seconds, same ? second : 59);
			if (s >= 0)
				return h * 3600 + m * 60 + s;
		}
	}
	return -1;
}

bool cron_next(const struct cron *cron, int64_t local_us, int64_t *local_s_out)
{
	int64_t from = floor_div(local_us, SECOND_US) + 1;
	int64_t day = floor_div(from, DAY_SECONDS);
	int32_t of_day = (int32_t)(from - day * DAY_SECONDS);
	for (int64_t end = day + YEARS_MAX * 366; day < end; day++, of_day = 0) {
		int32_t found = day_fits(cron, day) ? first_of_day(cron, of_day) : -1;
		if (found >= 0) {
			*local_s_out = day * DAY_SECONDS + found;
			return true;
		}
	}
	return false;
}

bool cron_prev(const struct cron *cron, int64_t local_us, int64_t *local_s_out)
{
	int64_t to = floor_div(local_us - 1, SECOND_US);
	int64_t day = floor_div(to, DAY_SECONDS);
	int32_t of_day = (int32_t)(to - day * DAY_SECONDS);
	for (int64_t end = day - YEARS_MAX * 366; day > end; day--, of_day = DAY_SECONDS - 1) {
		int32_t found = day_fits(cron, day) ? last_of_day(cron, of_day) : -1;
		if (found >= 0) {
			*local_s_out = day * DAY_SECONDS + found;
			return true;
		}
	}
	return false;
}
