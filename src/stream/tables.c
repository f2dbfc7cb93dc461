/* stream/tables.c - which tables a query names, and where. */
#include "stream/translate.h"

#include "base/vec.h"

struct walker {
	const struct token *tokens;
	size_t count;
	MR_VEC(struct table_ref) found;
	MR_VEC(size_t) with_names; /* tokens that a WITH defines */
};

static bool is_name(const struct token *t)
{
	return t->kind == TOKEN_NAME || t->kind == TOKEN_WORD;
}

/* How many tokens a dotted name at i takes; 0 when none stands there. */
static size_t name_length(const struct walker *w, size_t i)
{
	if (!is_name(&w->tokens[i]))
		return 0;
	size_t n = 1;
	while (token_is(&w->tokens[i + n], ".") && is_name(&w->tokens[i + n + 1]))
		n += 2;
	return n;
}

static bool defined_by_with(const struct walker *w, size_t i)
{
	for (size_t k = 0; k < w->with_names.len; k++) {
		mr_str a = w->tokens[w->with_names.items[k]].text, b = w->tokens[i].text;
		if (a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0)
			return true;
	}
	return false;
}

/* name AS ( ... ): a WITH's definition, wherever it stands. */
static void collect_with(struct walker *w)
{
	bool with = false;
	for (size_t i = 0; i < w->count; i++) {
		with |= token_is(&w->tokens[i], "with");
		if (with && is_name(&w->tokens[i]) && token_is(&w->tokens[i + 1], "as") &&
		    token_is(&w->tokens[i + 2], "("))
			mr_vec_push(&w->with_names, i);
	}
}

/* FROM in extract(.. FROM ..), trim(.. FROM ..) and IS DISTINCT FROM names no table. */
static bool from_names_table(const struct walker *w, size_t i)
{
	if (i > 0 && token_is(&w->tokens[i - 1], "distinct"))
		return i < 2 || !(token_is(&w->tokens[i - 2], "is") || token_is(&w->tokens[i - 2], "not"));
	int depth = 0;
	for (size_t k = i; k-- > 0;) {
		depth += token_is(&w->tokens[k], ")") ? 1 : token_is(&w->tokens[k], "(") ? -1 : 0;
		if (depth < 0) {
			static const char *const words[] = {"extract", "trim", "substring", "overlay",
							    "position"};
			for (size_t n = 0; k > 0 && n < MR_COUNT(words); n++) {
				if (token_is(&w->tokens[k - 1], words[n]))
					return false;
			}
			return true;
		}
	}
	return true;
}

/* STREAM t WITH (key = value, ...): the tokens from WITH to its ')', 0 when there are none. */
static size_t options_length(const struct walker *w, size_t at)
{
	if (!token_is(&w->tokens[at], "with") || !token_is(&w->tokens[at + 1], "("))
		return 0;
	for (size_t end = at + 2; end < w->count; end++)
		if (token_is(&w->tokens[end], ")"))
			return end + 1 - at;
	return 0;
}

/* A table reference at i, with what STREAM puts around it; returns the token behind it. */
static size_t visit_table(struct walker *w, size_t i)
{
	struct table_ref ref = {.stream_word = SIZE_MAX, .close = SIZE_MAX, .with_word = SIZE_MAX};
	size_t at = i;
	if (token_is(&w->tokens[at], "stream") && token_is(&w->tokens[at + 1], "(") &&
	    name_length(w, at + 2)) {
		ref.stream_word = at;
		at += 2;
	} else if (token_is(&w->tokens[at], "stream") && is_name(&w->tokens[at + 1])) {
		ref.stream_word = at++;
	}
	ref.first = at;
	ref.count = name_length(w, at);
	if (!ref.count)
		return i;
	at += ref.count;
	if (ref.stream_word != SIZE_MAX && token_is(&w->tokens[ref.stream_word + 1], "(")) {
		if (!token_is(&w->tokens[at], ")"))
			return at;
		ref.close = at++;
	} else if (token_is(&w->tokens[at], "(")) {
		return at; /* a table function */
	}
	if (ref.stream_word != SIZE_MAX && options_length(w, at)) {
		ref.with_word = at;
		ref.with_count = options_length(w, at);
		at += ref.with_count;
	}
	if (ref.count > 1 || ref.stream_word != SIZE_MAX || !defined_by_with(w, ref.first))
		mr_vec_push(&w->found, ref);
	return at;
}

/* Past an alias; true when a comma then brings the next table. */
static bool comma_follows(const struct walker *w, size_t *i)
{
	if (token_is(&w->tokens[*i], "as"))
		++*i;
	static const char *const ends[] = {"where",  "join",  "inner", "left",    "right",
					   "full",   "cross", "on",    "group",   "order",
					   "having", "limit", "union", "qualify", "window"};
	bool keyword = false;
	for (size_t n = 0; n < MR_COUNT(ends); n++)
		keyword |= token_is(&w->tokens[*i], ends[n]);
	if (is_name(&w->tokens[*i]) && !keyword)
		++*i;
	return token_is(&w->tokens[*i], ",");
}

size_t find_tables(const struct token *tokens, size_t count, struct arena *arena, struct table_ref **out)
{
	struct walker w = {.tokens = tokens, .count = count};
	collect_with(&w);
	for (size_t i = 0; i < count; i++) {
		bool from = token_is(&tokens[i], "from") && from_names_table(&w, i);
		if (!from && !token_is(&tokens[i], "join"))
			continue;
		size_t at = i + 1;
		for (;;) {
			size_t past = visit_table(&w, at);
			if (past == at || !comma_follows(&w, &past))
				break;
			at = past + 1;
		}
	}
	*out = arena_alloc(arena, (w.found.len + 1) * sizeof **out);
	if (w.found.len)
		memcpy(*out, w.found.items, w.found.len * sizeof **out);
	size_t found = w.found.len;
	mr_vec_release(&w.found);
	mr_vec_release(&w.with_names);
	return found;
}
