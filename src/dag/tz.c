#include "dag/tz.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "dag/civil.h"

#include <stdio.h>
#include <stdlib.h>

#define ZONES_FOLDER "/usr/share/zoneinfo"
#define FILE_BYTES_MAX (256u << 10)
#define LAST_YEAR 2200
#define HEADER_BYTES 44

struct transition {
	int64_t at_s;
	int32_t offset_s; /* from then on */
};

struct tz {
	char *name;
	int32_t first_offset_s; /* before the first transition */
	MR_VEC(struct transition) transitions;
};

/* A day of the year by rule: Mm.w.d, Jn (no leap day counted) or n. */
struct rule_day {
	char kind; /* 'M', 'J', 'n' */
	int32_t month, week, day;
	int32_t time_s;
};

struct rule {
	int32_t standard_s, summer_s;
	bool has_summer;
	struct rule_day to_summer, to_standard;
};

static int64_t big_endian(const char *at, int bytes)
{
	uint64_t v = (uint8_t)at[0] & 0x80 ? UINT64_MAX : 0;
	for (int i = 0; i < bytes; i++)
		v = v << 8 | (uint8_t)at[i];
	return (int64_t)v;
}

static bool take_number(const char **at, int32_t *out)
{
	if (**at < '0' || **at > '9')
		return false;
	int32_t n = 0;
	while (**at >= '0' && **at <= '9' && n < 100000)
		n = n * 10 + (*(*at)++ - '0');
	*out = n;
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **at, int32_t *out)
{
	int32_t sign = 1, part[3] = {0};
	if (**at == '+' || **at == '-')
		sign = *(*at)++ == '-' ? -1 : 1;
	if (!take_number(at, &part[0]))
		return false;
	for (int i = 1; i < 3 && **at == ':'; i++) {
		(*at)++;
		if (!take_number(at, &part[i]))
			return false;
	}
	*out = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
	return true;
}

static bool skip_name(const char **at)
{
	const char *start = *at;
	if (**at == '<') {
		while (**at && **at != '>')
			(*at)++;
		return *(*at)++ == '>';
	}
	while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z'))
		(*at)++;
	return *at > start;
}

static bool take_day(const char **at, struct rule_day *day)
{
	day->time_s = 2 * 3600;
	day->kind = 'n';
	if (**at == 'M' || **at == 'J')
		day->kind = *(*at)++;
	bool ok;
	if (day->kind == 'M')
		ok = take_number(at, &day->month) && *(*at)++ == '.' && take_number(at, &day->week) &&
		     *(*at)++ == '.' && take_number(at, &day->day) && day->month >= 1 && day->month <= 12 &&
		     day->week >= 1 && day->week <= 5 && day->day <= 6;
	else
		ok = take_number(at, &day->day);
	if (!ok || **at != '/')
		return ok;
	(*at)++;
	return take_time(at, &day->time_s);
}

/* The TZ string at the end of the file: "CET-1CEST,M3.5.0,M10.5.0/3". Its offsets count west. */
static bool parse_rule(const char *text, struct rule *rule)
{
	const char *at = text;
	if (!skip_name(&at) || !take_time(&at, &rule->standard_s))
		return false;
	rule->standard_s = -rule->standard_s;
	rule->summer_s = rule->standard_s + 3600;
	if (!*at)
		return true;
	rule->has_summer = true;
	if (!skip_name(&at))
		return false;
	if (*at != ',') {
		if (!take_time(&at, &rule->summer_s))
			return false;
		rule->summer_s = -rule->summer_s;
	}
	return *at++ == ',' && take_day(&at, &rule->to_summer) && *at++ == ',' &&
	       take_day(&at, &rule->to_standard) && !*at;
}

/* Wall-clock seconds at which the rule's day begins to count in a year. */
static int64_t rule_seconds(const struct rule_day *day, int32_t year)
{
	int64_t days;
	if (day->kind == 'M') {
		int64_t first = civil_days(year, day->month, 1);
		int32_t of_month = 1 + (day->day - civil_weekday(first) + 7) % 7 + (day->week - 1) * 7;
		while (of_month > civil_month_days(year, day->month))
			of_month -= 7;
		days = first + of_month - 1;
	} else {
		bool leap = civil_month_days(year, 2) == 29;
		int32_t of_year = day->kind == 'J' ? day->day - 1 + (leap && day->day >= 60) : day->day;
		days = civil_days(year, 1, 1) + of_year;
	}
	return days * DAY_SECONDS + day->time_s;
}

static int32_t last_offset(const struct tz *tz)
{
	return tz->transitions.len ? tz->transitions.items[tz->transitions.len - 1].offset_s
				   : tz->first_offset_s;
}

static void push_transition(struct tz *tz, int64_t at_s, int32_t offset_s)
{
	bool later = !tz->transitions.len || at_s > tz->transitions.items[tz->transitions.len - 1].at_s;
	if (later && offset_s != last_offset(tz))
		mr_vec_push(&tz->transitions, (struct transition){at_s, offset_s});
}

static void write_out_rule(struct tz *tz, const struct rule *rule)
{
	int64_t last_s = tz->transitions.len ? tz->transitions.items[tz->transitions.len - 1].at_s : 0;
	int32_t year = last_s < 0 ? 1970 : civil_from_seconds(mr_min_i64(last_s, INT64_C(1) << 36)).year;
	for (; rule->has_summer && year <= LAST_YEAR; year++) {
		int64_t summer = rule_seconds(&rule->to_summer, year) - rule->standard_s;
		int64_t standard = rule_seconds(&rule->to_standard, year) - rule->summer_s;
		push_transition(tz, mr_min_i64(summer, standard),
				summer < standard ? rule->summer_s : rule->standard_s);
		push_transition(tz, mr_max_i64(summer, standard),
				summer < standard ? rule->standard_s : rule->summer_s);
	}
}

/* Header: "TZif", version, 15 reserved, then six counts: UT indicators, standard indicators, leap
 * seconds, transitions, types, name bytes. */
struct counts {
	int64_t ut, standard, leap, transitions, types, names;
};

static bool read_header(mr_str bytes, struct counts *n)
{
	if (bytes.len < HEADER_BYTES || memcmp(bytes.ptr, "TZif", 4) != 0)
		return false;
	int64_t *to[] = {&n->ut, &n->standard, &n->leap, &n->transitions, &n->types, &n->names};
	for (size_t i = 0; i < MR_COUNT(to); i++) {
		*to[i] = big_endian(bytes.ptr + 20 + i * 4, 4);
		if (*to[i] < 0 || *to[i] > (int64_t)FILE_BYTES_MAX)
			return false;
	}
	return n->types > 0;
}

static size_t block_bytes(const struct counts *n, int64_t time_bytes)
{
	return (size_t)(n->transitions * (time_bytes + 1) + n->types * 6 + n->names +
			n->leap * (time_bytes + 4) + n->standard + n->ut);
}

/* The 64-bit block of a version 2 file, and the rule after it. */
static bool read_block(struct tz *tz, mr_str bytes, const struct counts *n)
{
	const char *times = bytes.ptr, *kinds = times + n->transitions * 8, *types = kinds + n->transitions;
	for (int64_t i = 0; i < n->types; i++)
		if (llabs(big_endian(types + i * 6, 4)) > DAY_SECONDS * 2)
			return false;
	tz->first_offset_s = (int32_t)big_endian(types, 4);
	for (int64_t i = 0; i < n->transitions; i++) {
		if ((uint8_t)kinds[i] >= n->types)
			return false;
		push_transition(tz, big_endian(times + i * 8, 8),
				(int32_t)big_endian(types + (uint8_t)kinds[i] * 6, 4));
	}
	mr_str footer = mr_str_tail(bytes, block_bytes(n, 8));
	if (footer.len < 2 || footer.ptr[0] != '\n' || footer.ptr[footer.len - 1] != '\n')
		return false;
	char *text = mr_strndup(mr_str_n(footer.ptr + 1, footer.len - 2));
	struct rule rule = {0};
	bool ok = !*text || parse_rule(text, &rule);
	if (ok && *text && !tz->transitions.len)
		tz->first_offset_s = rule.standard_s;
	if (ok && *text)
		write_out_rule(tz, &rule);
	free(text);
	return ok;
}

int tz_parse(mr_str name, mr_str bytes, struct tz **out, struct mr_error *err)
{
	struct tz *tz = mr_calloc(1, sizeof *tz);
	tz->name = mr_strndup(name);
	struct counts n;
	bool ok = read_header(bytes, &n) && bytes.ptr[4] >= '2';
	if (ok) {
		bytes = mr_str_tail(bytes, HEADER_BYTES + block_bytes(&n, 4));
		ok = read_header(bytes, &n);
	}
	if (ok) {
		bytes = mr_str_tail(bytes, HEADER_BYTES);
		ok = bytes.len >= block_bytes(&n, 8) && read_block(tz, bytes, &n);
	}
	if (!ok) {
		tz_free(tz);
		return mr_fail(err, MR_ERR_CORRUPT, "the time zone file of '%.*s' is damaged", MR_FMT(name));
	}
	*out = tz;
	return 0;
}

static bool plain_name(mr_str name)
{
	if (!name.len || name.len > 64 || name.ptr[0] == '/' || name.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			  strchr("/_+-", c);
		if (!ok || !c)
			return false;
	}
	return true;
}

int tz_load(struct mr_disk *disk, mr_str name, struct tz **out, struct mr_error *err)
{
	char path[160];
	struct mr_buf bytes = {0};
	struct mr_error why;
	int rc = MR_ERR_NOT_FOUND;
	if (mr_str_is(name, "UTC")) { /* works without tzdata too */
		struct tz *tz = mr_calloc(1, sizeof *tz);
		tz->name = mr_strdup("UTC");
		*out = tz;
		return 0;
	}
	if (plain_name(name)) {
		snprintf(path, sizeof path, ZONES_FOLDER "/%.*s", MR_FMT(name));
		rc = disk_read_file(disk, path, FILE_BYTES_MAX, &bytes, &why);
	}
	if (rc < 0) {
		mr_fail(err, MR_ERR_NOT_FOUND, "unknown time zone '%.*s'", MR_FMT(name));
		rc = mr_hint(err, "a name such as Europe/Berlin, as below " ZONES_FOLDER
				  " (Debian's package tzdata)");
	} else {
		rc = tz_parse(name, mr_buf_view(&bytes), out, err);
	}
	mr_buf_release(&bytes);
	return rc;
}

void tz_free(struct tz *tz)
{
	if (!tz)
		return;
	free(tz->name);
	mr_vec_release(&tz->transitions);
	free(tz);
}

mr_str tz_name(const struct tz *tz)
{
	return mr_str_from(tz->name);
}

static int32_t offset_before(const struct tz *tz, size_t i)
{
	return i ? tz->transitions.items[i - 1].offset_s : tz->first_offset_s;
}

int64_t tz_offset_s(const struct tz *tz, int64_t utc_s)
{
	size_t low = 0, high = tz->transitions.len;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (tz->transitions.items[mid].at_s <= utc_s)
			low = mid + 1;
		else
			high = mid;
	}
	return offset_before(tz, low);
}

int64_t tz_local_s(const struct tz *tz, int64_t utc_s)
{
	return utc_s + tz_offset_s(tz, utc_s);
}

/* The new offset counts from the wall clock that a transition sets: in a gap the old one still
 * does (so the time moves on by the gap), in a fold already the new one (the second of the two). */
int64_t tz_utc_s(const struct tz *tz, int64_t local_s)
{
	size_t low = 0, high = tz->transitions.len;
	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct transition *t = &tz->transitions.items[mid];
		if (t->at_s + t->offset_s <= local_s)
			low = mid + 1;
		else
			high = mid;
	}
	return local_s - offset_before(tz, low);
}
