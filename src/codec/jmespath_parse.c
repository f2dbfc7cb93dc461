/* codec/jmespath_parse.c - text to tree: a lexer of one token look-ahead and a precedence climber.
 *
 * Binding powers, weakest first: | || && comparisons flatten [] * filter [? . ! bracket.
 * What follows a projection is its right side, down to the power of the projection itself.
 */
#include "base/vec.h"
#include "codec/jmespath_tree.h"

#include <errno.h>
#include <stdlib.h>

enum { TEXT_MAX = 4096, DEPTH_MAX = 64 };

enum token {
	T_END,
	T_NAME,   /* identifier or "quoted identifier"; text */
	T_STRING, /* 'raw'; text */
	T_JSON,   /* `json`; text */
	T_INT,
	T_FUNCTION_OPEN, /* a name directly followed by '('; text */
	T_DOT,
	T_STAR,
	T_AT,
	T_COMMA,
	T_COLON,
	T_PIPE,
	T_OR,
	T_AND,
	T_NOT,
	T_COMPARE,
	T_OPEN,    /* [ */
	T_FILTER,  /* [? */
	T_FLATTEN, /* [] */
	T_CLOSE,
	T_BRACE_OPEN,
	T_BRACE_CLOSE,
	T_PAREN_OPEN,
	T_PAREN_CLOSE,
};

enum {
	POWER_PIPE = 1,
	POWER_OR = 2,
	POWER_AND = 3,
	POWER_COMPARE = 5,
	POWER_FLATTEN = 9,
	POWER_PROJECTION = 20,
	POWER_FILTER = 21,
	POWER_DOT = 40,
	POWER_NOT = 45,
	POWER_BRACKET = 55,
	PROJECTION_STOP = 10
};

struct parser {
	struct jmespath *into;
	mr_str source;
	size_t at;    /* behind the token */
	size_t start; /* of the token */
	enum token token;
	bool quoted; /* T_NAME came in quotes */
	mr_str text;
	int64_t number;
	enum jp_compare compare;
	int depth;
	struct mr_error *err;
};

static int parse(struct parser *p, int power, struct jp_node **out);

static int fail(struct parser *p, const char *what)
{
	return mr_fail(p->err, MR_ERR_INVALID, "JMESPath: %s at column %zu of \"%.*s\"", what, p->start + 1,
		       MR_FMT(p->source));
}

/* ---- tokens ---- */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

static char peek(const struct parser *p, size_t ahead)
{
	return p->at + ahead < p->source.len ? p->source.ptr[p->at + ahead] : 0;
}

/* The document of `text`, kept as long as the expression. */
static int parse_json(struct parser *p, mr_str text, struct json_value *out)
{
	struct jp_literal *literal = arena_alloc(&p->into->arena, sizeof *literal);
	*literal = (struct jp_literal){json_parser_new(), p->into->literals};
	p->into->literals = literal;
	struct mr_error inner;
	if (json_parse(literal->parser, text, out, &inner) < 0)
		return fail(p, inner.message);
	return 0;
}

/* At the opening quote: the inside, escapes untouched, and the position moved behind the end. */
static int quoted(struct parser *p, char quote, mr_str *out)
{
	size_t i = p->at + 1;
	while (i < p->source.len && p->source.ptr[i] != quote)
		i += p->source.ptr[i] == '\\' ? 2 : 1;
	if (i >= p->source.len)
		return fail(p, "a quote is not closed");
	*out = mr_str_n(p->source.ptr + p->at + 1, i - p->at - 1);
	p->at = i + 1;
	return 0;
}

/* Drop the backslash before `c`. */
static mr_str unescape(struct parser *p, mr_str s, char c)
{
	mr_str copy = arena_copy(&p->into->arena, s);
	char *to = (char *)copy.ptr;
	size_t len = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len && s.ptr[i + 1] == c)
			i++;
		to[len++] = s.ptr[i];
	}
	return mr_str_n(to, len);
}

static int lex_quoted(struct parser *p, char c)
{
	mr_str inside;
	size_t start = p->at;
	int rc = quoted(p, c, &inside);
	if (rc < 0)
		return rc;
	p->token = c == '"' ? T_NAME : c == '\'' ? T_STRING : T_JSON;
	p->quoted = c == '"';
	if (c != '"') {
		p->text = unescape(p, inside, c);
		return 0;
	}
	struct json_value v; /* a quoted identifier is a JSON string */
	rc = parse_json(p, mr_str_n(p->source.ptr + start, p->at - start), &v);
	p->text = rc == 0 ? json_str(v) : MR_STR("");
	return rc;
}

static int lex_number(struct parser *p)
{
	char copy[24];
	size_t len = p->source.ptr[p->at] == '-' ? 1 : 0;
	while (peek(p, len) >= '0' && peek(p, len) <= '9')
		len++;
	if (len > 18 || (len == 1 && peek(p, 0) == '-'))
		return fail(p, "not a usable number");
	memcpy(copy, p->source.ptr + p->at, len);
	copy[len] = 0;
	p->number = strtoll(copy, NULL, 10);
	p->token = T_INT;
	p->at += len;
	return 0;
}

static int lex_operator(struct parser *p)
{
	static const struct {
		const char *text;
		enum token token;
		enum jp_compare compare;
	} operators[] = {
	    {"[?", T_FILTER, 0},      {"[]", T_FLATTEN, 0},     {"[", T_OPEN, 0},
	    {"]", T_CLOSE, 0},        {"{", T_BRACE_OPEN, 0},   {"}", T_BRACE_CLOSE, 0},
	    {"(", T_PAREN_OPEN, 0},   {")", T_PAREN_CLOSE, 0},  {".", T_DOT, 0},
	    {"*", T_STAR, 0},         {"@", T_AT, 0},           {",", T_COMMA, 0},
	    {":", T_COLON, 0},        {"||", T_OR, 0},          {"|", T_PIPE, 0},
	    {"&&", T_AND, 0},         {"==", T_COMPARE, JP_EQ}, {"!=", T_COMPARE, JP_NE},
	    {"<=", T_COMPARE, JP_LE}, {">=", T_COMPARE, JP_GE}, {"<", T_COMPARE, JP_LT},
	    {">", T_COMPARE, JP_GT},  {"!", T_NOT, 0},
	};
	mr_str rest = mr_str_tail(p->source, p->at);
	for (size_t i = 0; i < MR_COUNT(operators); i++) {
		mr_str text = mr_str_from(operators[i].text);
		if (!mr_str_starts(rest, text))
			continue;
		p->token = operators[i].token;
		p->compare = operators[i].compare;
		p->at += text.len;
		return 0;
	}
	if (rest.ptr[0] == '&')
		return fail(p, "expression references (&) are not supported");
	return fail(p, rest.ptr[0] == '=' ? "'=' is not an operator ('==' is)" : "unexpected character");
}

static int next(struct parser *p)
{
	while (peek(p, 0) == ' ' || peek(p, 0) == '\t' || peek(p, 0) == '\n' || peek(p, 0) == '\r')
		p->at++;
	p->start = p->at;
	if (p->at >= p->source.len) {
		p->token = T_END;
		return 0;
	}
	char c = peek(p, 0);
	if (c == '"' || c == '\'' || c == '`')
		return lex_quoted(p, c);
	if (c == '-' || (c >= '0' && c <= '9'))
		return lex_number(p);
	if (!is_name_char(c))
		return lex_operator(p);
	size_t len = 1;
	while (is_name_char(peek(p, len)))
		len++;
	p->text = arena_copy(&p->into->arena, mr_str_n(p->source.ptr + p->at, len));
	p->at += len;
	p->quoted = false;
	p->token = T_NAME;
	if (peek(p, 0) == '(') {
		p->at++;
		p->token = T_FUNCTION_OPEN;
	}
	return 0;
}

static int expect(struct parser *p, enum token token, const char *what)
{
	return p->token == token ? next(p) : fail(p, what);
}

static struct jp_node *node(struct parser *p, enum jp_kind kind)
{
	struct jp_node *n = arena_calloc(&p->into->arena, 1, sizeof *n);
	n->kind = kind;
	return n;
}

/* ---- parts ---- */

static void add_child(struct parser *p, struct jp_node *n, mr_str name, struct jp_node *child)
{
	/* Doubling by powers of two; the old places stay in the arena. */
	if ((n->child_count & (n->child_count - 1)) == 0) {
		size_t room = n->child_count ? n->child_count * 2 : 1;
		struct jp_node **children = arena_alloc(&p->into->arena, room * sizeof *children);
		mr_str *names = arena_alloc(&p->into->arena, room * sizeof *names);
		for (size_t i = 0; i < n->child_count; i++) {
			children[i] = n->children[i];
			names[i] = n->names[i];
		}
		n->children = children;
		n->names = names;
	}
	n->names[n->child_count] = name;
	n->children[n->child_count++] = child;
}

/* Expressions up to `close`, by commas; with names for a hash. */
static int parse_children(struct parser *p, struct jp_node *n, enum token close, const char *missing)
{
	for (;;) {
		mr_str name = MR_STR("");
		struct jp_node *child;
		int rc = 0;
		if (n->kind == JP_MULTI_HASH) {
			name = p->text;
			rc = expect(p, T_NAME, "expected a key");
			if (rc == 0)
				rc = expect(p, T_COLON, "expected ':'");
		}
		if (rc == 0)
			rc = parse(p, 0, &child);
		if (rc < 0)
			return rc;
		add_child(p, n, name, child);
		if (p->token != T_COMMA)
			return expect(p, close, missing);
		rc = next(p);
		if (rc < 0)
			return rc;
	}
}

static int parse_function(struct parser *p, struct jp_node **out)
{
	struct jp_node *n = node(p, JP_FUNCTION);
	n->function = jp_function_find(p->text);
	if (!n->function) {
		fail(p, "no such function");
		return mr_hint(p->err, "functions are: %s", jp_function_names());
	}
	size_t start = p->start;
	int rc = next(p);
	if (rc == 0)
		rc = p->token == T_PAREN_CLOSE ? next(p)
					       : parse_children(p, n, T_PAREN_CLOSE, "expected ',' or ')'");
	if (rc < 0)
		return rc;
	int count = (int)n->child_count;
	if (count < n->function->args_min || (n->function->args_max >= 0 && count > n->function->args_max)) {
		p->start = start;
		return fail(p, "wrong number of arguments");
	}
	*out = n;
	return 0;
}

static int parse_dot_right(struct parser *p, int power, struct jp_node **out)
{
	if (p->token == T_NAME || p->token == T_FUNCTION_OPEN || p->token == T_STAR)
		return parse(p, power, out);
	if (p->token != T_OPEN && p->token != T_BRACE_OPEN)
		return fail(p, "expected a name, '*', '[' or '{' after '.'");
	struct jp_node *n = node(p, p->token == T_OPEN ? JP_MULTI_LIST : JP_MULTI_HASH);
	int rc = next(p);
	if (rc == 0)
		rc = parse_children(p, n, n->kind == JP_MULTI_LIST ? T_CLOSE : T_BRACE_CLOSE,
				    "expected ',' or a closing bracket");
	*out = n;
	return rc;
}

static int binding_power(enum token token);

/* What a projection does to each element: nothing more when a weaker operator follows. */
static int parse_projected(struct parser *p, int power, struct jp_node **out)
{
	if (binding_power(p->token) < PROJECTION_STOP) {
		*out = node(p, JP_CURRENT);
		return 0;
	}
	if (p->token == T_OPEN || p->token == T_FILTER)
		return parse(p, power, out);
	if (p->token != T_DOT)
		return fail(p, "unexpected word after a projection");
	int rc = next(p);
	return rc < 0 ? rc : parse_dot_right(p, power, out);
}

static int parse_slice(struct parser *p, struct jp_slice *s)
{
	int64_t part[3] = {0, 0, 1};
	bool given[3] = {false, false, false};
	int colons = 0, rc = 0;
	for (; rc == 0 && (p->token == T_INT || p->token == T_COLON); rc = rc ? rc : next(p)) {
		if (p->token == T_COLON) {
			if (++colons > 2)
				return fail(p, "a slice has at most two ':'");
			continue;
		}
		if (given[colons])
			return fail(p, "expected ':' or ']'");
		part[colons] = p->number;
		given[colons] = true;
	}
	if (rc < 0)
		return rc;
	if (part[2] == 0)
		return fail(p, "a slice's step cannot be 0");
	*s = (struct jp_slice){given[0], given[1], part[0], part[1], part[2]};
	return colons ? 0 : 1; /* 1: a plain index */
}

static int finish_projection(struct parser *p, struct jp_node *n, struct jp_node *left, int power,
			     struct jp_node **out)
{
	n->left = left;
	int rc = expect(p, T_CLOSE, "expected ']'");
	if (rc == 0)
		rc = parse_projected(p, power, &n->right);
	*out = n;
	return rc;
}

/* Behind '[' after something: an index, a slice or '*'. */
static int parse_bracket(struct parser *p, struct jp_node *left, struct jp_node **out)
{
	if (p->token == T_STAR) {
		int rc = next(p);
		return rc < 0
			   ? rc
			   : finish_projection(p, node(p, JP_LIST_PROJECTION), left, POWER_PROJECTION, out);
	}
	struct jp_node *n = node(p, JP_SLICE_PROJECTION);
	if (p->token != T_INT && p->token != T_COLON)
		return fail(p, "expected a number, ':' or '*'");
	int rc = parse_slice(p, &n->slice);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return finish_projection(p, n, left, POWER_PROJECTION, out);
	n->kind = JP_INDEX;
	n->index = n->slice.start;
	struct jp_node *sub = node(p, JP_SUB);
	sub->left = left;
	sub->right = n;
	*out = sub;
	return expect(p, T_CLOSE, "expected ']'");
}

static int parse_filter(struct parser *p, struct jp_node *left, struct jp_node **out)
{
	struct jp_node *n = node(p, JP_FILTER);
	int rc = parse(p, 0, &n->condition);
	return rc < 0 ? rc : finish_projection(p, n, left, POWER_FILTER, out);
}

static int parse_spread(struct parser *p, enum jp_kind kind, struct jp_node *left, int power,
			struct jp_node **out)
{
	struct jp_node *n = node(p, kind);
	n->left = left;
	*out = n;
	return parse_projected(p, power, &n->right);
}

/* ---- expressions ---- */

static int parse_literal(struct parser *p, struct jp_node **out)
{
	struct jp_node *n = node(p, JP_LITERAL);
	struct json_value v;
	int rc = 0;
	if (p->token == T_STRING)
		n->literal = jp_string(p->text);
	else if ((rc = parse_json(p, p->text, &v)) == 0)
		n->literal = jp_from_json(v);
	*out = n;
	return rc < 0 ? rc : next(p);
}

static int parse_prefix_bracket(struct parser *p, struct jp_node **out)
{
	if (p->token == T_STAR || p->token == T_INT || p->token == T_COLON)
		return parse_bracket(p, node(p, JP_CURRENT), out);
	struct jp_node *n = node(p, JP_MULTI_LIST);
	*out = n;
	return parse_children(p, n, T_CLOSE, "expected ',' or ']'");
}

static int parse_prefix(struct parser *p, struct jp_node **out)
{
	struct jp_node *n;
	enum token token = p->token;
	int rc;
	if (token == T_FUNCTION_OPEN)
		return parse_function(p, out);
	if (token == T_STRING || token == T_JSON)
		return parse_literal(p, out);
	if (token == T_INT) {
		fail(p, "a bare number");
		return mr_hint(p->err, "write numbers in backquotes: `%lld`", (long long)p->number);
	}
	mr_str name = p->text;
	if (token == T_END)
		return fail(p, "the expression ends too early");
	if ((rc = next(p)) < 0)
		return rc;
	switch (token) {
	case T_NAME:
		n = node(p, JP_FIELD);
		n->text = name;
		*out = n;
		return p->token == T_PAREN_OPEN ? fail(p, "unexpected '('") : 0;
	case T_AT:
		*out = node(p, JP_CURRENT);
		return 0;
	case T_STAR:
		return parse_spread(p, JP_OBJECT_PROJECTION, node(p, JP_CURRENT), POWER_PROJECTION, out);
	case T_FLATTEN:
		return parse_spread(p, JP_FLATTEN, node(p, JP_CURRENT), POWER_FLATTEN, out);
	case T_FILTER:
		return parse_filter(p, node(p, JP_CURRENT), out);
	case T_NOT:
		n = node(p, JP_NOT);
		*out = n;
		return parse(p, POWER_NOT, &n->left);
	case T_PAREN_OPEN:
		rc = parse(p, 0, out);
		return rc < 0 ? rc : expect(p, T_PAREN_CLOSE, "expected ')'");
	case T_OPEN:
		return parse_prefix_bracket(p, out);
	case T_BRACE_OPEN:
		*out = n = node(p, JP_MULTI_HASH);
		return parse_children(p, n, T_BRACE_CLOSE, "expected ',' or '}'");
	default:
		return fail(p, "an expression cannot go on like this");
	}
}

static int binding_power(enum token token)
{
	switch (token) {
	case T_PIPE:
		return POWER_PIPE;
	case T_OR:
		return POWER_OR;
	case T_AND:
		return POWER_AND;
	case T_COMPARE:
		return POWER_COMPARE;
	case T_FLATTEN:
		return POWER_FLATTEN;
	case T_FILTER:
		return POWER_FILTER;
	case T_DOT:
		return POWER_DOT;
	case T_OPEN:
		return POWER_BRACKET;
	default:
		return 0;
	}
}

static int parse_binary(struct parser *p, enum jp_kind kind, int power, struct jp_node *left,
			struct jp_node **out)
{
	struct jp_node *n = node(p, kind);
	n->left = left;
	n->compare = p->compare;
	*out = n;
	int rc = next(p);
	return rc < 0 ? rc : parse(p, power, &n->right);
}

static int parse_dot(struct parser *p, struct jp_node *left, struct jp_node **out)
{
	int rc = next(p);
	if (rc < 0)
		return rc;
	if (p->token == T_STAR) {
		rc = next(p);
		return rc < 0 ? rc : parse_spread(p, JP_OBJECT_PROJECTION, left, POWER_PROJECTION, out);
	}
	struct jp_node *n = node(p, JP_SUB);
	n->left = left;
	*out = n;
	return parse_dot_right(p, POWER_DOT, &n->right);
}

static int parse_infix(struct parser *p, struct jp_node *left, struct jp_node **out)
{
	int rc;
	switch (p->token) {
	case T_DOT:
		return parse_dot(p, left, out);
	case T_PIPE:
		return parse_binary(p, JP_PIPE, POWER_PIPE, left, out);
	case T_OR:
		return parse_binary(p, JP_OR, POWER_OR, left, out);
	case T_AND:
		return parse_binary(p, JP_AND, POWER_AND, left, out);
	case T_COMPARE:
		return parse_binary(p, JP_COMPARE, POWER_COMPARE, left, out);
	case T_FLATTEN:
		rc = next(p);
		return rc < 0 ? rc : parse_spread(p, JP_FLATTEN, left, POWER_FLATTEN, out);
	case T_FILTER:
		rc = next(p);
		return rc < 0 ? rc : parse_filter(p, left, out);
	default:
		rc = next(p);
		return rc < 0 ? rc : parse_bracket(p, left, out);
	}
}

static int parse(struct parser *p, int power, struct jp_node **out)
{
	struct jp_node *left;
	if (++p->depth > DEPTH_MAX)
		return fail(p, "nested too deeply");
	int rc = parse_prefix(p, &left);
	/* A chain nests the tree as deep as brackets would: both count. */
	int chained = 0;
	while (rc == 0 && power < binding_power(p->token)) {
		if (++chained + p->depth > DEPTH_MAX * 4)
			return fail(p, "too long a chain");
		rc = parse_infix(p, left, &left);
	}
	p->depth--;
	if (rc == 0)
		*out = left;
	return rc;
}

int jmespath_compile(mr_str text, struct jmespath **out, struct mr_error *err)
{
	if (text.len > TEXT_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "JMESPath expression of %zu bytes is longer than %d",
			       text.len, TEXT_MAX);
	struct jmespath *expression = mr_calloc(1, sizeof *expression);
	struct parser p = {.into = expression, .source = text, .err = err};
	int rc = next(&p);
	if (rc == 0)
		rc = parse(&p, 0, &expression->root);
	if (rc == 0 && p.token != T_END)
		rc = fail(&p, "unexpected text");
	if (rc < 0) {
		jmespath_free(expression);
		return rc;
	}
	*out = expression;
	return 0;
}

void jmespath_free(struct jmespath *expression)
{
	if (!expression)
		return;
	for (struct jp_literal *l = expression->literals; l; l = l->next)
		json_parser_free(l->parser);
	arena_release(&expression->arena);
	free(expression);
}
