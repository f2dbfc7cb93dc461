/* dag/load_calendar.c - `calendar` of a DAG: weekend, holidays, workdays, on_closed. */
#include "dag/load_internal.h"

#include "base/mem.h"
#include "dag/calendar.h"
#include "dag/civil.h"
#include "dag/timetable.h"

#include <strings.h>

#define DAYS_MAX 10000

static const char *const weekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
				       "thursday", "friday", "saturday"};
static const char *const closed_names[] = {
    [CALENDAR_SKIP] = "skip", [CALENDAR_NEXT] = "next", [CALENDAR_PREVIOUS] = "previous"};

/* The index of the one name that begins with the text (three letters are enough); -1: none. */
static int name_index(mr_str text, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text.len >= 3 && text.len <= strlen(names[i]) &&
		    strncasecmp(names[i], text.ptr, text.len) == 0)
			return (int)i;
	return -1;
}

static int read_weekend(struct build *b, const struct yaml_node *node, unsigned *weekend,
			struct mr_error *err)
{
	mr_str *names;
	size_t count;
	*weekend = 1u << 0 | 1u << 6;
	if (!node)
		return 0;
	int rc = load_names(b, node, &names, &count, err);
	*weekend = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		int at = name_index(names[i], weekdays, MR_COUNT(weekdays));
		if (at < 0)
			return load_fail(b, node, err, "'%.*s' is no day of the week", MR_FMT(names[i]));
		*weekend |= 1u << at;
	}
	return rc;
}

static int read_closed(struct build *b, const struct yaml_node *node, enum calendar_closed *closed,
		       struct mr_error *err)
{
	*closed = CALENDAR_SKIP;
	if (!node || yaml_is_null(node))
		return 0;
	int at =
	    node->kind == YAML_SCALAR ? name_index(node->text, closed_names, MR_COUNT(closed_names)) : -1;
	if (at < 0) {
		load_fail(b, node, err, "unknown on_closed");
		return mr_hint(err, "skip: no run; next or previous: it fires on that open day");
	}
	*closed = (enum calendar_closed)at;
	return 0;
}

static bool read_number(mr_str text, size_t digits, int32_t *out)
{
	int32_t value = 0;
	for (size_t i = 0; i < digits; i++) {
		if (i >= text.len || text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (text.ptr[i] - '0');
	}
	*out = value;
	return true;
}

/* "2026-12-24", or each year "12-24": year 0. */
static bool read_day(mr_str text, struct civil *out)
{
	*out = (struct civil){0};
	if (text.len == 10 && text.ptr[4] == '-' && read_number(text, 4, &out->year) && out->year > 0)
		text = mr_str_tail(text, 5);
	bool well = text.len == 5 && text.ptr[2] == '-' && read_number(text, 2, &out->month) &&
		    read_number(mr_str_tail(text, 3), 2, &out->day);
	return well && out->month >= 1 && out->month <= 12 && out->day >= 1 &&
	       out->day <= civil_month_days(out->year ? out->year : 2000, out->month);
}

typedef void add_day(struct calendar *calendar, int32_t year, int32_t month, int32_t day);

static int read_days(struct build *b, const struct yaml_node *node, struct calendar *calendar, add_day *add,
		     struct mr_error *err)
{
	struct civil day;
	if (!node || yaml_is_null(node))
		return 0;
	if (node->kind != YAML_SEQUENCE || node->count > DAYS_MAX)
		return load_fail(b, node, err, "expected a list of at most %d days", DAYS_MAX);
	for (size_t i = 0; i < node->count; i++) {
		const struct yaml_node *item = node->items[i];
		if (item->kind != YAML_SCALAR || !read_day(item->text, &day)) {
			load_fail(b, item, err, "expected a day");
			return mr_hint(err, "2026-12-24, or 12-24 for each year");
		}
		add(calendar, day.year, day.month, day.day);
	}
	return 0;
}

static int check_keys(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	static const struct key keys[] = {{"weekend", VALUE_IGNORED},
					  {"holidays", VALUE_IGNORED},
					  {"workdays", VALUE_IGNORED},
					  {"on_closed", VALUE_IGNORED}};
	if (node->kind != YAML_MAPPING) {
		load_fail(b, node, err, "expected a calendar");
		return mr_hint(err, "calendar: {weekend: [sat, sun], holidays: [2026-12-24, 01-01]}");
	}
	for (size_t i = 0; i < node->count; i++)
		if (!load_key(keys, MR_COUNT(keys), node->keys[i]->text))
			return load_unknown_key(b, node->keys[i], "a calendar", keys, MR_COUNT(keys), NULL,
						err);
	return 0;
}

int load_calendar(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	unsigned weekend;
	enum calendar_closed closed;
	if (!node || yaml_is_null(node))
		return 0;
	int rc = check_keys(b, node, err);
	if (rc == 0)
		rc = read_weekend(b, yaml_get(node, "weekend"), &weekend, err);
	if (rc == 0)
		rc = read_closed(b, yaml_get(node, "on_closed"), &closed, err);
	if (rc < 0)
		return rc;
	struct calendar *calendar = calendar_new(weekend, closed);
	rc = read_days(b, yaml_get(node, "holidays"), calendar, calendar_add_holiday, err);
	if (rc == 0)
		rc = read_days(b, yaml_get(node, "workdays"), calendar, calendar_add_workday, err);
	if (rc < 0) {
		calendar_free(calendar);
		return rc;
	}
	rc = calendar_seal(calendar, err);
	if (rc == 0)
		rc = timetable_set_calendar(b->dag->timetable, calendar, err);
	else
		calendar_free(calendar);
	return rc < 0 ? mr_error_where(err, b->file, node->line, node->column) : 0;
}
