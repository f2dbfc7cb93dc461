#include "ingest/ranges.h"

#include "log/log.h"

/* Digits up to `max` from *at on, then `until` (0: a comma or the end). */
static bool take_number(mr_str text, size_t *at, int64_t max, char until, int64_t *out)
{
	int64_t value = 0;
	size_t i = *at;
	for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
		int digit = text.ptr[i] - '0';
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (i == *at)
		return false;
	if (until ? i >= text.len || text.ptr[i] != until : i < text.len && text.ptr[i] != ',')
		return false;
	*at = i < text.len ? i + 1 : i;
	*out = value;
	return true;
}

int ranges_parse(mr_str text, struct arena *arena, struct topic_range **out, size_t *count,
		 struct mr_error *err)
{
	size_t commas = 0;
	for (size_t i = 0; i < text.len; i++)
		commas += text.ptr[i] == ',';
	if (commas >= LOG_PARTITIONS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "%zu ranges are more than a topic has partitions",
			       commas + 1);
	struct topic_range *ranges = arena_calloc(arena, commas + 1, sizeof *ranges);
	size_t n = 0;
	for (size_t at = 0; at < text.len; n++) {
		int64_t partition;
		size_t start = at;
		if (n > commas || !take_number(text, &at, LOG_PARTITIONS_MAX - 1, ':', &partition) ||
		    !take_number(text, &at, INT64_MAX, '-', &ranges[n].from) ||
		    !take_number(text, &at, INT64_MAX, 0, &ranges[n].to) || ranges[n].from > ranges[n].to) {
			mr_fail(err, MR_ERR_INVALID, "no range of offsets at byte %zu of \"%.*s\"", start,
				(int)mr_min_size(text.len, 100), text.ptr);
			return mr_hint(err, "write PARTITION:FROM-TO, as in '0:100-200,1:5-9'");
		}
		ranges[n].partition = (int32_t)partition;
	}
	*out = ranges;
	*count = n;
	return 0;
}

void ranges_put(struct mr_buf *out, struct topic_range range)
{
	mr_buf_printf(out, "%s%d:%lld-%lld", out->len ? "," : "", range.partition, (long long)range.from,
		      (long long)range.to);
}
