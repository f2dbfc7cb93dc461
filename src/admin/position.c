#include "admin/position.h"

#include "codec/columns.h"
#include "conf/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_DIGITS_MAX 11 /* of a time in seconds; a longer number is in milliseconds */

static bool is_word(mr_str text, const char *a, const char *b, const char *c)
{
	return mr_str_is(text, a) || mr_str_is(text, b) || mr_str_is(text, c);
}

static bool read_number(mr_str text, int64_t *out)
{
	char digits[24];
	if (!text.len || text.len >= sizeof digits)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	}
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = 0;
	errno = 0;
	*out = strtoll(digits, NULL, 10);
	return errno == 0;
}

static bool read_time(mr_str text, int64_t now_ms, int64_t *ms)
{
	int64_t value;
	int32_t days;
	struct mr_error ignored;
	if (read_number(text, &value)) {
		*ms = text.len <= SECONDS_DIGITS_MAX ? value * 1000 : value;
		return true;
	}
	if (parse_timestamp_us(text, &value)) {
		*ms = value / 1000;
		return true;
	}
	if (parse_date_days(text, &days)) {
		*ms = (int64_t)days * 86400000;
		return true;
	}
	mr_str ago = text.len && text.ptr[0] == '-' ? mr_str_tail(text, 1) : text;
	if (conf_parse_duration(ago, &value, &ignored) != 0)
		return false;
	*ms = now_ms - value;
	return true;
}

int position_parse(mr_str text, int64_t now_ms, struct position *out, struct mr_error *err)
{
	struct position position = {0};
	bool at = text.len && text.ptr[0] == '@';
	bool back = mr_str_starts(text, MR_STR("end-")) || (text.len && text.ptr[0] == '-');
	mr_str count = !back ? MR_STR("") : mr_str_tail(text, text.ptr[0] == '-' ? 1 : 4);
	if (is_word(text, "start", "earliest", "beginning"))
		position.kind = POSITION_START;
	else if (is_word(text, "end", "latest", "newest"))
		position.kind = POSITION_END;
	else if (read_number(text, &position.value))
		position.kind = POSITION_OFFSET;
	else if (back && read_number(count, &position.value))
		position.kind = POSITION_BACK;
	else if (read_time(at ? mr_str_tail(text, 1) : text, now_ms, &position.value))
		position.kind = POSITION_TIME;
	else {
		mr_fail(err, MR_ERR_INVALID, "\"%.*s\" is no place in a topic", MR_FMT(text));
		return mr_hint(err, "start, end, an offset, -N (before the end), @2h (ago), or @TIME");
	}
	*out = position;
	return 0;
}

/* Times have colons of their own: a range of times has '@' on both sides, or "end". */
static size_t range_colon(mr_str text)
{
	bool times = text.len && text.ptr[0] == '@';
	for (size_t i = 0; i < text.len; i++) {
		mr_str rest = mr_str_tail(text, i + 1);
		if (text.ptr[i] == ':' &&
		    (!times || !rest.len || rest.ptr[0] == '@' || mr_str_is(rest, "end")))
			return i;
	}
	return text.len;
}

int position_parse_range(mr_str text, int64_t now_ms, struct position *from, struct position *to,
			 bool *bounded, struct mr_error *err)
{
	size_t colon = range_colon(text);
	mr_str first = mr_str_n(text.ptr, colon),
	       second = colon < text.len ? mr_str_tail(text, colon + 1) : MR_STR("");
	struct position a = {POSITION_START, 0}, b = {POSITION_END, 0};
	int rc = first.len ? position_parse(first, now_ms, &a, err) : 0;
	if (rc == 0 && second.len)
		rc = position_parse(second, now_ms, &b, err);
	if (rc < 0)
		return rc;
	*from = a;
	*to = b;
	*bounded = colon < text.len;
	return 0;
}

int position_offset(const struct position *position, struct log_partition *partition, int64_t *out,
		    struct mr_error *err)
{
	int64_t start = log_start_offset(partition), end = log_stable_offset(partition), offset = end, time;
	int rc = 0;
	switch (position->kind) {
	case POSITION_START:
		offset = start;
		break;
	case POSITION_END:
		break;
	case POSITION_OFFSET:
		offset = position->value;
		break;
	case POSITION_BACK:
		offset = end - mr_min_i64(position->value, end);
		break;
	case POSITION_TIME:
		rc = log_find_time(partition, position->value, &offset, &time, err);
		if (rc == 1)
			offset = end;
		break;
	}
	if (rc < 0)
		return rc;
	*out = offset < start ? start : mr_min_i64(offset, end);
	return 0;
}
