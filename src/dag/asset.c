#include "dag/asset.h"

#include "base/vec.h"

#define ITEMS_MAX 256
#define DEPTH_MAX 32

struct asset_condition *asset_uri(struct arena *arena, mr_str uri)
{
	struct asset_condition *c = arena_calloc(arena, 1, sizeof *c);
	c->kind = ASSET_URI;
	c->uri = arena_copy(arena, uri);
	return c;
}

struct asset_condition *asset_group(struct arena *arena, enum asset_kind kind,
				    struct asset_condition *const *items, size_t count)
{
	struct asset_condition *c = arena_calloc(arena, 1, sizeof *c);
	c->kind = kind;
	c->count = count;
	c->items = arena_calloc(arena, count + 1, sizeof(struct asset_condition *));
	memcpy(c->items, items, count * sizeof(struct asset_condition *));
	return c;
}

struct parser {
	struct arena *arena;
	mr_str whole, rest;
	struct mr_error *err;
	int depth;
};

static void skip_blanks(struct parser *p)
{
	while (p->rest.len && strchr(" \t\r\n", p->rest.ptr[0]))
		p->rest = mr_str_tail(p->rest, 1);
}

static bool take(struct parser *p, char c)
{
	skip_blanks(p);
	if (!p->rest.len || p->rest.ptr[0] != c)
		return false;
	p->rest = mr_str_tail(p->rest, 1);
	return true;
}

static int parse_group(struct parser *p, enum asset_kind kind, struct asset_condition **out);

static int parse_one(struct parser *p, struct asset_condition **out)
{
	if (take(p, '(')) {
		if (++p->depth > DEPTH_MAX)
			return mr_fail(p->err, MR_ERR_LIMIT, "more than %d levels of parentheses", DEPTH_MAX);
		int rc = parse_group(p, ASSET_ANY, out);
		p->depth--;
		if (rc == 0 && !take(p, ')'))
			return mr_fail(p->err, MR_ERR_INVALID, "assets '%.*s': a parenthesis is not closed",
				       MR_FMT(p->whole));
		return rc;
	}
	skip_blanks(p);
	size_t n = 0;
	while (n < p->rest.len && !strchr(" \t\r\n&|()", p->rest.ptr[n]))
		n++;
	if (!n) {
		mr_fail(p->err, MR_ERR_INVALID, "assets '%.*s': a URI is missing at byte %zu",
			MR_FMT(p->whole), p->whole.len - p->rest.len + 1);
		return mr_hint(p->err, "delta://lake/reads & (delta://lake/users | delta://lake/orders)");
	}
	*out = asset_uri(p->arena, mr_str_n(p->rest.ptr, n));
	p->rest = mr_str_tail(p->rest, n);
	return 0;
}

/* `any` is a list of `all` joined by |, `all` a list of single ones joined by &. */
static int parse_group(struct parser *p, enum asset_kind kind, struct asset_condition **out)
{
	struct asset_condition *items[ITEMS_MAX];
	size_t count = 0;
	char joint = kind == ASSET_ANY ? '|' : '&';
	do {
		if (count == ITEMS_MAX)
			return mr_fail(p->err, MR_ERR_LIMIT, "more than %d assets in one list", ITEMS_MAX);
		int rc = kind == ASSET_ANY ? parse_group(p, ASSET_ALL, &items[count])
					   : parse_one(p, &items[count]);
		if (rc < 0)
			return rc;
		count++;
	} while (take(p, joint));
	*out = count == 1 ? items[0] : asset_group(p->arena, kind, items, count);
	return 0;
}

int asset_parse(struct arena *arena, mr_str text, struct asset_condition **out, struct mr_error *err)
{
	struct parser parser = {.arena = arena, .whole = text, .rest = text, .err = err};
	int rc = parse_group(&parser, ASSET_ANY, out);
	skip_blanks(&parser);
	if (rc == 0 && parser.rest.len)
		return mr_fail(err, MR_ERR_INVALID, "assets '%.*s': cannot go on at '%.*s'", MR_FMT(text),
			       MR_FMT(parser.rest));
	return rc;
}

bool asset_condition_met(const struct asset_condition *condition, bool (*has)(void *arg, mr_str uri),
			 void *arg)
{
	if (condition->kind == ASSET_URI)
		return has(arg, condition->uri);
	for (size_t i = 0; i < condition->count; i++) {
		bool met = asset_condition_met(condition->items[i], has, arg);
		if (met != (condition->kind == ASSET_ALL))
			return met;
	}
	return condition->kind == ASSET_ALL;
}

void asset_each(const struct asset_condition *condition, void (*visit)(void *arg, mr_str uri), void *arg)
{
	if (condition->kind == ASSET_URI)
		visit(arg, condition->uri);
	for (size_t i = 0; i < condition->count; i++)
		asset_each(condition->items[i], visit, arg);
}
