/* conf/yaml.c - libyaml's events built into nodes, without recursion: a stack of open
 * collections. Anchors are known once their node is complete, so no alias can form a loop. */
#include "conf/yaml.h"

#include "base/map.h"
#include "base/vec.h"

#include <yaml.h>

struct open_collection {
	struct yaml_node *node;
	size_t cap;
	mr_str anchor;
	struct yaml_node *pending_key;
	struct mr_map seen; /* keys of a mapping */
};

struct reader {
	struct arena *arena;
	const char *file;
	const struct yaml_expander *expander;
	yaml_parser_t parser;
	struct mr_map anchors;
	struct open_collection stack[YAML_DEPTH_MAX];
	size_t depth;
	uint32_t weight;
	struct yaml_node *root;
};

static int fail_at(struct reader *r, const yaml_mark_t *mark, struct mr_error *err, const char *message)
{
	mr_fail(err, MR_ERR_INVALID, "%s", message);
	return mr_error_where(err, r->file, (int)mark->line + 1, (int)mark->column + 1);
}

static int fail_parser(struct reader *r, struct mr_error *err)
{
	const yaml_parser_t *p = &r->parser;
	if (p->error == YAML_READER_ERROR) {
		mr_fail(err, MR_ERR_INVALID, "not valid YAML: %s at byte %zu", p->problem, p->problem_offset);
		return mr_error_where(err, r->file, 0, 0);
	}
	mr_fail(err, MR_ERR_INVALID, "not valid YAML: %s%s%s", p->context ? p->context : "",
		p->context ? ", " : "", p->problem ? p->problem : "");
	return mr_error_where(err, r->file, (int)p->problem_mark.line + 1, (int)p->problem_mark.column + 1);
}

/* Count a finished node into what the document weighs. */
static int weigh(struct reader *r, const struct yaml_node *node, uint32_t added, const yaml_mark_t *mark,
		 struct mr_error *err)
{
	if (added > YAML_NODES_MAX - r->weight)
		return fail_at(r, mark, err, "the document has more than 1000000 nodes, aliases written out");
	if (r->depth + node->height > YAML_DEPTH_MAX)
		return fail_at(r, mark, err, "the document is nested deeper than 64 levels");
	r->weight += added;
	return 0;
}

static int take_key(struct reader *r, struct open_collection *top, struct yaml_node *node,
		    const yaml_mark_t *mark, struct mr_error *err)
{
	if (node->kind != YAML_SCALAR)
		return fail_at(r, mark, err, "a key must be a plain word or a string");
	if (node->plain && mr_str_is(node->text, "<<")) {
		fail_at(r, mark, err, "merge keys (<<) are not supported");
		return mr_hint(err, "write the keys out, or use an alias for the whole value");
	}
	const struct yaml_node *first = mr_map_put(&top->seen, node->text, node);
	if (first) {
		mr_fail(err, MR_ERR_INVALID, "key '%.*s' is given twice, first on line %d",
			MR_FMT(node->text), first->line);
		return mr_error_where(err, r->file, node->line, node->column);
	}
	top->pending_key = node;
	return 0;
}

static void *grown(struct arena *arena, void *old, size_t count, size_t cap, size_t size)
{
	void *bigger = arena_alloc(arena, cap * size);
	if (count)
		memcpy(bigger, old, count * size);
	return bigger;
}

/* Give a finished node to the collection that is open, or make it the root. */
static int attach(struct reader *r, struct yaml_node *node, const yaml_mark_t *mark, struct mr_error *err)
{
	if (r->depth == 0) {
		r->root = node;
		return 0;
	}
	struct open_collection *top = &r->stack[r->depth - 1];
	struct yaml_node *parent = top->node;
	if (parent->kind == YAML_MAPPING && !top->pending_key)
		return take_key(r, top, node, mark, err);
	if (parent->count == top->cap) {
		top->cap = top->cap ? top->cap * 2 : 4;
		parent->items = grown(r->arena, parent->items, parent->count, top->cap, sizeof(void *));
		parent->keys =
		    grown(r->arena, parent->keys, parent->keys ? parent->count : 0, top->cap, sizeof(void *));
	}
	parent->items[parent->count] = node;
	parent->keys[parent->count] = top->pending_key;
	parent->count++;
	parent->weight += node->weight + (top->pending_key ? 1 : 0);
	if (node->height + 1 > parent->height)
		parent->height = (uint16_t)(node->height + 1);
	top->pending_key = NULL;
	return 0;
}

static struct yaml_node *node_new(struct reader *r, enum yaml_kind kind, const yaml_mark_t *mark)
{
	struct yaml_node *node = arena_calloc(r->arena, 1, sizeof *node);
	node->kind = kind;
	node->line = (int)mark->line + 1;
	node->column = (int)mark->column + 1;
	node->weight = 1;
	return node;
}

static void remember_anchor(struct reader *r, mr_str anchor, struct yaml_node *node)
{
	if (anchor.len)
		mr_map_put(&r->anchors, anchor, node);
}

/* The standard tags only: 1 says "a string", 0 "as it looks". */
static int check_tag(struct reader *r, const yaml_char_t *tag, const yaml_mark_t *mark, struct mr_error *err)
{
	static const char *const known[] = {"int", "float", "bool", "null", "map", "seq"};
	mr_str name = mr_str_from((const char *)tag);
	mr_str prefix = MR_STR("tag:yaml.org,2002:");
	if (!tag)
		return 0;
	if (mr_str_starts(name, prefix)) {
		name = mr_str_tail(name, prefix.len);
		if (mr_str_is(name, "str"))
			return 1;
		for (size_t i = 0; i < MR_COUNT(known); i++)
			if (mr_str_is(name, known[i]))
				return 0;
	}
	return fail_at(r, mark, err, "custom YAML tags are not supported");
}

static bool expects_key(const struct reader *r)
{
	const struct open_collection *top = r->depth ? &r->stack[r->depth - 1] : NULL;
	return top && top->node->kind == YAML_MAPPING && !top->pending_key;
}

static int on_scalar(struct reader *r, const yaml_event_t *event, struct mr_error *err)
{
	const yaml_mark_t *mark = &event->start_mark;
	int tagged = check_tag(r, event->data.scalar.tag, mark, err);
	if (tagged < 0)
		return tagged;
	struct yaml_node *node = node_new(r, YAML_SCALAR, mark);
	yaml_scalar_style_t style = event->data.scalar.style;
	node->plain = style == YAML_PLAIN_SCALAR_STYLE && !tagged;
	node->text = arena_copy(r->arena, mr_str_n(event->data.scalar.value, event->data.scalar.length));
	bool block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
	if (r->expander && !block && !expects_key(r)) {
		int rc = r->expander->expand(r->expander->arg, r->arena, &node->text, err);
		if (rc < 0) {
			mr_error_where(err, r->file, node->line, node->column);
			return rc;
		}
	}
	int rc = weigh(r, node, 1, mark, err);
	if (rc < 0)
		return rc;
	remember_anchor(r, mr_str_from((const char *)event->data.scalar.anchor), node);
	return attach(r, node, mark, err);
}

static int on_alias(struct reader *r, const yaml_event_t *event, struct mr_error *err)
{
	mr_str name = mr_str_from((const char *)event->data.alias.anchor);
	struct yaml_node *node = mr_map_get(&r->anchors, name);
	if (!node) {
		mr_fail(err, MR_ERR_INVALID, "alias *%.*s has no anchor before it", MR_FMT(name));
		return mr_error_where(err, r->file, (int)event->start_mark.line + 1,
				      (int)event->start_mark.column + 1);
	}
	int rc = weigh(r, node, node->weight, &event->start_mark, err);
	return rc < 0 ? rc : attach(r, node, &event->start_mark, err);
}

static int on_open(struct reader *r, enum yaml_kind kind, const yaml_char_t *anchor, const yaml_char_t *tag,
		   const yaml_mark_t *mark, struct mr_error *err)
{
	int rc = check_tag(r, tag, mark, err);
	if (rc < 0)
		return rc;
	struct yaml_node *node = node_new(r, kind, mark);
	if (r->depth == YAML_DEPTH_MAX)
		return fail_at(r, mark, err, "the document is nested deeper than 64 levels");
	rc = weigh(r, node, 1, mark, err);
	if (rc < 0)
		return rc;
	r->stack[r->depth++] = (struct open_collection){
	    .node = node, .anchor = arena_copy(r->arena, mr_str_from((const char *)anchor))};
	return 0;
}

static int on_close(struct reader *r, const yaml_event_t *event, struct mr_error *err)
{
	struct open_collection *top = &r->stack[--r->depth];
	mr_map_release(&top->seen);
	remember_anchor(r, top->anchor, top->node);
	yaml_mark_t mark = {.line = (size_t)top->node->line - 1, .column = (size_t)top->node->column - 1};
	(void)event;
	return attach(r, top->node, &mark, err);
}

static int on_event(struct reader *r, const yaml_event_t *event, struct mr_error *err)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->root)
			return fail_at(r, &event->start_mark, err, "a second YAML document in one file");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(r, event, err);
	case YAML_ALIAS_EVENT:
		return on_alias(r, event, err);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, YAML_SEQUENCE, event->data.sequence_start.anchor,
			       event->data.sequence_start.tag, &event->start_mark, err);
	case YAML_MAPPING_START_EVENT:
		return on_open(r, YAML_MAPPING, event->data.mapping_start.anchor,
			       event->data.mapping_start.tag, &event->start_mark, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(r, event, err);
	default:
		return 0;
	}
}

static int read_events(struct reader *r, struct mr_error *err)
{
	for (;;) {
		yaml_event_t event;
		if (!yaml_parser_parse(&r->parser, &event))
			return fail_parser(r, err);
		bool end = event.type == YAML_STREAM_END_EVENT;
		int rc = on_event(r, &event, err);
		yaml_event_delete(&event);
		if (rc < 0 || end)
			return rc;
	}
}

int yaml_read(struct arena *arena, const char *file, mr_str text, const struct yaml_expander *expander,
	      struct yaml_node **out, struct mr_error *err)
{
	if (text.len > YAML_BYTES_MAX) {
		mr_fail(err, MR_ERR_LIMIT, "%s is larger than 4 MiB", file);
		return MR_ERR_LIMIT;
	}
	struct reader *r = mr_calloc(1, sizeof *r);
	r->arena = arena;
	r->file = file;
	r->expander = expander;
	MR_ASSERT(yaml_parser_initialize(&r->parser));
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text.ptr, text.len);
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	int rc = read_events(r, err);
	if (rc == 0) {
		yaml_mark_t start = {0};
		*out = r->root ? r->root : node_new(r, YAML_SCALAR, &start);
		if (!r->root)
			(*out)->plain = true;
	}
	while (r->depth)
		mr_map_release(&r->stack[--r->depth].seen);
	mr_map_release(&r->anchors);
	yaml_parser_delete(&r->parser);
	free(r);
	return rc;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
	if (mapping->kind == YAML_MAPPING)
		for (size_t i = 0; i < mapping->count; i++)
			if (mr_str_is(mapping->keys[i]->text, key))
				return mapping->items[i];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};
	if (node->kind != YAML_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < MR_COUNT(words); i++)
		if (mr_str_is(node->text, words[i]))
			return true;
	return false;
}

const char *yaml_kind_name(const struct yaml_node *node)
{
	static const char *const names[] = {"a value", "a list", "a mapping"};
	return yaml_is_null(node) ? "nothing" : names[node->kind];
}
