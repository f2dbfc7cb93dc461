#include "stream/statement.h"

#include <ctype.h>

/* The offset behind a quoted or commented stretch that starts at `at`, or `at` itself. */
static size_t past_stretch(mr_str text, size_t at)
{
	char c = text.ptr[at], next = at + 1 < text.len ? text.ptr[at + 1] : 0;
	if (c == '\'' || c == '"' || c == '`') {
		const char *end = memchr(text.ptr + at + 1, c, text.len - at - 1);
		return end ? (size_t)(end - text.ptr) + 1 : text.len;
	}
	if (c == '-' && next == '-') {
		const char *end = memchr(text.ptr + at, '\n', text.len - at);
		return end ? (size_t)(end - text.ptr) : text.len;
	}
	if (c == '/' && next == '*') {
		const char *end = memmem(text.ptr + at + 2, text.len - at - 2, "*/", 2);
		return end ? (size_t)(end - text.ptr) + 2 : text.len;
	}
	return at;
}

static mr_str trimmed(mr_str s)
{
	while (s.len && isspace((unsigned char)s.ptr[0]))
		s = mr_str_tail(s, 1);
	while (s.len && isspace((unsigned char)s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Whether anything but spaces and comments is in s. */
static bool says_something(mr_str s)
{
	for (size_t at = 0; at < s.len;) {
		if (isspace((unsigned char)s.ptr[at])) {
			at++;
			continue;
		}
		size_t past = past_stretch(s, at);
		if (past == at || (s.ptr[at] != '-' && s.ptr[at] != '/'))
			return true;
		at = past;
	}
	return false;
}

mr_str statement_next(mr_str *text)
{
	while (text->len) {
		size_t at = 0;
		while (at < text->len && text->ptr[at] != ';') {
			size_t past = past_stretch(*text, at);
			at = past > at ? past : at + 1;
		}
		mr_str statement = mr_str_n(text->ptr, at);
		*text = mr_str_tail(*text, at + 1);
		if (says_something(statement))
			return trimmed(statement);
	}
	return MR_STR("");
}
