/* Expressions, in Jinja's order of precedence: inline if, or, and, not, comparison, + -, ~,
 * * / // %, **, unary, postfix and filters. */
#include "jinja/tree.h"

typedef struct jinja_node *parse_fn(struct jinja_parser *p);

/* A list under construction that moves into the arena. */
struct items {
	MR_VEC(struct jinja_node *) nodes;
	MR_VEC(mr_str) names;
};

static void items_release(struct items *items)
{
	mr_vec_release(&items->nodes);
	mr_vec_release(&items->names);
}

static struct jinja_node *items_finish(struct jinja_parser *p, struct items *items, struct jinja_node *node)
{
	if (node) {
		parse_set_items(p, node, items->nodes.items, items->nodes.len);
		node->named = items->names.len;
		node->names = arena_alloc(&p->template->arena, (items->names.len + 1) * sizeof *node->names);
		if (items->names.len)
			memcpy(node->names, items->names.items, items->names.len * sizeof *node->names);
	}
	items_release(items);
	return node;
}

static struct jinja_node *new_pair(struct jinja_parser *p, enum jinja_node_kind kind, enum jinja_op op,
				   struct jinja_node *a, struct jinja_node *b)
{
	struct jinja_node *node = parse_node(p, kind);
	node->op = op;
	node->a = a;
	node->b = b;
	if (a)
		node->at = a->at;
	return node;
}

/* Elements up to `close`, which is consumed. */
static struct jinja_node *parse_elements(struct jinja_parser *p, struct jinja_node *node, const char *close)
{
	struct items items = {0};
	while (!parse_is(p, close)) {
		struct jinja_node *item = NULL;
		if (items.nodes.len == 0 || parse_expect(p, ",")) {
			if (items.nodes.len && parse_is(p, close))
				break;
			item = parse_expression(p);
		}
		if (!item)
			return items_finish(p, &items, NULL);
		mr_vec_push(&items.nodes, item);
		if (node->kind != NODE_DICT)
			continue;
		if (!parse_expect(p, ":") || !(item = parse_expression(p)))
			return items_finish(p, &items, NULL);
		mr_vec_push(&items.nodes, item);
		if (parse_is(p, close))
			break;
	}
	return items_finish(p, &items, parse_expect(p, close) ? node : NULL);
}

static struct jinja_node *parse_name(struct jinja_parser *p)
{
	static const struct {
		const char *word;
		struct jinja_value value;
	} words[] = {
	    {"true", {.type = JINJA_BOOL, .boolean = true}},
	    {"True", {.type = JINJA_BOOL, .boolean = true}},
	    {"false", {.type = JINJA_BOOL}},
	    {"False", {.type = JINJA_BOOL}},
	    {"none", {.type = JINJA_NONE}},
	    {"None", {.type = JINJA_NONE}},
	};
	struct jinja_node *node = parse_node(p, NODE_CONST);
	const struct jinja_token *token = parse_peek(p);
	p->next++;
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		if (mr_str_is(token->text, words[i].word)) {
			node->value = words[i].value;
			return node;
		}
	}
	node->kind = NODE_NAME;
	node->text = arena_copy(&p->template->arena, token->text);
	mr_vec_push(&p->uses, node);
	return node;
}

static struct jinja_node *parse_strings(struct jinja_parser *p)
{
	struct jinja_node *node = parse_node(p, NODE_CONST);
	struct mr_buf text = {0};
	for (; parse_peek(p)->kind == TOKEN_STR; p->next++)
		mr_buf_str(&text, parse_peek(p)->text);
	node->value = jinja_str(arena_copy(&p->template->arena, mr_buf_view(&text)));
	mr_buf_release(&text);
	return node;
}

static struct jinja_node *parse_parentheses(struct jinja_parser *p)
{
	struct jinja_node *node = parse_node(p, NODE_TUPLE);
	if (parse_skip(p, ")"))
		return node;
	node = parse_tuple(p, true);
	return node && parse_expect(p, ")") ? node : NULL;
}

static struct jinja_node *parse_primary(struct jinja_parser *p)
{
	const struct jinja_token *token = parse_peek(p);
	struct jinja_node *node = parse_node(p, NODE_CONST);
	switch (token->kind) {
	case TOKEN_NAME:
		return parse_name(p);
	case TOKEN_STR:
		return parse_strings(p);
	case TOKEN_INT:
		node->value = jinja_int(token->integer);
		p->next++;
		return node;
	case TOKEN_FLOAT:
		node->value = jinja_float(token->number);
		p->next++;
		return node;
	default:
		break;
	}
	if (parse_skip(p, "("))
		return parse_parentheses(p);
	if (parse_skip(p, "[")) {
		node->kind = NODE_LIST;
		return parse_elements(p, node, "]");
	}
	if (parse_skip(p, "{")) {
		node->kind = NODE_DICT;
		return parse_elements(p, node, "}");
	}
	return parse_fail(p, "expected an expression, found '%.*s'", MR_FMT(token->text));
}

/* (a, b, name=c): "(" is next. They become items of node. */
static struct jinja_node *parse_arguments(struct jinja_parser *p, struct jinja_node *node)
{
	struct items items = {0};
	p->next++;
	while (!parse_is(p, ")")) {
		if (items.nodes.len && (!parse_expect(p, ",")))
			return items_finish(p, &items, NULL);
		if (parse_is(p, ")"))
			break;
		const struct jinja_token *token = parse_peek(p);
		bool named =
		    token->kind == TOKEN_NAME && token[1].kind == TOKEN_OP && mr_str_is(token[1].text, "=");
		if (named) {
			mr_vec_push(&items.names, arena_copy(&p->template->arena, token->text));
			p->next += 2;
		} else if (items.names.len) {
			parse_fail(p, "a positional argument after a named one");
			return items_finish(p, &items, NULL);
		}
		struct jinja_node *item = parse_expression(p);
		if (!item)
			return items_finish(p, &items, NULL);
		mr_vec_push(&items.nodes, item);
	}
	return items_finish(p, &items, parse_expect(p, ")") ? node : NULL);
}

static struct jinja_node *parse_call(struct jinja_parser *p, struct jinja_node *callee)
{
	struct jinja_node *node = new_pair(p, NODE_CALL, 0, callee, NULL);
	if (callee->kind != NODE_NAME && callee->kind != NODE_ATTR)
		return parse_fail(p, "only names and attributes can be called");
	return parse_arguments(p, node);
}

/* Behind "[". */
static struct jinja_node *parse_subscript(struct jinja_parser *p, struct jinja_node *base)
{
	struct jinja_node *node = new_pair(p, NODE_ITEM, 0, base, NULL);
	struct jinja_node *parts[3] = {0};
	int count = 0;
	for (; count < 3; count++) {
		if (!parse_is(p, ":") && !parse_is(p, "]") && !(parts[count] = parse_expression(p)))
			return NULL;
		if (!parse_skip(p, ":"))
			break;
	}
	if (count == 3)
		return parse_fail(p, "a slice has at most three parts");
	if (count > 0) {
		node->kind = NODE_SLICE;
		parse_set_items(p, node, parts, 3);
	} else {
		node->b = parts[0];
		if (!node->b)
			return parse_fail(p, "expected a subscript, found ']'");
	}
	return parse_expect(p, "]") ? node : NULL;
}

static struct jinja_node *parse_attribute(struct jinja_parser *p, struct jinja_node *base)
{
	struct jinja_node *node = new_pair(p, NODE_ATTR, 0, base, NULL);
	const struct jinja_token *token = parse_peek(p);
	p->next++;
	if (token->kind == TOKEN_INT) {
		node->kind = NODE_ITEM;
		node->b = parse_node(p, NODE_CONST);
		node->b->value = jinja_int(token->integer);
		return node;
	}
	if (token->kind != TOKEN_NAME) {
		p->next--;
		return parse_fail(p, "expected a name behind '.', found '%.*s'", MR_FMT(token->text));
	}
	node->at = token->at;
	node->text = arena_copy(&p->template->arena, token->text);
	mr_vec_push(&p->uses, node);
	return node;
}

static struct jinja_node *parse_postfix(struct jinja_parser *p, struct jinja_node *node)
{
	while (node) {
		if (parse_skip(p, "."))
			node = parse_attribute(p, node);
		else if (parse_skip(p, "["))
			node = parse_subscript(p, node);
		else if (parse_is(p, "("))
			node = parse_call(p, node);
		else
			return node;
	}
	return NULL;
}

static struct jinja_node *unknown(struct jinja_parser *p, const char *what, mr_str name, const char *near)
{
	p->next--;
	parse_fail(p, "unknown %s '%.*s'", what, MR_FMT(name));
	if (near)
		mr_hint(p->err, "did you mean '%s'?", near);
	return NULL;
}

static struct jinja_node *parse_filter(struct jinja_parser *p, struct jinja_node *input)
{
	struct jinja_node *node = new_pair(p, NODE_FILTER, 0, input, NULL);
	const struct jinja_token *token = parse_peek(p);
	if (token->kind != TOKEN_NAME)
		return parse_fail(p, "expected a filter's name, found '%.*s'", MR_FMT(token->text));
	p->next++;
	node->at = token->at;
	node->text = arena_copy(&p->template->arena, token->text);
	node->function = jinja_find_filter(token->text);
	if (!node->function)
		return unknown(p, "filter", token->text, jinja_nearest_filter(token->text));
	if (input && node->function->sees_undefined)
		input->guarded = true;
	return parse_is(p, "(") ? parse_arguments(p, node) : node;
}

/* Is a test's argument without parentheses next? */
static bool starts_argument(struct jinja_parser *p)
{
	const struct jinja_token *token = parse_peek(p);
	if (token->kind == TOKEN_NAME)
		return !parse_is(p, "else") && !parse_is(p, "or") && !parse_is(p, "and") &&
		       !parse_is(p, "if");
	return token->kind == TOKEN_STR || token->kind == TOKEN_INT || token->kind == TOKEN_FLOAT ||
	       parse_is(p, "[") || parse_is(p, "{");
}

static struct jinja_node *parse_test(struct jinja_parser *p, struct jinja_node *input)
{
	bool negated = parse_skip(p, "not");
	struct jinja_node *node = new_pair(p, NODE_TEST, 0, input, NULL);
	const struct jinja_token *token = parse_peek(p);
	if (token->kind != TOKEN_NAME)
		return parse_fail(p, "expected a test's name, found '%.*s'", MR_FMT(token->text));
	p->next++;
	node->at = token->at;
	node->text = arena_copy(&p->template->arena, token->text);
	node->function = jinja_find_test(token->text);
	if (!node->function)
		return unknown(p, "test", token->text, jinja_nearest_test(token->text));
	if (node->function->sees_undefined)
		input->guarded = true;
	if (parse_is(p, "(")) {
		node = parse_arguments(p, node);
	} else if (starts_argument(p)) {
		if (parse_is(p, "is"))
			return parse_fail(p, "tests cannot be chained with 'is'");
		struct jinja_node *argument = parse_postfix(p, parse_primary(p));
		if (!argument)
			return NULL;
		parse_set_items(p, node, &argument, 1);
	}
	return node && negated ? new_pair(p, NODE_NOT, 0, node, NULL) : node;
}

struct jinja_node *parse_filters(struct jinja_parser *p, struct jinja_node *node)
{
	for (;;) {
		if (parse_skip(p, "|"))
			node = parse_filter(p, node);
		else if (node && parse_skip(p, "is"))
			node = parse_test(p, node);
		else
			return node;
		if (!node)
			return NULL;
	}
}

static struct jinja_node *parse_unary(struct jinja_parser *p, bool with_filters)
{
	struct jinja_node *node;
	if (++p->depth > JINJA_DEPTH_MAX)
		return parse_fail(p, "nested deeper than %d levels", JINJA_DEPTH_MAX);
	if (parse_is(p, "-") || parse_is(p, "+")) {
		enum jinja_node_kind kind = parse_is(p, "-") ? NODE_NEG : NODE_POS;
		p->next++;
		node = parse_unary(p, false);
		node = node ? new_pair(p, kind, 0, node, NULL) : NULL;
	} else {
		node = parse_primary(p);
	}
	node = node ? parse_postfix(p, node) : NULL;
	if (node && with_filters)
		node = parse_filters(p, node);
	p->depth--;
	return node;
}

static struct jinja_node *parse_operand(struct jinja_parser *p)
{
	return parse_unary(p, true);
}

struct level_op {
	const char *text;
	enum jinja_op op;
};

/* One level of left-associative operators over the next tighter one. */
static struct jinja_node *parse_level(struct jinja_parser *p, parse_fn *tighter, const struct level_op *ops,
				      size_t count)
{
	struct jinja_node *left = tighter(p);
	for (size_t i = 0; left && i < count;) {
		if (parse_peek(p)->kind != TOKEN_OP || !parse_skip(p, ops[i].text)) {
			i++;
			continue;
		}
		struct jinja_node *right = tighter(p);
		left = right ? new_pair(p, NODE_BINARY, ops[i].op, left, right) : NULL;
		i = 0;
	}
	return left;
}

static struct jinja_node *parse_power(struct jinja_parser *p)
{
	static const struct level_op ops[] = {{"**", OP_POW}};
	return parse_level(p, parse_operand, ops, 1);
}

static struct jinja_node *parse_product(struct jinja_parser *p)
{
	static const struct level_op ops[] = {
	    {"*", OP_MUL}, {"/", OP_DIV}, {"//", OP_FLOORDIV}, {"%", OP_MOD}};
	return parse_level(p, parse_power, ops, MR_COUNT(ops));
}

static struct jinja_node *parse_concat(struct jinja_parser *p)
{
	static const struct level_op ops[] = {{"~", OP_CONCAT}};
	return parse_level(p, parse_product, ops, 1);
}

static struct jinja_node *parse_sum(struct jinja_parser *p)
{
	static const struct level_op ops[] = {{"+", OP_ADD}, {"-", OP_SUB}};
	return parse_level(p, parse_concat, ops, MR_COUNT(ops));
}

static bool skip_comparison(struct jinja_parser *p, enum jinja_op *op)
{
	static const struct level_op ops[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE},
					      {"<", OP_LT},  {">", OP_GT},  {"in", OP_IN}};
	for (size_t i = 0; i < MR_COUNT(ops); i++) {
		if (parse_skip(p, ops[i].text)) {
			*op = ops[i].op;
			return true;
		}
	}
	const struct jinja_token *token = parse_peek(p);
	if (token->kind == TOKEN_NAME && mr_str_is(token->text, "not") && mr_str_is(token[1].text, "in")) {
		p->next += 2;
		*op = OP_NOT_IN;
		return true;
	}
	return false;
}

static struct jinja_node *parse_compare(struct jinja_parser *p)
{
	struct jinja_node *first = parse_sum(p), *node = NULL;
	struct items items = {0};
	MR_VEC(enum jinja_op) ops = {0};
	enum jinja_op op;
	while (first && skip_comparison(p, &op)) {
		struct jinja_node *next = parse_sum(p);
		if (!next) {
			first = NULL;
			break;
		}
		mr_vec_push(&items.nodes, next);
		mr_vec_push(&ops, op);
	}
	if (first && ops.len == 0) {
		node = first;
		items_release(&items);
	} else if (first) {
		node = new_pair(p, NODE_COMPARE, 0, first, NULL);
		node->ops = arena_alloc(&p->template->arena, ops.len * sizeof *node->ops);
		memcpy(node->ops, ops.items, ops.len * sizeof *node->ops);
		items_finish(p, &items, node);
	} else {
		items_release(&items);
	}
	mr_vec_release(&ops);
	return node;
}

static struct jinja_node *parse_not(struct jinja_parser *p)
{
	size_t count = 0;
	while (parse_skip(p, "not"))
		count++;
	struct jinja_node *node = parse_compare(p);
	for (size_t i = 0; node && i < count && i < 2 + count % 2;
	     i++) /* "not not" cancels out, but is a bool */
		node = new_pair(p, NODE_NOT, 0, node, NULL);
	return node;
}

static struct jinja_node *parse_logic(struct jinja_parser *p, const char *word, enum jinja_node_kind kind,
				      parse_fn *tighter)
{
	struct jinja_node *left = tighter(p);
	while (left && parse_skip(p, word)) {
		struct jinja_node *right = tighter(p);
		left = right ? new_pair(p, kind, 0, left, right) : NULL;
	}
	return left;
}

static struct jinja_node *parse_and(struct jinja_parser *p)
{
	return parse_logic(p, "and", NODE_AND, parse_not);
}

static struct jinja_node *parse_or(struct jinja_parser *p)
{
	return parse_logic(p, "or", NODE_OR, parse_and);
}

struct jinja_node *parse_expression(struct jinja_parser *p)
{
	if (++p->depth > JINJA_DEPTH_MAX)
		return parse_fail(p, "nested deeper than %d levels", JINJA_DEPTH_MAX);
	struct jinja_node *value = parse_or(p);
	while (value && parse_skip(p, "if")) {
		struct jinja_node *node = new_pair(p, NODE_COND, 0, parse_or(p), value);
		if (!node->a)
			return NULL;
		if (parse_skip(p, "else") && !(node->c = parse_expression(p)))
			return NULL;
		value = node;
	}
	p->depth--;
	return value;
}

static bool tuple_ends(struct jinja_parser *p)
{
	enum jinja_token_kind kind = parse_peek(p)->kind;
	return kind == TOKEN_PRINT_END || kind == TOKEN_TAG_END || parse_is(p, ")") || parse_is(p, "if");
}

struct jinja_node *parse_tuple(struct jinja_parser *p, bool with_condition)
{
	parse_fn *parse = with_condition ? parse_expression : parse_or;
	struct jinja_node *first = parse(p);
	if (!first || !parse_is(p, ","))
		return first;
	struct items items = {0};
	mr_vec_push(&items.nodes, first);
	while (first && parse_skip(p, ",") && !tuple_ends(p)) {
		first = parse(p);
		mr_vec_push(&items.nodes, first);
	}
	return items_finish(p, &items, first ? parse_node(p, NODE_TUPLE) : NULL);
}
