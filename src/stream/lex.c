#include "stream/lex.h"

#include "base/buf.h"
#include "base/vec.h"

#include <ctype.h>
#include <strings.h>

struct lexer {
	mr_str text;
	enum sql_dialect dialect;
	size_t at;
};

static char peek(const struct lexer *l, size_t ahead)
{
	return l->at + ahead < l->text.len ? l->text.ptr[l->at + ahead] : 0;
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Past spaces and comments; false when a comment has no end. */
static bool skip_space(struct lexer *l)
{
	while (l->at < l->text.len) {
		if (isspace((unsigned char)peek(l, 0))) {
			l->at++;
		} else if (peek(l, 0) == '-' && peek(l, 1) == '-') {
			while (l->at < l->text.len && peek(l, 0) != '\n')
				l->at++;
		} else if (peek(l, 0) == '/' && peek(l, 1) == '*') {
			const char *end = memmem(l->text.ptr + l->at + 2, l->text.len - l->at - 2, "*/", 2);
			if (!end)
				return false;
			l->at = (size_t)(end - l->text.ptr) + 2;
		} else {
			break;
		}
	}
	return true;
}

/* From an opening quote behind its closing one; false when there is none. A doubled quote is
 * part of the text; so is an escaped one where the dialect has escapes. */
static bool skip_quoted(struct lexer *l, bool escapes)
{
	char quote = l->text.ptr[l->at++];
	while (l->at < l->text.len) {
		char c = l->text.ptr[l->at++];
		if (c == '\\' && escapes)
			l->at++;
		else if (c == quote && peek(l, 0) == quote)
			l->at++;
		else if (c == quote)
			return true;
	}
	l->at = l->text.len;
	return false;
}

static void skip_number(struct lexer *l)
{
	while (is_word_char(peek(l, 0)) || peek(l, 0) == '.') {
		bool exponent = (peek(l, 0) | 32) == 'e' && (peek(l, 1) == '-' || peek(l, 1) == '+');
		l->at += exponent ? 2 : 1;
	}
}

static void skip_symbol(struct lexer *l)
{
	static const char *const symbols[] = {"<=>", "==", "::", ":=", "!=", "<>", "<=", ">=", "||", "->"};
	for (size_t i = 0; i < MR_COUNT(symbols); i++) {
		if (mr_str_starts(mr_str_tail(l->text, l->at), mr_str_from(symbols[i]))) {
			l->at += strlen(symbols[i]);
			return;
		}
	}
	l->at++;
}

/* 0, or negative when a quote has no end. */
static int next_token(struct lexer *l, struct token *out)
{
	size_t start = l->at;
	char c = peek(l, 0);
	bool spark = l->dialect == DIALECT_SPARK, whole = true;
	if (c == '\'' || (c == '"' && spark)) {
		out->kind = TOKEN_STRING;
		whole = skip_quoted(l, spark);
	} else if (c == '`' || c == '"') {
		out->kind = TOKEN_NAME;
		whole = skip_quoted(l, false);
	} else if (isdigit((unsigned char)c)) {
		out->kind = TOKEN_NUMBER;
		skip_number(l);
	} else if (is_word_char(c)) {
		out->kind = TOKEN_WORD;
		while (is_word_char(peek(l, 0)))
			l->at++;
	} else {
		out->kind = TOKEN_SYMBOL;
		skip_symbol(l);
	}
	out->at = start;
	out->text = mr_str_n(l->text.ptr + start, l->at - start);
	return whole ? 0 : -1;
}

int sql_lex(mr_str text, enum sql_dialect dialect, struct arena *arena, struct token **out, size_t *count,
	    size_t *error_at, struct mr_error *err)
{
	struct lexer l = {text, dialect, 0};
	MR_VEC(struct token) tokens = {0};
	int rc = 0;
	for (;;) {
		size_t start = l.at;
		struct token token;
		if (!skip_space(&l)) {
			*error_at = start;
			rc = mr_fail(err, MR_ERR_INVALID, "a comment has no end");
			break;
		}
		if (l.at >= text.len)
			break;
		if (next_token(&l, &token) < 0) {
			*error_at = token.at;
			rc = mr_fail(err, MR_ERR_INVALID, "a quote has no end");
			break;
		}
		mr_vec_push(&tokens, token);
	}
	if (rc == 0) {
		mr_vec_push(&tokens, (struct token){TOKEN_END, mr_str_n(text.ptr + text.len, 0), text.len});
		*count = tokens.len - 1;
		*out = arena_alloc(arena, tokens.len * sizeof **out);
		memcpy(*out, tokens.items, tokens.len * sizeof **out);
	}
	mr_vec_release(&tokens);
	return rc;
}

bool token_is(const struct token *token, const char *word)
{
	size_t len = strlen(word);
	return (token->kind == TOKEN_WORD || token->kind == TOKEN_SYMBOL) && token->text.len == len &&
	       strncasecmp(token->text.ptr, word, len) == 0;
}

static char unescaped(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case '0':
		return 0;
	default:
		return c;
	}
}

mr_str token_value(const struct token *token, enum sql_dialect dialect, struct arena *arena)
{
	if (token->kind != TOKEN_STRING && token->kind != TOKEN_NAME)
		return token->text;
	bool escapes = token->kind == TOKEN_STRING && dialect == DIALECT_SPARK;
	char quote = token->text.ptr[0];
	char *out = arena_alloc(arena, token->text.len);
	size_t n = 0;
	for (size_t i = 1; i + 1 < token->text.len; i++) {
		char c = token->text.ptr[i];
		if (c == '\\' && escapes && i + 2 < token->text.len)
			c = unescaped(token->text.ptr[++i]);
		else if (c == quote)
			i++;
		out[n++] = c;
	}
	return mr_str_n(out, n);
}

void text_place(mr_str text, size_t at, int *line, int *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < at && i < text.len; i++) {
		if (text.ptr[i] == '\n') {
			++*line;
			*column = 1;
		} else {
			++*column;
		}
	}
}

int text_caret(mr_str text, size_t at, size_t width, struct mr_error *err)
{
	size_t start = mr_min_size(at, text.len);
	while (start > 0 && text.ptr[start - 1] != '\n')
		start--;
	const char *newline = memchr(text.ptr + start, '\n', text.len - start);
	size_t len = newline ? (size_t)(newline - text.ptr) - start : text.len - start;
	int line, column;
	text_place(text, at, &line, &column);
	struct mr_buf hint;
	mr_buf_init(&hint, 250);
	mr_buf_printf(&hint, "%5d | %.*s\n      | ", line, (int)mr_min_size(len, 110), text.ptr + start);
	for (int i = 1; i < column && i < 110; i++) /* tabs stay tabs, so that the caret stands right */
		mr_buf_char(&hint, text.ptr[start + (size_t)i - 1] == '\t' ? '\t' : ' ');
	for (size_t i = 0; i < mr_max_size(mr_min_size(width, 40), 1); i++)
		mr_buf_char(&hint, '^');
	mr_hint(err, "%s", mr_buf_view(&hint).ptr);
	mr_buf_release(&hint);
	return err ? err->code : MR_ERR_INVALID;
}
