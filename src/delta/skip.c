#include "delta/skip.h"

#include "delta/internal.h"

#include <ctype.h>
#include <stdlib.h>

#define DAY_US ((int64_t)24 * 3600 * 1000000)
#define ZONE_US DAY_US /* no zone is further from UTC */
#define CUT_US 1000    /* times in statistics are milliseconds */

/* ---- values that can be compared ---- */

struct bound {
	enum { BOUND_NONE, BOUND_INTEGER, BOUND_REAL, BOUND_TEXT } kind;
	int64_t integer; /* also microseconds, for times */
	double real;
	mr_str text; /* and dates: their digits sort as they should */
};

/* What is known of one column in one file. */
struct range {
	struct bound min, max;
	bool has_null, has_value; /* may have */
	bool exact;               /* a partition's: every row has min, or null */
};

static struct bound number_of(mr_str text)
{
	char digits[64], *end;
	bool integer = text.len > 0;
	if (!text.len || text.len >= sizeof digits)
		return (struct bound){0};
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (!isdigit((unsigned char)c) && !strchr("+-.eE", c))
			return (struct bound){0};
		integer &= isdigit((unsigned char)c) || (i == 0 && c == '-');
		digits[i] = c;
	}
	digits[text.len] = 0;
	if (integer && text.len <= 18)
		return (struct bound){.kind = BOUND_INTEGER, .integer = strtoll(digits, NULL, 10)};
	struct bound out = {.kind = BOUND_REAL, .real = strtod(digits, &end)};
	return *end ? (struct bound){0} : out;
}

static struct bound date_of(mr_str text)
{
	int32_t days;
	if (text.len != strlen("2024-01-31") || !parse_date_days(text, &days))
		return (struct bound){0};
	return (struct bound){.kind = BOUND_INTEGER, .integer = days};
}

static struct bound time_of(mr_str text)
{
	int64_t us;
	if (text.len < strlen("2024-01-31") || !parse_timestamp_us(text, &us))
		return (struct bound){0};
	return (struct bound){.kind = BOUND_INTEGER, .integer = us};
}

static struct bound text_of(mr_str text)
{
	return (struct bound){.kind = text.ptr ? BOUND_TEXT : BOUND_NONE, .text = text};
}

/* A stored value, as text, in its column's order. */
static struct bound bound_of(enum column_type type, mr_str text)
{
	switch (type) {
	case COL_BYTE:
	case COL_SHORT:
	case COL_INTEGER:
	case COL_LONG:
	case COL_FLOAT:
	case COL_DOUBLE:
	case COL_DECIMAL:
		return number_of(text);
	case COL_STRING:
		return text_of(text);
	case COL_DATE:
		return date_of(text);
	case COL_TIMESTAMP:
	case COL_TIMESTAMP_NTZ:
		return time_of(text);
	case COL_BOOLEAN:
	case COL_BINARY:
	case COL_JSON:
		break;
	}
	return (struct bound){0};
}

static bool is_number(enum column_type type)
{
	return type >= COL_BYTE && type <= COL_DECIMAL;
}

static bool is_time(enum column_type type)
{
	return type == COL_TIMESTAMP || type == COL_TIMESTAMP_NTZ;
}

/* The constant as the engine would compare it with that column; BOUND_NONE where it would cast the column, or
 * where that is not certain. */
static struct bound constant_of(enum column_type type, const struct sql_predicate *p)
{
	bool text = p->constant == CONSTANT_TEXT;
	if (is_number(type)) {
		struct bound number = number_of(p->value);
		bool plain = p->constant == CONSTANT_NUMBER || (text && number.kind == BOUND_INTEGER);
		return plain ? number : (struct bound){0};
	}
	if (type == COL_STRING)
		return text ? text_of(p->value) : (struct bound){0};
	if (type == COL_DATE)
		return text || p->constant == CONSTANT_DATE ? date_of(p->value) : (struct bound){0};
	if (is_time(type))
		return p->constant != CONSTANT_NUMBER ? time_of(p->value) : (struct bound){0};
	return (struct bound){0};
}

/* Whether a <= b, or a < b, cannot be. Unknown bounds allow everything. */
static int order(const struct bound *a, const struct bound *b)
{
	if (a->kind == BOUND_TEXT)
		return mr_str_cmp(a->text, b->text);
	if (a->kind == BOUND_INTEGER && b->kind == BOUND_INTEGER)
		return a->integer < b->integer ? -1 : a->integer > b->integer;
	double left = a->kind == BOUND_REAL ? a->real : (double)a->integer;
	double right = b->kind == BOUND_REAL ? b->real : (double)b->integer;
	return left < right ? -1 : left > right;
}

static bool comparable(const struct bound *a, const struct bound *b)
{
	return a->kind && b->kind && (a->kind == BOUND_TEXT) == (b->kind == BOUND_TEXT);
}

/* Rounding may have made different numbers equal. */
static bool is_rounded(const struct bound *a, const struct bound *b)
{
	return a->kind == BOUND_REAL || b->kind == BOUND_REAL;
}

static bool surely_above(const struct bound *a, const struct bound *b, bool or_equal)
{
	if (!comparable(a, b))
		return false;
	int o = order(a, b);
	return o > 0 || (o == 0 && or_equal && !is_rounded(a, b));
}

/* ---- what the log says of a column in a file ---- */

struct skipping {
	const struct delta_snapshot *snapshot;
	const struct table_meta *meta;
	const struct file_entry *entry;
	struct json_value min, max, nulls; /* absent: no statistics */
	int64_t rows;                      /* -1: unknown */
	bool by_stats;                     /* else by partition values alone */
};

static size_t find_column(const struct table_meta *meta, mr_str name)
{
	for (size_t i = 0; i < meta->column_count; i++)
		if (meta->defs[i].name.len == name.len &&
		    strncasecmp(meta->defs[i].name.ptr, name.ptr, name.len) == 0)
			return i;
	return SIZE_MAX;
}

static struct bound stored_bound(enum column_type type, struct json_value value)
{
	struct mr_buf text = {0};
	if (json_type(value) == JSON_STRING)
		return bound_of(type, json_str(value));
	if (!is_number(type) || json_type(value) == JSON_NULL)
		return (struct bound){0};
	json_write_value(&text, value);
	struct bound out = number_of(mr_buf_view(&text)); /* holds no text of it */
	mr_buf_release(&text);
	return out;
}

static void widen(struct range *r, enum column_type type)
{
	double slack = type == COL_FLOAT ? 1e-6 : 1e-14;
	struct bound *both[] = {&r->min, &r->max};
	for (size_t i = 0; i < MR_COUNT(both); i++) {
		int64_t sign = i ? 1 : -1;
		if (is_time(type) && both[i]->kind)
			both[i]->integer += sign * (CUT_US + (type == COL_TIMESTAMP ? ZONE_US : 0));
		if (type == COL_FLOAT && both[i]->kind == BOUND_INTEGER)
			*both[i] = (struct bound){.kind = BOUND_REAL, .real = (double)both[i]->integer};
		if (both[i]->kind == BOUND_REAL)
			both[i]->real +=
			    (double)sign * slack * (both[i]->real < 0 ? -both[i]->real : both[i]->real);
	}
}

static struct range partition_range(const struct skipping *k, size_t column)
{
	const struct table_meta *meta = k->meta;
	size_t at = 0;
	while (meta->partition_index[at] != column)
		at++;
	mr_str value = k->entry->partition_values[at];
	struct range r = {.has_null = !value.len, .has_value = value.len > 0, .exact = true};
	if (r.has_value)
		r.min = r.max = bound_of(meta->defs[column].type, value);
	return r;
}

static struct range stats_range(const struct skipping *k, size_t column)
{
	mr_str name = k->meta->columns[column].physical;
	enum column_type type = k->meta->defs[column].type;
	struct json_value nulls = json_get_str(k->nulls, name);
	struct range r = {.has_null = true, .has_value = true};
	if (!k->by_stats || k->meta->columns[column].nested)
		return r;
	r.min = stored_bound(type, json_get_str(k->min, name));
	r.max = stored_bound(type, json_get_str(k->max, name));
	if (json_type(nulls) == JSON_INT) {
		r.has_null = json_int(nulls) != 0;
		r.has_value = k->rows < 0 || json_int(nulls) != k->rows;
	}
	return r;
}

/* ---- may a row be such? ---- */

static bool may_compare(const struct range *r, const struct bound *c, enum predicate_comparison comparison,
			bool floating)
{
	struct bound none = {0};
	const struct bound *top = floating ? &none : &r->max; /* NaN may be above it */
	switch (comparison) {
	case COMPARE_EQ:
		return !surely_above(&r->min, c, false) && !surely_above(c, &r->max, false);
	case COMPARE_NE:
		return !(r->exact && comparable(&r->min, c) && !is_rounded(&r->min, c) &&
			 order(&r->min, c) == 0);
	case COMPARE_LT:
		return !surely_above(&r->min, c, true);
	case COMPARE_LE:
		return !surely_above(&r->min, c, false);
	case COMPARE_GT:
		return !surely_above(c, top, true);
	case COMPARE_GE:
		return !surely_above(c, top, false);
	}
	return true;
}

static bool may_begin(const struct range *r, mr_str prefix)
{
	if (r->min.kind == BOUND_TEXT) {
		mr_str head = mr_str_n(r->min.text.ptr, mr_min_size(r->min.text.len, prefix.len));
		if (mr_str_cmp(head, prefix) > 0)
			return false;
	}
	return r->max.kind != BOUND_TEXT || mr_str_cmp(r->max.text, prefix) >= 0;
}

static bool may_column(const struct skipping *k, const struct sql_predicate *p)
{
	size_t column = find_column(k->meta, p->column);
	if (column == SIZE_MAX || k->meta->columns[column].is_void)
		return true;
	enum column_type type = k->meta->defs[column].type;
	bool partition = k->meta->columns[column].partition;
	struct range r = partition ? partition_range(k, column) : stats_range(k, column);
	if (p->kind == PREDICATE_IS_NULL)
		return r.has_null;
	if (!r.has_value)
		return false;
	if (p->kind == PREDICATE_IS_NOT_NULL)
		return true;
	if (p->kind == PREDICATE_PREFIX)
		return type != COL_STRING || may_begin(&r, p->value);
	struct bound c = constant_of(type, p);
	r.exact &= !is_time(type);
	widen(&r, type);
	return may_compare(&r, &c, p->comparison, type == COL_FLOAT || type == COL_DOUBLE);
}

static bool may_hold(const struct skipping *k, const struct sql_predicate *p)
{
	switch (p->kind) {
	case PREDICATE_ANY:
		return true;
	case PREDICATE_AND:
		for (size_t i = 0; i < p->count; i++)
			if (!may_hold(k, p->children[i]))
				return false;
		return true;
	case PREDICATE_OR:
		for (size_t i = 0; i < p->count; i++)
			if (may_hold(k, p->children[i]))
				return true;
		return false;
	default:
		return may_column(k, p);
	}
}

/* ---- files ---- */

struct stats_visit {
	struct skipping k;
	const struct sql_predicate *predicate;
	struct json_parser *parser;
	bool *keep; /* by entry */
};

static void look_at_stats(void *arg, size_t at, mr_str stats)
{
	struct stats_visit *v = arg;
	struct json_value root, rows;
	if (!v->keep[at] || json_parse(v->parser, stats, &root, NULL) < 0)
		return;
	rows = json_get(root, "numRecords");
	v->k.entry = delta_file_set_at(v->k.snapshot->files, at);
	v->k.min = json_get(root, "minValues");
	v->k.max = json_get(root, "maxValues");
	v->k.nulls = json_get(root, "nullCount");
	v->k.rows = json_type(rows) == JSON_INT ? json_int(rows) : -1;
	v->keep[at] = may_hold(&v->k, v->predicate);
}

/* Files of a partition share their values: each partition is looked at once in a row. */
static size_t skip_partitions(struct skipping *k, const struct sql_predicate *predicate, bool *keep)
{
	const mr_str *last = NULL;
	bool holds = true;
	size_t count = 0;
	struct file_cursor cursor = file_cursor(k->snapshot->files, k->snapshot->entry_count);
	for (struct file_entry *entry; (entry = delta_snapshot_next_file(k->snapshot, &cursor));) {
		if (!count++ || entry->partition_values != last) {
			k->entry = entry;
			holds = may_hold(k, predicate);
			last = entry->partition_values;
		}
		keep[cursor.at - 1] = holds;
	}
	return count;
}

static bool needs_stats(const struct table_meta *meta, const struct sql_predicate *p)
{
	if (p->kind == PREDICATE_AND || p->kind == PREDICATE_OR) {
		for (size_t i = 0; i < p->count; i++)
			if (needs_stats(meta, p->children[i]))
				return true;
		return false;
	}
	size_t column = p->kind == PREDICATE_ANY ? SIZE_MAX : find_column(meta, p->column);
	return column != SIZE_MAX && !meta->columns[column].partition && !meta->columns[column].nested;
}

/* By entry. */
static void skip_entries(const struct delta_snapshot *snapshot, const struct sql_predicate *predicate,
			 bool *keep)
{
	struct stats_visit v = {.k = {.snapshot = snapshot, .meta = snapshot->meta, .rows = -1},
				.predicate = predicate,
				.keep = keep};
	skip_partitions(&v.k, predicate, keep);
	if (!needs_stats(snapshot->meta, predicate))
		return;
	v.k.by_stats = true;
	v.parser = json_parser_new();
	delta_stats_visit(snapshot->files, snapshot->entry_count, keep, look_at_stats, &v);
	json_parser_free(v.parser);
}

size_t delta_skip(const struct delta_snapshot *snapshot, const struct sql_predicate *predicate, bool *keep)
{
	bool *entries = mr_calloc(snapshot->entry_count + 1, sizeof *entries);
	size_t at = 0, kept = 0;
	skip_entries(snapshot, predicate, entries);
	struct file_cursor cursor = file_cursor(snapshot->files, snapshot->entry_count);
	while (delta_snapshot_next_file(snapshot, &cursor)) {
		keep[at] = entries[cursor.at - 1];
		kept += keep[at++];
	}
	free(entries);
	return kept;
}

void delta_scan_where_sql(const struct delta_snapshot *snapshot, const struct sql_predicate *predicate,
			  struct mr_buf *out)
{
	if (!predicate) {
		delta_scan_sql(snapshot, out);
		return;
	}
	bool *keep = mr_calloc(snapshot->entry_count + 1, sizeof *keep);
	skip_entries(snapshot, predicate, keep);
	delta_scan_entries_sql(snapshot, keep, out);
	free(keep);
}
