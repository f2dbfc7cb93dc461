#include "api/log_line.h"

#include "api/json.h"

#define LEVEL_BYTES_MAX 16

static mr_str until(mr_str *text, const char *end)
{
	size_t len = strlen(end);
	for (size_t i = 0; i + len <= text->len; i++) {
		if (memcmp(text->ptr + i, end, len) == 0) {
			mr_str found = mr_str_n(text->ptr, i);
			*text = mr_str_tail(*text, i + len);
			return found;
		}
	}
	return MR_STR_NULL;
}

static bool take(mr_str *text, const char *prefix)
{
	bool has = mr_str_starts(*text, mr_str_from(prefix));
	if (has)
		*text = mr_str_tail(*text, strlen(prefix));
	return has;
}

struct log_line log_line_take(mr_str *text)
{
	const char *end = memchr(text->ptr, '\n', text->len);
	mr_str whole = mr_str_n(text->ptr, end ? (size_t)(end - text->ptr) : text->len), rest = whole;
	struct log_line line = {.event = whole, .level = MR_STR("info"), .logger = MR_STR("task.stdout")};
	*text = mr_str_tail(*text, whole.len + 1);
	if (!take(&rest, "["))
		return line;
	mr_str timestamp = until(&rest, "] "), logger = MR_STR("task"), level;
	int64_t us;
	if (take(&rest, "{"))
		logger = until(&rest, "} ");
	level = until(&rest, " - ");
	if (timestamp.len && level.len && level.len <= LEVEL_BYTES_MAX && parse_time(timestamp, &us))
		line = (struct log_line){timestamp, logger, level, rest};
	return line;
}

static void put_level(struct json_writer *w, mr_str level)
{
	char lower[LEVEL_BYTES_MAX];
	size_t n = mr_min_size(level.len, sizeof lower);
	for (size_t i = 0; i < n; i++)
		lower[i] =
		    (char)(level.ptr[i] >= 'A' && level.ptr[i] <= 'Z' ? level.ptr[i] + 32 : level.ptr[i]);
	json_member_str(w, "level", mr_str_n(lower, n));
}

void log_line_put(struct json_writer *w, const struct log_line *line)
{
	int64_t us;
	json_begin_object(w);
	if (line->timestamp.len && parse_time(line->timestamp, &us))
		put_time(w, "timestamp", us);
	json_member_str(w, "event", line->event);
	if (line->level.len)
		put_level(w, line->level);
	if (line->logger.len)
		json_member_str(w, "logger", line->logger);
	json_end_object(w);
}

mr_str log_whole_lines(mr_str text, bool ended)
{
	const char *last = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
	if (ended || (!last && text.len >= ((size_t)1 << 20)))
		return text;
	return mr_str_n(text.ptr, last ? (size_t)(last - text.ptr) + 1 : 0);
}
