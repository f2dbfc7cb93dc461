#include "jinja/lex.h"

#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

struct lexer {
	mr_str source;
	size_t at;
	struct arena *arena;
	struct jinja_tokens *out;
	bool trim_next; /* the tag before the text to come ended with "-" */
};

int jinja_fail_at(mr_str source, size_t at, int code, struct mr_error *err)
{
	int line = 1, column = 1;
	for (size_t i = 0; i < at && i < source.len; i++) {
		if (source.ptr[i] == '\n') {
			line++;
			column = 1;
		} else if ((source.ptr[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return mr_error_wrap(err, code, "line %d, column %d", line, column);
}

static void push(struct lexer *lex, enum jinja_token_kind kind, size_t at, mr_str text)
{
	mr_vec_push(&lex->out->list, (struct jinja_token){.kind = kind, .text = text, .at = (uint32_t)at});
}

static bool looking_at(const struct lexer *lex, size_t at, const char *what)
{
	size_t len = strlen(what);
	return at + len <= lex->source.len && memcmp(lex->source.ptr + at, what, len) == 0;
}

static char char_at(const struct lexer *lex, size_t at)
{
	return at < lex->source.len ? lex->source.ptr[at] : 0;
}

/* Where "{{", "{%" or "{#" is next; the end when nowhere. */
static size_t find_tag(const struct lexer *lex, size_t from)
{
	for (size_t i = from; i + 1 < lex->source.len; i++)
		if (lex->source.ptr[i] == '{' && memchr("{%#", lex->source.ptr[i + 1], 3))
			return i;
	return lex->source.len;
}

static void push_text(struct lexer *lex, size_t from, size_t to, bool trim_end)
{
	const char *s = lex->source.ptr;
	if (lex->trim_next)
		while (from < to && isspace((unsigned char)s[from]))
			from++;
	if (trim_end)
		while (to > from && isspace((unsigned char)s[to - 1]))
			to--;
	lex->trim_next = false;
	if (to > from)
		push(lex, TOKEN_TEXT, from, mr_str_n(s + from, to - from));
}

static int fail(struct lexer *lex, size_t at, struct mr_error *err, const char *message)
{
	mr_fail(err, MR_ERR_INVALID, "%s", message);
	return jinja_fail_at(lex->source, at, MR_ERR_INVALID, err);
}

static int lex_comment(struct lexer *lex, size_t at, struct mr_error *err)
{
	const char *end = memmem(lex->source.ptr + at + 2, lex->source.len - at - 2, "#}", 2);
	if (!end)
		return fail(lex, at, err, "comment '{#' is not closed with '#}'");
	lex->at = (size_t)(end - lex->source.ptr) + 2;
	lex->trim_next = end > lex->source.ptr + at + 2 && end[-1] == '-';
	return 0;
}

/* "{%" sign? "word" sign? "%}" at `at`: the place behind it, or 0. */
static size_t match_word_tag(const struct lexer *lex, size_t at, const char *word, bool *trim_before,
			     bool *trim_after)
{
	size_t i = at + 2;
	*trim_before = char_at(lex, i) == '-';
	if (char_at(lex, i) == '-' || char_at(lex, i) == '+')
		i++;
	while (isspace((unsigned char)char_at(lex, i)))
		i++;
	if (!looking_at(lex, i, word))
		return 0;
	i += strlen(word);
	while (isspace((unsigned char)char_at(lex, i)))
		i++;
	*trim_after = char_at(lex, i) == '-';
	if (char_at(lex, i) == '-' || char_at(lex, i) == '+')
		i++;
	return looking_at(lex, i, "%}") ? i + 2 : 0;
}

/* Behind {% raw %}: everything to {% endraw %} is text. */
static int lex_raw(struct lexer *lex, size_t tag_at, size_t from, struct mr_error *err)
{
	for (size_t i = from; i + 1 < lex->source.len; i++) {
		bool before, after;
		if (!looking_at(lex, i, "{%"))
			continue;
		size_t end = match_word_tag(lex, i, "endraw", &before, &after);
		if (!end)
			continue;
		push_text(lex, from, i, before);
		lex->trim_next = after;
		lex->at = end;
		return 0;
	}
	return fail(lex, tag_at, err, "'raw' is not closed with 'endraw'");
}

static int put_utf8(struct mr_buf *out, uint32_t c)
{
	if (c < 0x80) {
		mr_buf_char(out, (char)c);
	} else if (c < 0x800) {
		mr_buf_char(out, (char)(0xc0 | c >> 6));
		mr_buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		mr_buf_char(out, (char)(0xe0 | c >> 12));
		mr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		mr_buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x110000) {
		mr_buf_char(out, (char)(0xf0 | c >> 18));
		mr_buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		mr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		mr_buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		return -1;
	}
	return 0;
}

/* \xHH, \uHHHH, \UHHHHHHHH at i (of the letter): the place behind, or 0. */
static size_t unescape_hex(const struct lexer *lex, size_t i, struct mr_buf *out)
{
	size_t digits = char_at(lex, i) == 'x' ? 2 : char_at(lex, i) == 'u' ? 4 : 8;
	uint32_t c = 0;
	for (size_t k = 1; k <= digits; k++) {
		char d = char_at(lex, i + k);
		if (!isxdigit((unsigned char)d))
			return 0;
		c = c * 16 + (uint32_t)(d <= '9' ? d - '0' : (d | 32) - 'a' + 10);
	}
	return put_utf8(out, c) == 0 ? i + digits + 1 : 0;
}

static int lex_string(struct lexer *lex, struct mr_error *err)
{
	static const char from[] = "ntrabfv\\'\"", to[] = "\n\t\r\a\b\f\v\\'\"";
	char quote = lex->source.ptr[lex->at];
	struct mr_buf text = {0};
	size_t i = lex->at + 1;
	for (; i < lex->source.len && lex->source.ptr[i] != quote; i++) {
		char c = lex->source.ptr[i], next = char_at(lex, i + 1);
		const char *known = next ? strchr(from, next) : NULL;
		if (c != '\\') {
			mr_buf_char(&text, c);
		} else if (known) {
			mr_buf_char(&text, to[known - from]);
			i++;
		} else if (next && strchr("xuU", next)) {
			size_t end = unescape_hex(lex, i + 1, &text);
			if (!end) {
				mr_buf_release(&text);
				return fail(lex, i, err, "bad escape in the string");
			}
			i = end - 1;
		} else if (next == '\n') {
			i++; /* a line that goes on */
		} else {
			mr_buf_char(&text, c);
		}
	}
	int rc = i >= lex->source.len ? fail(lex, lex->at, err, "the string is not closed") : 0;
	if (rc == 0)
		push(lex, TOKEN_STR, lex->at, arena_copy(lex->arena, mr_buf_view(&text)));
	mr_buf_release(&text);
	lex->at = i + 1;
	return rc;
}

static size_t digits_end(const struct lexer *lex, size_t i, int base)
{
	while ((base == 16 ? isxdigit((unsigned char)char_at(lex, i))
			   : isdigit((unsigned char)char_at(lex, i))) ||
	       (char_at(lex, i) == '_' && isxdigit((unsigned char)char_at(lex, i + 1))))
		i++;
	return i;
}

static int lex_number(struct lexer *lex, bool after_dot, struct mr_error *err)
{
	size_t start = lex->at;
	char kind = (char)(char_at(lex, start) == '0' ? char_at(lex, start + 1) | 32 : 0);
	int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
	size_t end = digits_end(lex, base == 10 ? start : start + 2, base);
	bool whole = true;
	if (base == 10 && !after_dot) {
		if (char_at(lex, end) == '.' && isdigit((unsigned char)char_at(lex, end + 1))) {
			end = digits_end(lex, end + 1, 10);
			whole = false;
		}
		size_t sign = strchr("+-", char_at(lex, end + 1)) && char_at(lex, end + 1) ? 1 : 0;
		if ((char_at(lex, end) | 32) == 'e' && isdigit((unsigned char)char_at(lex, end + 1 + sign))) {
			end = digits_end(lex, end + 1 + sign, 10);
			whole = false;
		}
	}
	struct mr_buf digits = {0};
	for (size_t i = base == 10 ? start : start + 2; i < end; i++)
		if (lex->source.ptr[i] != '_')
			mr_buf_char(&digits, lex->source.ptr[i]);
	push(lex, whole ? TOKEN_INT : TOKEN_FLOAT, start, mr_str_n(lex->source.ptr + start, end - start));
	struct jinja_token *token = &lex->out->list.items[lex->out->list.len - 1];
	errno = 0;
	char *stop;
	if (whole)
		token->integer = strtoll(mr_buf_view(&digits).ptr, &stop, base);
	else
		token->number = strtod(mr_buf_view(&digits).ptr, &stop);
	bool bad = (whole && errno == ERANGE) || *stop || digits.len == 0;
	mr_buf_release(&digits);
	lex->at = end;
	return bad ? fail(lex, start, err, "a number that does not fit 64 bits, or no number") : 0;
}

static int lex_operator(struct lexer *lex, int *depth, struct mr_error *err)
{
	static const char *const doubles[] = {"//", "**", "==", "!=", ">=", "<="};
	size_t at = lex->at;
	for (size_t i = 0; i < MR_COUNT(doubles); i++) {
		if (looking_at(lex, at, doubles[i])) {
			push(lex, TOKEN_OP, at, mr_str_n(lex->source.ptr + at, 2));
			lex->at += 2;
			return 0;
		}
	}
	char c = lex->source.ptr[at];
	if (!strchr("+-/*%~[](){}><=.:|,", c)) {
		mr_fail(err, MR_ERR_INVALID, "unexpected character '%c'",
			isprint((unsigned char)c) ? c : '?');
		return jinja_fail_at(lex->source, at, MR_ERR_INVALID, err);
	}
	*depth += strchr("([{", c) ? 1 : strchr(")]}", c) ? -1 : 0;
	push(lex, TOKEN_OP, at, mr_str_n(lex->source.ptr + at, 1));
	lex->at++;
	return 0;
}

/* Is a closing delimiter here, with or without a sign? Its length, or 0. */
static size_t closing(const struct lexer *lex, const char *close)
{
	char c = char_at(lex, lex->at);
	size_t sign = c == '-' || c == '+' ? 1 : 0;
	return looking_at(lex, lex->at + sign, close) ? sign + 2 : 0;
}

static int lex_inside(struct lexer *lex, size_t tag_at, bool print, struct mr_error *err)
{
	const char *close = print ? "}}" : "%}";
	int depth = 0, rc = 0;
	while (rc == 0) {
		while (isspace((unsigned char)char_at(lex, lex->at)))
			lex->at++;
		if (lex->at >= lex->source.len) {
			return fail(lex, tag_at, err,
				    print ? "'{{' is not closed with '}}'" : "'{%' is not closed with '%}'");
		}
		size_t end = depth > 0 ? 0 : closing(lex, close);
		char c = lex->source.ptr[lex->at];
		if (end) {
			lex->trim_next = c == '-';
			push(lex, print ? TOKEN_PRINT_END : TOKEN_TAG_END, lex->at, mr_str_from(close));
			lex->at += end;
			return 0;
		}
		if (isalpha((unsigned char)c) || c == '_' || (c & 0x80)) {
			size_t start = lex->at;
			while (isalnum((unsigned char)char_at(lex, lex->at)) ||
			       char_at(lex, lex->at) == '_' || (char_at(lex, lex->at) & 0x80))
				lex->at++;
			push(lex, TOKEN_NAME, start, mr_str_n(lex->source.ptr + start, lex->at - start));
		} else if (isdigit((unsigned char)c)) {
			const struct jinja_token *last = &lex->out->list.items[lex->out->list.len - 1];
			rc = lex_number(lex, last->kind == TOKEN_OP && mr_str_is(last->text, "."), err);
		} else if (c == '"' || c == '\'') {
			rc = lex_string(lex, err);
		} else {
			rc = lex_operator(lex, &depth, err);
		}
	}
	return rc;
}

static int lex_tag(struct lexer *lex, size_t at, struct mr_error *err)
{
	bool before, after, print = lex->source.ptr[at + 1] == '{';
	if (!print) {
		size_t raw_end = match_word_tag(lex, at, "raw", &before, &after);
		if (raw_end) {
			lex->trim_next = after;
			return lex_raw(lex, at, raw_end, err);
		}
	}
	push(lex, print ? TOKEN_PRINT_BEGIN : TOKEN_TAG_BEGIN, at, mr_str_n(lex->source.ptr + at, 2));
	lex->at = at + 2;
	char sign = char_at(lex, lex->at);
	if (sign == '-' || (sign == '+' && !print))
		lex->at++;
	return lex_inside(lex, at, print, err);
}

int jinja_lex(mr_str source, struct arena *arena, struct jinja_tokens *out, struct mr_error *err)
{
	if (source.len && source.ptr[source.len - 1] == '\n')
		source.len--;
	struct lexer lex = {.source = source, .arena = arena, .out = out};
	int rc = 0;
	while (rc == 0 && lex.at < source.len) {
		size_t tag = find_tag(&lex, lex.at);
		push_text(&lex, lex.at, tag, tag + 2 < source.len && source.ptr[tag + 2] == '-');
		lex.at = tag;
		if (tag == source.len)
			break;
		rc = source.ptr[tag + 1] == '#' ? lex_comment(&lex, tag, err) : lex_tag(&lex, tag, err);
	}
	push(&lex, TOKEN_END, source.len, MR_STR("the end"));
	return rc;
}
