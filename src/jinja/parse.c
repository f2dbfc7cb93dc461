/* Statements, and the check of names. */
#include "jinja/tree.h"

#include "conf/nearest.h"

#include <stdarg.h>
#include <stdio.h>

const struct jinja_token *parse_peek(const struct jinja_parser *p)
{
	return &p->tokens.list.items[mr_min_size(p->next, p->tokens.list.len - 1)];
}

bool parse_is(const struct jinja_parser *p, const char *text)
{
	const struct jinja_token *token = parse_peek(p);
	return (token->kind == TOKEN_NAME || token->kind == TOKEN_OP) && mr_str_is(token->text, text);
}

bool parse_skip(struct jinja_parser *p, const char *text)
{
	bool is = parse_is(p, text);
	p->next += is;
	return is;
}

struct jinja_node *parse_fail(struct jinja_parser *p, const char *fmt, ...)
{
	char message[256];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	mr_fail(p->err, MR_ERR_INVALID, "%s", message);
	jinja_fail_at(p->template->source, parse_peek(p)->at, MR_ERR_INVALID, p->err);
	return NULL;
}

bool parse_expect(struct jinja_parser *p, const char *text)
{
	if (parse_skip(p, text))
		return true;
	parse_fail(p, "expected '%s', found '%.*s'", text, MR_FMT(parse_peek(p)->text));
	return false;
}

struct jinja_node *parse_node(struct jinja_parser *p, enum jinja_node_kind kind)
{
	struct jinja_node *node = arena_calloc(&p->template->arena, 1, sizeof *node);
	node->kind = kind;
	node->at = parse_peek(p)->at;
	return node;
}

void parse_set_items(struct jinja_parser *p, struct jinja_node *node, struct jinja_node **items, size_t count)
{
	node->items = arena_alloc(&p->template->arena, (count + 1) * sizeof *node->items);
	if (count)
		memcpy(node->items, items, count * sizeof *node->items);
	node->count = count;
}

static struct jinja_node *parse_block(struct jinja_parser *p, const char *const *ends);

static bool parse_tag_end(struct jinja_parser *p)
{
	if (parse_peek(p)->kind == TOKEN_TAG_END) {
		p->next++;
		return true;
	}
	parse_fail(p, "expected '%%}', found '%.*s'", MR_FMT(parse_peek(p)->text));
	return false;
}

/* names, comma separated: what for and set assign to. */
static bool parse_targets(struct jinja_parser *p, struct jinja_node *node)
{
	MR_VEC(mr_str) names = {0};
	bool parenthesis = parse_skip(p, "(");
	do {
		const struct jinja_token *token = parse_peek(p);
		if (token->kind != TOKEN_NAME || parse_is(p, "in"))
			break;
		p->next++;
		mr_str name = arena_copy(&p->template->arena, token->text);
		mr_vec_push(&names, name);
		mr_vec_push(&p->assigned, name);
	} while (parse_skip(p, ","));
	node->named = names.len;
	node->names = arena_alloc(&p->template->arena, (names.len + 1) * sizeof *node->names);
	if (names.len)
		memcpy(node->names, names.items, names.len * sizeof *node->names);
	mr_vec_release(&names);
	if (node->named == 0) {
		parse_fail(p, "expected a name to assign to, found '%.*s'", MR_FMT(parse_peek(p)->text));
		return false;
	}
	return !parenthesis || parse_expect(p, ")");
}

/* Behind "if" or "elif". */
static struct jinja_node *parse_if(struct jinja_parser *p)
{
	static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
	struct jinja_node *node = parse_node(p, NODE_IF);
	if (++p->depth > JINJA_DEPTH_MAX)
		return parse_fail(p, "nested deeper than %d levels", JINJA_DEPTH_MAX);
	node->a = parse_tuple(p, false);
	if (!node->a || !parse_tag_end(p) || !(node->b = parse_block(p, ends)))
		return NULL;
	if (parse_skip(p, "elif")) {
		node->c = parse_if(p);
		p->depth--;
		return node->c ? node : NULL;
	}
	if (parse_skip(p, "else") && (!parse_tag_end(p) || !(node->c = parse_block(p, last))))
		return NULL;
	p->depth--;
	return parse_expect(p, "endif") && parse_tag_end(p) ? node : NULL;
}

static struct jinja_node *parse_for(struct jinja_parser *p)
{
	static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
	struct jinja_node *node = parse_node(p, NODE_FOR);
	if (!parse_targets(p, node) || !parse_expect(p, "in") || !(node->a = parse_tuple(p, false)))
		return NULL;
	if (parse_skip(p, "if") && !(node->c = parse_expression(p)))
		return NULL;
	if (parse_is(p, "recursive"))
		return parse_fail(p, "recursive loops are not part of these templates");
	if (!parse_tag_end(p) || !(node->b = parse_block(p, ends)))
		return NULL;
	if (parse_skip(p, "else") && (!parse_tag_end(p) || !(node->d = parse_block(p, last))))
		return NULL;
	return parse_expect(p, "endfor") && parse_tag_end(p) ? node : NULL;
}

static struct jinja_node *parse_set(struct jinja_parser *p)
{
	static const char *const ends[] = {"endset", NULL};
	struct jinja_node *node = parse_node(p, NODE_SET);
	if (!parse_targets(p, node))
		return NULL;
	if (parse_skip(p, "="))
		return (node->a = parse_tuple(p, true)) && parse_tag_end(p) ? node : NULL;
	if (parse_is(p, "|") && !(node->a = parse_filters(p, NULL)))
		return NULL;
	if (!parse_tag_end(p) || !(node->b = parse_block(p, ends)))
		return NULL;
	return parse_expect(p, "endset") && parse_tag_end(p) ? node : NULL;
}

static struct jinja_node *parse_with(struct jinja_parser *p)
{
	static const char *const ends[] = {"endwith", NULL};
	struct jinja_node *node = parse_node(p, NODE_WITH);
	MR_VEC(mr_str) names = {0};
	MR_VEC(struct jinja_node *) values = {0};
	bool ok = true;
	while (ok && parse_peek(p)->kind == TOKEN_NAME) {
		mr_str name = arena_copy(&p->template->arena, parse_peek(p)->text);
		p->next++;
		struct jinja_node *value = parse_expect(p, "=") ? parse_expression(p) : NULL;
		mr_vec_push(&names, name);
		mr_vec_push(&p->assigned, name);
		mr_vec_push(&values, value);
		ok = value && (parse_skip(p, ",") || parse_peek(p)->kind == TOKEN_TAG_END);
		if (value && !ok)
			parse_fail(p, "expected ',' or '%%}', found '%.*s'", MR_FMT(parse_peek(p)->text));
	}
	parse_set_items(p, node, values.items, values.len);
	node->names = arena_alloc(&p->template->arena, (names.len + 1) * sizeof *node->names);
	if (names.len)
		memcpy(node->names, names.items, names.len * sizeof *node->names);
	mr_vec_release(&names);
	mr_vec_release(&values);
	if (!ok || !parse_tag_end(p) || !(node->b = parse_block(p, ends)))
		return NULL;
	return parse_expect(p, "endwith") && parse_tag_end(p) ? node : NULL;
}

static struct jinja_node *parse_do(struct jinja_parser *p)
{
	struct jinja_node *node = parse_node(p, NODE_DO);
	return (node->a = parse_tuple(p, true)) && parse_tag_end(p) ? node : NULL;
}

static const struct {
	const char *word;
	struct jinja_node *(*parse)(struct jinja_parser *p);
} statements[] = {
    {"if", parse_if},  {"for", parse_for}, {"set", parse_set}, {"with", parse_with}, {"do", parse_do},
    {"macro", NULL},   {"call", NULL},     {"include", NULL},  {"import", NULL},     {"from", NULL},
    {"extends", NULL}, {"block", NULL},    {"filter", NULL},   {"trans", NULL},      {"autoescape", NULL},
    {"break", NULL},   {"continue", NULL}, {"debug", NULL},
};

/* Behind "{%". */
static struct jinja_node *parse_statement(struct jinja_parser *p)
{
	const char *words[MR_COUNT(statements)];
	size_t known = 0;
	mr_str word = parse_peek(p)->text;
	for (size_t i = 0; i < MR_COUNT(statements); i++) {
		if (statements[i].parse)
			words[known++] = statements[i].word;
		if (!mr_str_is(word, statements[i].word))
			continue;
		if (!statements[i].parse) {
			parse_fail(p, "'%.*s' is not part of these templates", MR_FMT(word));
			mr_hint(p->err, "there are if, for, set, with, do and raw");
			return NULL;
		}
		p->next++;
		return statements[i].parse(p);
	}
	if (mr_str_starts(word, MR_STR("end")) || mr_str_is(word, "else") || mr_str_is(word, "elif"))
		return parse_fail(p, "'%.*s' without its beginning", MR_FMT(word));
	parse_fail(p, "unknown tag '%.*s'", MR_FMT(word));
	const char *near = conf_nearest(word, words, known);
	if (near)
		mr_hint(p->err, "did you mean '%s'?", near);
	return NULL;
}

static bool at_end(struct jinja_parser *p, const char *const *ends)
{
	for (; ends && *ends; ends++)
		if (parse_is(p, *ends))
			return true;
	return false;
}

/* One piece: 0 and *out, or the block's end (1, its word is next), or failed. */
static int parse_piece(struct jinja_parser *p, const char *const *ends, struct jinja_node **out)
{
	struct jinja_node *node = parse_node(p, NODE_TEXT);
	const struct jinja_token *token = parse_peek(p);
	if (token->kind == TOKEN_END) {
		if (!ends)
			return 1;
		while (ends[1])
			ends++;
		parse_fail(p, "missing {%% %s %%}", *ends);
		return -1;
	}
	p->next++;
	if (token->kind == TOKEN_TEXT) {
		node->text = arena_copy(&p->template->arena, token->text);
	} else if (token->kind == TOKEN_PRINT_BEGIN) {
		node->kind = NODE_PRINT;
		node->a = parse_tuple(p, true);
		if (node->a && parse_peek(p)->kind != TOKEN_PRINT_END)
			node->a = parse_fail(p, "expected '}}', found '%.*s'", MR_FMT(parse_peek(p)->text));
		if (!node->a)
			return -1;
		p->next++;
	} else {
		if (at_end(p, ends))
			return 1;
		node = parse_statement(p);
	}
	*out = node;
	return node ? 0 : -1;
}

static struct jinja_node *parse_block(struct jinja_parser *p, const char *const *ends)
{
	struct jinja_node *block = parse_node(p, NODE_BLOCK), *piece;
	MR_VEC(struct jinja_node *) pieces = {0};
	int rc = ++p->depth > JINJA_DEPTH_MAX ? -1 : 0;
	if (rc != 0)
		parse_fail(p, "nested deeper than %d levels", JINJA_DEPTH_MAX);
	while (rc == 0) {
		rc = parse_piece(p, ends, &piece);
		if (rc == 0)
			mr_vec_push(&pieces, piece);
	}
	p->depth--;
	parse_set_items(p, block, pieces.items, pieces.len);
	mr_vec_release(&pieces);
	return rc == 1 ? block : NULL;
}

static const struct jinja_name *find_name(const struct jinja_name *names, size_t count, mr_str name)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_is(name, names[i].name))
			return &names[i];
	return NULL;
}

static bool is_assigned(const struct jinja_parser *p, mr_str name)
{
	for (size_t i = 0; i < p->assigned.len; i++)
		if (mr_str_eq(p->assigned.items[i], name))
			return true;
	return mr_str_is(name, "loop") || jinja_find_global(name) != NULL;
}

static int unknown_name(struct jinja_parser *p, const struct jinja_node *node, const char *const *known,
			size_t count, const char *owner)
{
	mr_fail(p->err, MR_ERR_INVALID, "'%.*s' is not defined%s%s", MR_FMT(node->text), owner ? " in " : "",
		owner ? owner : "");
	const char *near = conf_nearest(node->text, known, count);
	if (near)
		mr_hint(p->err, "did you mean '%s'?", near);
	return jinja_fail_at(p->template->source, node->at, MR_ERR_INVALID, p->err);
}

static int check_use(struct jinja_parser *p, const struct jinja_node *node, const struct jinja_name *names,
		     size_t count)
{
	mr_str root = node->kind == NODE_NAME ? node->text : node->a->text;
	if (node->guarded || (node->kind == NODE_ATTR && node->a->kind != NODE_NAME) || is_assigned(p, root))
		return 0;
	const struct jinja_name *name = find_name(names, count, root);
	const char *known[128];
	size_t n = 0;
	if (node->kind == NODE_NAME) {
		for (; n < count && n < MR_COUNT(known); n++)
			known[n] = names[n].name;
		return name ? 0 : unknown_name(p, node, known, n, NULL);
	}
	if (!name || !name->members)
		return 0;
	for (; name->members[n] && n < MR_COUNT(known); n++) {
		known[n] = name->members[n];
		if (mr_str_is(node->text, known[n]))
			return 0;
	}
	return unknown_name(p, node, known, n, name->name);
}

int jinja_parse(mr_str text, const struct jinja_name *names, size_t name_count, struct jinja_template **out,
		struct mr_error *err)
{
	if (text.len > JINJA_SOURCE_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "the template is larger than %zu bytes",
			       JINJA_SOURCE_BYTES_MAX);
	struct jinja_template *template = mr_calloc(1, sizeof *template);
	template->source = arena_copy(&template->arena, text);
	struct mr_error own;
	struct jinja_parser p = {.template = template, .err = err ? err : &own};
	int rc = jinja_lex(template->source, &template->arena, &p.tokens, p.err);
	if (rc == 0 && !(template->root = parse_block(&p, NULL)))
		rc = p.err->code;
	for (size_t i = 0; rc == 0 && names && i < p.uses.len; i++)
		rc = check_use(&p, p.uses.items[i], names, name_count);
	mr_vec_release(&p.tokens.list);
	mr_vec_release(&p.uses);
	mr_vec_release(&p.assigned);
	if (rc != 0) {
		jinja_free(template);
		return rc;
	}
	*out = template;
	return 0;
}

void jinja_free(struct jinja_template *template)
{
	if (!template)
		return;
	arena_release(&template->arena);
	free(template);
}

bool jinja_has_template(mr_str text)
{
	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.ptr[i] == '{' && memchr("{%#", text.ptr[i + 1], 3))
			return true;
	return false;
}
