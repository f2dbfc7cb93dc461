/* delta/stats.c - per-file statistics as Delta writes them.
 *
 * {"numRecords":n,"minValues":{..},"maxValues":{..},"nullCount":{..}} over the first 32
 * columns that are stored in the file. What is left out is unknown to readers, which is always
 * right; a bound that is too tight is not. So:
 *   - a column with NaN has no bounds (NaN sorts above all, and JSON has none);
 *   - strings are cut to 32 characters, the maximum then rounded up;
 *   - timestamps are cut to milliseconds, the maximum rounded up;
 *   - booleans, binaries and nested columns have no bounds.
 */
#include "delta/internal.h"

#include <stdio.h>

#define STATS_COLUMNS 32
#define STRING_CHARS 32

/* The bytes of the first `chars` characters of valid UTF-8. */
static size_t prefix_len(mr_str s, size_t chars)
{
	size_t i = 0;
	for (; i < s.len; i++) {
		bool starts = ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
		if (starts && chars-- == 0)
			break;
	}
	return i;
}

static bool put_string(struct json_writer *w, mr_str name, mr_str text, bool is_max)
{
	static const char highest[] = "\xf4\x8f\xbf\xbf"; /* U+10FFFF sorts after what was cut off */
	size_t len = prefix_len(text, STRING_CHARS);
	json_key_str(w, name);
	if (len == text.len || !is_max) {
		json_put_str(w, mr_str_n(text.ptr, len));
		return true;
	}
	struct mr_buf cut = {0};
	mr_buf_append(&cut, text.ptr, len);
	mr_buf_cstr(&cut, highest);
	json_put_str(w, mr_buf_view(&cut));
	mr_buf_release(&cut);
	return true;
}

static bool put_date(struct json_writer *w, mr_str name, mr_str text)
{
	int32_t days;
	if (text.len != strlen("2020-01-01") || !parse_date_days(text, &days))
		return false; /* before year 1, after 9999, infinite */
	json_key_str(w, name);
	json_put_str(w, text);
	return true;
}

/* "2020-01-01 00:00:00.123456+00" to "2020-01-01T00:00:00.124Z". */
static bool put_timestamp(struct json_writer *w, mr_str name, mr_str text, bool is_max, bool zoned)
{
	int64_t us;
	char out[32];
	if (text.len < strlen("2020-01-01 00:00:00") || text.ptr[4] != '-' || !parse_timestamp_us(text, &us))
		return false;
	int64_t ms = us / 1000 - (us % 1000 < 0);
	if (is_max && us % 1000)
		ms++;
	format_timestamp_ms(ms, out);
	json_key_str(w, name);
	json_put_str(w, mr_str_n(out, strlen(out) - !zoned)); /* without the Z */
	return true;
}

static bool put_number(struct json_writer *w, mr_str name, mr_str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("0123456789+-.eE", text.ptr[i]))
			return false; /* inf */
	if (!text.len)
		return false;
	json_key_str(w, name);
	json_put_raw(w, text);
	return true;
}

static void put_bound(struct json_writer *w, const struct column_def *def, mr_str name,
		      struct json_value figures, bool is_max)
{
	struct json_value bound = json_get(figures, is_max ? "max" : "min");
	mr_str text = json_str(bound);
	if (!json_present(bound) || json_type(bound) == JSON_NULL ||
	    mr_str_is(json_str(json_get(figures, "has_nan")), "true"))
		return;
	switch (def->type) {
	case COL_STRING:
	case COL_JSON:
		put_string(w, name, text, is_max);
		break;
	case COL_DATE:
		put_date(w, name, text);
		break;
	case COL_TIMESTAMP:
	case COL_TIMESTAMP_NTZ:
		put_timestamp(w, name, text, is_max, def->type == COL_TIMESTAMP);
		break;
	case COL_BOOLEAN:
	case COL_BINARY:
		break;
	default:
		put_number(w, name, text);
	}
}

static struct json_value figures_of(struct json_value figures, mr_str column)
{
	struct mr_buf key = {0};
	sql_quote_name(&key, column);
	struct json_value found = json_get_str(figures, mr_buf_view(&key));
	mr_buf_release(&key);
	return found;
}

static int64_t null_count(struct json_value figures)
{
	return strtoll(json_str(json_get(figures, "null_count")).len
			   ? json_str(json_get(figures, "null_count")).ptr
			   : "-1",
		       NULL, 10);
}

static bool has_figures(const struct table_meta *meta, size_t i)
{
	return i < STATS_COLUMNS && !meta->columns[i].partition && !meta->columns[i].nested &&
	       !meta->columns[i].is_void;
}

static void put_bounds(struct json_writer *w, const struct table_meta *meta, struct json_value figures,
		       bool is_max)
{
	json_key(w, is_max ? "maxValues" : "minValues");
	json_begin_object(w);
	for (size_t i = 0; i < meta->column_count; i++)
		if (has_figures(meta, i))
			put_bound(w, &meta->defs[i], meta->columns[i].physical,
				  figures_of(figures, meta->columns[i].physical), is_max);
	json_end_object(w);
}

void delta_stats_write(struct mr_buf *out, const struct table_meta *meta, int64_t rows,
		       struct json_value figures, size_t *null_column)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_int(&w, "numRecords", rows);
	put_bounds(&w, meta, figures, false);
	put_bounds(&w, meta, figures, true);
	json_key(&w, "nullCount");
	json_begin_object(&w);
	*null_column = SIZE_MAX;
	for (size_t i = 0; i < meta->column_count; i++) {
		int64_t nulls = null_count(figures_of(figures, meta->columns[i].physical));
		if (nulls > 0 && meta->defs[i].not_null && *null_column == SIZE_MAX)
			*null_column = i;
		if (nulls >= 0 && has_figures(meta, i)) {
			json_key_str(&w, meta->columns[i].physical);
			json_put_int(&w, nulls);
		}
	}
	json_end_object(&w);
	json_end_object(&w);
}

int64_t delta_stats_rows(mr_str stats_json)
{
	/* A log may hold a hundred thousand of these: no parser for one number. */
	static const char key[] = "\"numRecords\":";
	const char *at = stats_json.len ? memmem(stats_json.ptr, stats_json.len, key, sizeof key - 1) : NULL;
	if (!at)
		return -1;
	int64_t rows = 0;
	size_t digits = 0;
	const char *end = stats_json.ptr + stats_json.len;
	for (at += sizeof key - 1; at < end && *at == ' '; at++)
		;
	for (; at < end && *at >= '0' && *at <= '9' && digits < 18; at++, digits++)
		rows = rows * 10 + (*at - '0');
	return digits ? rows : -1;
}
