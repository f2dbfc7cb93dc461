#include "stream/translate.h"

#include "base/vec.h"

#include <strings.h>

struct cursor {
	const struct translation *t;
	const struct token *tokens;
	size_t count;
	struct arena *arena;
	struct mr_buf *out;
	struct table_ref *tables;
	size_t table_count;
	bool drop_space; /* a word was left out: so is the space behind it */
};

/* Functions that only have another name in DuckDB. Those of the first list may be renamed in both
 * dialects (DuckDB has none of that name); the second only where the text is Spark's. */
struct rename {
	const char *spark, *duckdb;
	bool spark_only;
};

static const struct rename renames[] = {
    {"window", "spark_window", true},
    {"date_format", "spark_date_format", false},
    {"to_timestamp", "spark_to_timestamp", true},
    {"to_date", "spark_to_date", false},
    {"regexp_extract", "spark_regexp_extract", true},
    {"split", "string_split_regex", true},
    {"explode", "unnest", false},
    {"array", "list_value", true},
    {"from_unixtime", "spark_from_unixtime", false},
    {"unix_timestamp", "spark_unix_timestamp", false},
    {"date_add", "spark_date_add", true},
    {"date_sub", "spark_date_sub", true},
    {"datediff", "spark_datediff", true},
};

/* Functions whose last argument is a date pattern in Java's letters. */
static const char *const pattern_functions[] = {"date_format", "to_timestamp", "to_date", "from_unixtime",
						"unix_timestamp"};

/* Java's DateTimeFormatter letters to strftime's. (Spark SQL guide, "Datetime Patterns".) */
static mr_str strftime_pattern(mr_str java, struct arena *arena)
{
	static const struct {
		const char *java, *strftime;
	} letters[] = {
	    {"yyyy", "%Y"},   {"yy", "%y"},  {"y", "%Y"},    {"MMMM", "%B"}, {"MMM", "%b"}, {"MM", "%m"},
	    {"M", "%-m"},     {"dd", "%d"},  {"d", "%-d"},   {"DDD", "%j"},  {"HH", "%H"},  {"H", "%-H"},
	    {"hh", "%I"},     {"h", "%-I"},  {"mm", "%M"},   {"m", "%-M"},   {"ss", "%S"},  {"s", "%-S"},
	    {"SSSSSS", "%f"}, {"SSS", "%g"}, {"EEEE", "%A"}, {"EEE", "%a"},  {"E", "%a"},   {"a", "%p"},
	    {"XXX", "%z"},    {"XX", "%z"},  {"Z", "%z"},    {"z", "%Z"},
	};
	struct mr_buf out = {0};
	for (size_t i = 0; i < java.len;) {
		if (java.ptr[i] == '\'') { /* quoted text */
			for (i++; i < java.len && java.ptr[i] != '\''; i++)
				mr_buf_char(&out, java.ptr[i]);
			i++;
			continue;
		}
		size_t n = 0;
		for (; n < MR_COUNT(letters); n++) {
			if (mr_str_starts(mr_str_tail(java, i), mr_str_from(letters[n].java)))
				break;
		}
		if (n < MR_COUNT(letters)) {
			mr_buf_cstr(&out, letters[n].strftime);
			i += strlen(letters[n].java);
		} else {
			mr_buf_char(&out, java.ptr[i++]);
		}
	}
	mr_str copy = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return copy;
}

static void put_literal(struct mr_buf *out, mr_str text)
{
	mr_buf_char(out, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\'')
			mr_buf_char(out, '\'');
		mr_buf_char(out, text.ptr[i]);
	}
	mr_buf_char(out, '\'');
}

static void put_name(struct mr_buf *out, mr_str text)
{
	mr_buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"')
			mr_buf_char(out, '"');
		mr_buf_char(out, text.ptr[i]);
	}
	mr_buf_char(out, '"');
}

/* The name of the function whose argument list token i stands in directly; NULL when none. */
static const struct token *enclosing_function(const struct cursor *c, size_t i)
{
	int depth = 0;
	for (size_t k = i; k-- > 0;) {
		depth += token_is(&c->tokens[k], ")") ? 1 : token_is(&c->tokens[k], "(") ? -1 : 0;
		if (depth < 0)
			return k > 0 && c->tokens[k - 1].kind == TOKEN_WORD ? &c->tokens[k - 1] : NULL;
	}
	return NULL;
}

static bool is_pattern(const struct cursor *c, size_t i)
{
	if (i == 0 || !token_is(&c->tokens[i - 1], ",") || !token_is(&c->tokens[i + 1], ")"))
		return false;
	const struct token *function = enclosing_function(c, i);
	for (size_t n = 0; function && n < MR_COUNT(pattern_functions); n++) {
		if (token_is(function, pattern_functions[n]))
			return c->t->dialect == DIALECT_SPARK || !token_is(function, "to_timestamp");
	}
	return false;
}

/* CAST(x AS TIMESTAMP): in Spark that is an instant. Returns DuckDB's name, or NULL. */
static const char *cast_type(const struct cursor *c, size_t i)
{
	static const struct {
		const char *spark, *duckdb;
	} types[] = {{"timestamp", "TIMESTAMPTZ"},
		     {"timestamp_ntz", "TIMESTAMP"},
		     {"timestamp_ltz", "TIMESTAMPTZ"},
		     {"string", "VARCHAR"},
		     {"long", "BIGINT"},
		     {"byte", "TINYINT"},
		     {"short", "SMALLINT"},
		     {"binary", "BLOB"}};
	bool in_cast = i > 0 && token_is(&c->tokens[i - 1], "as") && token_is(&c->tokens[i + 1], ")");
	bool in_colons = i > 0 && token_is(&c->tokens[i - 1], "::");
	if (c->t->dialect != DIALECT_SPARK || !(in_cast || in_colons))
		return NULL;
	for (size_t n = 0; n < MR_COUNT(types); n++) {
		if (token_is(&c->tokens[i], types[n].spark))
			return types[n].duckdb;
	}
	return NULL;
}

static const struct table_ref *table_at(const struct cursor *c, size_t i)
{
	for (size_t n = 0; n < c->table_count; n++) {
		const struct table_ref *ref = &c->tables[n];
		if (i == ref->first || i == ref->stream_word || i == ref->close || i == ref->with_word)
			return ref;
	}
	return NULL;
}

/* A STREAM's options are read by pipeline.c. Their lines stay lines. */
static size_t leave_out_options(struct cursor *c, const struct table_ref *ref)
{
	const struct token *first = &c->tokens[ref->with_word], *last = first + ref->with_count - 1;
	for (size_t at = first->at; at < last->at; at++)
		if (c->t->text.ptr[at] == '\n')
			mr_buf_char(c->out, '\n');
	return ref->with_count;
}

/* Names of tables, and the words around them. Returns tokens consumed, 0 when it is none. */
static size_t put_table(struct cursor *c, size_t i)
{
	const struct table_ref *ref = table_at(c, i);
	if (!ref)
		return 0;
	if (i == ref->stream_word) {
		c->drop_space = true;
		return token_is(&c->tokens[i + 1], "(") ? 2 : 1;
	}
	if (i == ref->close)
		return 1;
	if (i == ref->with_word)
		return leave_out_options(c, ref);
	mr_str path = c->t->table ? c->t->table(c->t->table_arg, &c->tokens[ref->first], ref->count,
						ref->stream_word != SIZE_MAX)
				  : MR_STR("");
	if (path.len) {
		mr_buf_str(c->out, path);
		return ref->count;
	}
	return 0;
}

/* Two-token and operator spellings. Returns tokens consumed, 0 when it is none. */
static size_t put_operator(struct cursor *c, size_t i)
{
	const struct token *t = &c->tokens[i];
	if (token_is(t, "<=>")) {
		mr_buf_cstr(c->out, "IS NOT DISTINCT FROM");
		return 1;
	}
	if (token_is(t, "==")) {
		mr_buf_char(c->out, '=');
		return 1;
	}
	if ((token_is(t, "rlike") || token_is(t, "regexp")) && t[1].kind == TOKEN_STRING) {
		mr_str pattern = token_value(&t[1], c->t->dialect, c->arena);
		mr_buf_cstr(c->out, "SIMILAR TO ");
		put_literal(c->out, arena_printf(c->arena, "(?s).*(?:%.*s).*", MR_FMT(pattern)));
		return 2;
	}
	if (token_is(t, "except") && i > 0 && token_is(&c->tokens[i - 1], "*") && token_is(&t[1], "(")) {
		mr_buf_cstr(c->out, "EXCLUDE");
		return 1;
	}
	bool now = token_is(t, "current_timestamp") || token_is(t, "current_date") || token_is(t, "now");
	if (now && token_is(&t[1], "(") && token_is(&t[2], ")") && !token_is(t, "now")) {
		mr_buf_str(c->out, t->text);
		return 3;
	}
	return 0;
}

/* named_struct('a', x, …) -> struct_pack("a" := x, …): the key and its comma. */
static size_t put_struct_key(struct cursor *c, size_t i)
{
	const struct token *t = &c->tokens[i];
	const struct token *function = enclosing_function(c, i);
	if (t->kind != TOKEN_STRING || !function || !token_is(function, "named_struct") ||
	    !token_is(&t[1], ","))
		return 0;
	/* Keys are the odd arguments: an even number of commas stands before them. */
	size_t commas = 0;
	int depth = 0;
	for (const struct token *k = function + 2; k < t; k++) {
		depth += token_is(k, "(") || token_is(k, "[")   ? 1
			 : token_is(k, ")") || token_is(k, "]") ? -1
								: 0;
		commas += depth == 0 && token_is(k, ",");
	}
	if (commas % 2)
		return 0;
	put_name(c->out, token_value(t, c->t->dialect, c->arena));
	mr_buf_cstr(c->out, " :=");
	return 2;
}

static size_t put_word(struct cursor *c, size_t i)
{
	const struct token *t = &c->tokens[i];
	const char *type = cast_type(c, i);
	if (type) {
		mr_buf_cstr(c->out, type);
		return 1;
	}
	bool called = token_is(&t[1], "(") && !(i > 0 && token_is(&c->tokens[i - 1], "."));
	if (called && token_is(t, "named_struct")) {
		mr_buf_cstr(c->out, "struct_pack");
		return 1;
	}
	for (size_t n = 0; called && n < MR_COUNT(renames); n++) {
		if (token_is(t, renames[n].spark) &&
		    (c->t->dialect == DIALECT_SPARK || !renames[n].spark_only)) {
			mr_buf_cstr(c->out, renames[n].duckdb);
			return 1;
		}
	}
	mr_buf_str(c->out, t->text);
	return 1;
}

static size_t put_token(struct cursor *c, size_t i)
{
	const struct token *t = &c->tokens[i];
	size_t n = put_table(c, i);
	if (!n)
		n = put_operator(c, i);
	if (!n)
		n = put_struct_key(c, i);
	if (n)
		return n;
	switch (t->kind) {
	case TOKEN_NAME:
		if (t->text.ptr[0] == '`')
			put_name(c->out, token_value(t, c->t->dialect, c->arena));
		else
			mr_buf_str(c->out, t->text);
		return 1;
	case TOKEN_STRING:
		if (is_pattern(c, i))
			put_literal(c->out,
				    strftime_pattern(token_value(t, c->t->dialect, c->arena), c->arena));
		else if (c->t->dialect == DIALECT_SPARK)
			put_literal(c->out, token_value(t, c->t->dialect, c->arena));
		else
			mr_buf_str(c->out, t->text);
		return 1;
	case TOKEN_WORD:
		return put_word(c, i);
	default:
		mr_buf_str(c->out, t->text);
		return 1;
	}
}

void translate_tokens(const struct translation *t, const struct token *tokens, size_t count,
		      struct arena *arena, struct mr_buf *out)
{
	struct cursor c = {.t = t, .tokens = tokens, .count = count, .arena = arena, .out = out};
	c.table_count = find_tables(tokens, count, arena, &c.tables);
	for (size_t i = 0; i < count;) {
		c.drop_space = false;
		i += put_token(&c, i);
		if (i >= count)
			break;
		/* What lies between two tokens - spaces, comments - as it is. */
		const struct token *last = &tokens[i - 1];
		size_t from = last->at + last->text.len;
		if (!c.drop_space)
			mr_buf_append(out, t->text.ptr + from, tokens[i].at - from);
	}
}
