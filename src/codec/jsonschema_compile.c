/* codec/jsonschema_compile.c - schema text into nodes: one handler per keyword, in a table. */
#include "codec/jsonschema_node.h"

#include "codec/utf8.h"

#include <math.h>
#include <stdlib.h>

#define SCHEMA_BYTES_MAX ((size_t)4 << 20)
#define NAME_SHOWN_MAX 100

struct compiler {
	struct json_schema *schema;
	struct schema_ids ids;
	struct mr_map nodes; /* value index -> node: what was compiled already */
};

typedef int (*keyword_fn)(struct compiler *c, struct schema_node *node, struct json_value v,
			  const struct json_place *at, struct mr_error *err);

static int compile(struct compiler *c, struct json_value v, const struct json_place *at,
		   const struct schema_node **out, struct mr_error *err);

/* "schema weblog.yml at /properties/status/type: ..." */
static int bad(struct compiler *c, const struct json_place *at, struct mr_error *err, const char *fmt, ...)
    MR_PRINTF(4, 5);
static int bad(struct compiler *c, const struct json_place *at, struct mr_error *err, const char *fmt, ...)
{
	char pointer[256], text[320];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	json_place_pointer(at, pointer, sizeof pointer);
	return mr_fail(err, MR_ERR_INVALID, "schema %s at %s: %s", c->schema->name, at ? pointer : "its root",
		       text);
}

static struct json_place below(const struct json_place *up, mr_str key)
{
	return (struct json_place){up, key, 0};
}

static int need(struct compiler *c, struct json_value v, enum json_type type, const char *what,
		const struct json_place *at, struct mr_error *err)
{
	return json_type(v) == type ? 0 : bad(c, at, err, "must be %s", what);
}

static int read_count(struct compiler *c, struct json_value v, size_t *out, const struct json_place *at,
		      struct mr_error *err)
{
	double d = json_double(v);
	if (json_type(v) != JSON_INT && (json_type(v) != JSON_DOUBLE || d != floor(d)))
		return bad(c, at, err, "must be a whole number");
	if (d < 0)
		return bad(c, at, err, "must not be negative");
	*out = d > 9e15 ? SIZE_MAX : (size_t)d;
	return 0;
}

static int read_number(struct compiler *c, struct json_value v, struct schema_number *out,
		       const struct json_place *at, struct mr_error *err)
{
	enum json_type type = json_type(v);
	if (type != JSON_INT && type != JSON_UINT && type != JSON_DOUBLE)
		return bad(c, at, err, "must be a number");
	*out = (struct schema_number){true, type == JSON_INT, json_int(v), json_double(v)};
	return 0;
}

/* ---- the groups of rules, made when a first keyword needs them ---- */

static struct schema_string_rules *strings(struct compiler *c, struct schema_node *node)
{
	if (!node->string) {
		node->string = arena_calloc(&c->schema->arena, 1, sizeof *node->string);
		node->string->length_max = SIZE_MAX;
	}
	return node->string;
}

static struct schema_number_rules *numbers(struct compiler *c, struct schema_node *node)
{
	if (!node->number)
		node->number = arena_calloc(&c->schema->arena, 1, sizeof *node->number);
	return node->number;
}

static struct schema_array_rules *arrays(struct compiler *c, struct schema_node *node)
{
	if (!node->array) {
		node->array = arena_calloc(&c->schema->arena, 1, sizeof *node->array);
		node->array->count_max = SIZE_MAX;
	}
	return node->array;
}

static struct schema_object_rules *objects(struct compiler *c, struct schema_node *node)
{
	if (!node->object) {
		struct schema_object_rules *o = arena_calloc(&c->schema->arena, 1, sizeof *o);
		o->count_max = SIZE_MAX;
		size_t most = json_count(json_get(node->source, "properties")) +
			      json_count(json_get(node->source, "required"));
		o->properties = arena_calloc(&c->schema->arena, most + 1, sizeof *o->properties);
		node->object = o;
	}
	return node->object;
}

static struct schema_logic *logic(struct compiler *c, struct schema_node *node)
{
	if (!node->logic)
		node->logic = arena_calloc(&c->schema->arena, 1, sizeof *node->logic);
	return node->logic;
}

static mr_str keep(struct compiler *c, mr_str s)
{
	return arena_copy(&c->schema->arena, s);
}

/* ---- any instance ---- */

const char *const schema_type_names[TYPE_COUNT] = {"null",   "boolean", "integer", "number",
						   "string", "array",   "object"};

static int add_type(struct compiler *c, struct schema_node *node, struct json_value v,
		    const struct json_place *at, struct mr_error *err)
{
	for (int i = 0; i < TYPE_COUNT; i++) {
		if (json_type(v) != JSON_STRING || !mr_str_is(json_str(v), schema_type_names[i]))
			continue;
		int bit = 1 << i;
		node->types |= (uint8_t)(bit == TYPE_NUMBER ? TYPE_NUMBER | TYPE_INTEGER : bit);
		return 0;
	}
	mr_str name = utf8_cut(json_str(v), NAME_SHOWN_MAX);
	return bad(c, at, err, "there is no type \"%.*s\"", MR_FMT(name));
}

static int on_type(struct compiler *c, struct schema_node *node, struct json_value v,
		   const struct json_place *at, struct mr_error *err)
{
	node->types = 0;
	if (json_type(v) != JSON_ARRAY)
		return add_type(c, node, v, at, err);
	int rc = json_count(v) ? 0 : bad(c, at, err, "is an empty list");
	for (struct json_iter it = json_iter(v); !rc && json_next(&it);)
		rc = add_type(c, node, it.value, at, err);
	return rc;
}

static int on_enum(struct compiler *c, struct schema_node *node, struct json_value v,
		   const struct json_place *at, struct mr_error *err)
{
	node->has_enum = true;
	node->enumeration = v;
	return need(c, v, JSON_ARRAY, "a list of values", at, err);
}

static int on_const(struct compiler *c, struct schema_node *node, struct json_value v,
		    const struct json_place *at, struct mr_error *err)
{
	node->has_const = true;
	node->constant = v;
	return 0;
}

/* ---- numbers, strings ---- */

#define NUMBER_KEYWORD(fn, member) \
	static int fn(struct compiler *c, struct schema_node *node, struct json_value v, \
		      const struct json_place *at, struct mr_error *err) \
	{ \
		return read_number(c, v, &numbers(c, node)->member, at, err); \
	}
NUMBER_KEYWORD(on_minimum, minimum)
NUMBER_KEYWORD(on_maximum, maximum)
NUMBER_KEYWORD(on_exclusive_minimum, above)
NUMBER_KEYWORD(on_exclusive_maximum, below)

static int on_multiple_of(struct compiler *c, struct schema_node *node, struct json_value v,
			  const struct json_place *at, struct mr_error *err)
{
	int rc = read_number(c, v, &numbers(c, node)->multiple_of, at, err);
	return rc || json_double(v) > 0 ? rc : bad(c, at, err, "must be above 0");
}

#define COUNT_KEYWORD(fn, rules, member) \
	static int fn(struct compiler *c, struct schema_node *node, struct json_value v, \
		      const struct json_place *at, struct mr_error *err) \
	{ \
		return read_count(c, v, &rules(c, node)->member, at, err); \
	}
COUNT_KEYWORD(on_min_length, strings, length_min)
COUNT_KEYWORD(on_max_length, strings, length_max)
COUNT_KEYWORD(on_min_items, arrays, count_min)
COUNT_KEYWORD(on_max_items, arrays, count_max)
COUNT_KEYWORD(on_min_properties, objects, count_min)
COUNT_KEYWORD(on_max_properties, objects, count_max)

static int make_regex(struct compiler *c, mr_str pattern, struct schema_regex **out,
		      const struct json_place *at, struct mr_error *err)
{
	struct mr_error why;
	int rc = schema_regex_new(c->schema, pattern, out, &why);
	return rc ? bad(c, at, err, "%s", why.message) : 0;
}

static int on_pattern(struct compiler *c, struct schema_node *node, struct json_value v,
		      const struct json_place *at, struct mr_error *err)
{
	int rc = need(c, v, JSON_STRING, "a regular expression", at, err);
	return rc ? rc : make_regex(c, json_str(v), &strings(c, node)->pattern, at, err);
}

static int on_format(struct compiler *c, struct schema_node *node, struct json_value v,
		     const struct json_place *at, struct mr_error *err)
{
	struct schema_string_rules *s = strings(c, node);
	s->format = schema_format_find(json_str(v), &s->format_name);
	if (s->format)
		return 0;
	mr_str name = utf8_cut(json_str(v), NAME_SHOWN_MAX);
	bad(c, at, err, "the format \"%.*s\" is unknown", MR_FMT(name));
	mr_hint(err, "known formats: %s", schema_format_list);
	return MR_ERR_INVALID;
}

/* ---- arrays ---- */

static int compile_list(struct compiler *c, struct json_value v, const struct json_place *at,
			const struct schema_node ***nodes, size_t *count, struct mr_error *err)
{
	if (json_type(v) != JSON_ARRAY || json_count(v) == 0)
		return bad(c, at, err, "must be a list of schemas");
	*nodes = arena_calloc(&c->schema->arena, json_count(v), sizeof **nodes);
	*count = 0;
	int rc = 0;
	for (struct json_iter it = json_iter(v); !rc && json_next(&it);) {
		struct json_place place = {at, MR_STR_NULL, *count};
		rc = compile(c, it.value, &place, &(*nodes)[(*count)++], err);
	}
	return rc;
}

static int on_items(struct compiler *c, struct schema_node *node, struct json_value v,
		    const struct json_place *at, struct mr_error *err)
{
	struct schema_array_rules *a = arrays(c, node);
	if (json_type(v) != JSON_ARRAY)
		return compile(c, v, at, &a->items, err);
	if (json_count(v) == 0)
		return 0;
	return compile_list(c, v, at, &a->tuple, &a->tuple_count, err);
}

static int on_additional_items(struct compiler *c, struct schema_node *node, struct json_value v,
			       const struct json_place *at, struct mr_error *err)
{
	const struct schema_node *rest;
	int rc = compile(c, v, at, &rest, err);
	if (rc == 0 && json_type(json_get(node->source, "items")) == JSON_ARRAY)
		arrays(c, node)->items = rest;
	return rc;
}

static int on_unique_items(struct compiler *c, struct schema_node *node, struct json_value v,
			   const struct json_place *at, struct mr_error *err)
{
	arrays(c, node)->unique = json_bool(v);
	return need(c, v, JSON_BOOL, "true or false", at, err);
}

static int on_contains(struct compiler *c, struct schema_node *node, struct json_value v,
		       const struct json_place *at, struct mr_error *err)
{
	return compile(c, v, at, &arrays(c, node)->contains, err);
}

/* ---- objects ---- */

static struct schema_property *property(struct compiler *c, struct schema_node *node, mr_str name)
{
	struct schema_object_rules *o = objects(c, node);
	for (uint32_t i = 0; i < o->property_count; i++) {
		if (mr_str_eq(o->properties[i].name, name))
			return &o->properties[i];
	}
	struct schema_property *p = &o->properties[o->property_count++];
	p->name = keep(c, name);
	return p;
}

static int on_properties(struct compiler *c, struct schema_node *node, struct json_value v,
			 const struct json_place *at, struct mr_error *err)
{
	int rc = need(c, v, JSON_OBJECT, "an object of schemas", at, err);
	if (rc == 0 && json_count(v) > SCHEMA_PROPERTIES_MAX)
		return bad(c, at, err, "has more than %d members", SCHEMA_PROPERTIES_MAX);
	objects(c, node);
	for (struct json_iter it = json_iter(v); !rc && json_next(&it);) {
		struct json_place place = below(at, it.key);
		rc = compile(c, it.value, &place, &property(c, node, it.key)->node, err);
	}
	return rc;
}

static int on_required(struct compiler *c, struct schema_node *node, struct json_value v,
		       const struct json_place *at, struct mr_error *err)
{
	int rc = need(c, v, JSON_ARRAY, "a list of names", at, err);
	if (rc == 0 && json_count(v) > SCHEMA_PROPERTIES_MAX)
		return bad(c, at, err, "has more than %d names", SCHEMA_PROPERTIES_MAX);
	for (struct json_iter it = json_iter(v); !rc && json_next(&it);) {
		rc = need(c, it.value, JSON_STRING, "a list of names", at, err);
		struct schema_property *p = property(c, node, json_str(it.value));
		node->object->required_count += !p->required;
		p->required = true;
	}
	return rc;
}

static int on_additional_properties(struct compiler *c, struct schema_node *node, struct json_value v,
				    const struct json_place *at, struct mr_error *err)
{
	return compile(c, v, at, &objects(c, node)->additional, err);
}

static int on_pattern_properties(struct compiler *c, struct schema_node *node, struct json_value v,
				 const struct json_place *at, struct mr_error *err)
{
	int rc = need(c, v, JSON_OBJECT, "an object of schemas", at, err);
	struct schema_object_rules *o = objects(c, node);
	o->patterns = arena_calloc(&c->schema->arena, json_count(v) + 1, sizeof *o->patterns);
	for (struct json_iter it = json_iter(v); !rc && json_next(&it);) {
		struct json_place place = below(at, it.key);
		struct schema_pattern *p = &o->patterns[o->pattern_count++];
		rc = make_regex(c, it.key, &p->name, &place, err);
		if (rc == 0)
			rc = compile(c, it.value, &place, &p->node, err);
	}
	return rc;
}

static int on_property_names(struct compiler *c, struct schema_node *node, struct json_value v,
			     const struct json_place *at, struct mr_error *err)
{
	return compile(c, v, at, &objects(c, node)->names, err);
}

static int on_dependencies(struct compiler *c, struct schema_node *node, struct json_value v,
			   const struct json_place *at, struct mr_error *err)
{
	int rc = need(c, v, JSON_OBJECT, "an object of names or schemas", at, err);
	struct schema_object_rules *o = objects(c, node);
	struct arena *arena = &c->schema->arena;
	o->dependencies = arena_calloc(arena, json_count(v) + 1, sizeof *o->dependencies);
	for (struct json_iter it = json_iter(v); !rc && json_next(&it);) {
		struct json_place place = below(at, it.key);
		struct schema_dependency *d = &o->dependencies[o->dependency_count++];
		d->name = keep(c, it.key);
		if (json_type(it.value) != JSON_ARRAY) {
			rc = compile(c, it.value, &place, &d->node, err);
			continue;
		}
		d->names = arena_calloc(arena, json_count(it.value) + 1, sizeof *d->names);
		for (struct json_iter name = json_iter(it.value); !rc && json_next(&name);) {
			rc = need(c, name.value, JSON_STRING, "a list of names", &place, err);
			d->names[d->name_count++] = keep(c, json_str(name.value));
		}
	}
	return rc;
}

/* The table that finds a property by name, at most half full. */
static void build_slots(struct compiler *c, struct schema_object_rules *o)
{
	uint32_t size = 4;
	while (size < o->property_count * 2)
		size *= 2;
	o->slots = arena_calloc(&c->schema->arena, size, sizeof *o->slots);
	o->slot_mask = size - 1;
	for (uint32_t i = 0; i < o->property_count; i++) {
		uint32_t at = (uint32_t)mr_hash(o->properties[i].name) & o->slot_mask;
		while (o->slots[at])
			at = (at + 1) & o->slot_mask;
		o->slots[at] = i + 1;
	}
}

/* ---- logic ---- */

#define LIST_KEYWORD(fn, member) \
	static int fn(struct compiler *c, struct schema_node *node, struct json_value v, \
		      const struct json_place *at, struct mr_error *err) \
	{ \
		struct schema_list *list = &logic(c, node)->member; \
		return compile_list(c, v, at, &list->nodes, &list->count, err); \
	}
LIST_KEYWORD(on_all_of, all)
LIST_KEYWORD(on_any_of, any)
LIST_KEYWORD(on_one_of, one)

#define SCHEMA_KEYWORD(fn, member) \
	static int fn(struct compiler *c, struct schema_node *node, struct json_value v, \
		      const struct json_place *at, struct mr_error *err) \
	{ \
		return compile(c, v, at, &logic(c, node)->member, err); \
	}
SCHEMA_KEYWORD(on_not, negated)
SCHEMA_KEYWORD(on_if, condition)
SCHEMA_KEYWORD(on_then, then)
SCHEMA_KEYWORD(on_else, otherwise)

static const struct {
	const char *name;
	keyword_fn compile;
} keywords[] = {
    {"type", on_type},
    {"enum", on_enum},
    {"const", on_const},
    {"minimum", on_minimum},
    {"maximum", on_maximum},
    {"exclusiveMinimum", on_exclusive_minimum},
    {"exclusiveMaximum", on_exclusive_maximum},
    {"multipleOf", on_multiple_of},
    {"minLength", on_min_length},
    {"maxLength", on_max_length},
    {"pattern", on_pattern},
    {"format", on_format},
    {"items", on_items},
    {"additionalItems", on_additional_items},
    {"minItems", on_min_items},
    {"maxItems", on_max_items},
    {"uniqueItems", on_unique_items},
    {"contains", on_contains},
    {"properties", on_properties}, /* before required: columns keep the schema's order */
    {"required", on_required},
    {"additionalProperties", on_additional_properties},
    {"patternProperties", on_pattern_properties},
    {"propertyNames", on_property_names},
    {"dependencies", on_dependencies},
    {"minProperties", on_min_properties},
    {"maxProperties", on_max_properties},
    {"allOf", on_all_of},
    {"anyOf", on_any_of},
    {"oneOf", on_one_of},
    {"not", on_not},
    {"if", on_if},
    {"then", on_then},
    {"else", on_else},
};

static int compile_ref(struct compiler *c, struct schema_node *node, struct json_value ref,
		       const struct json_place *at, struct mr_error *err)
{
	struct json_place place = below(at, MR_STR("$ref"));
	struct json_value target;
	int rc = need(c, ref, JSON_STRING, "a reference", &place, err);
	if (rc)
		return rc;
	if (schema_ids_find(&c->ids, node->source, json_str(ref), &target))
		return compile(c, target, &place, &node->ref, err);
	mr_str name = utf8_cut(json_str(ref), NAME_SHOWN_MAX);
	bad(c, &place, err, "\"%.*s\" is not in this document", MR_FMT(name));
	mr_hint(err, "put the schema under `definitions` and refer to it as #/definitions/NAME");
	return MR_ERR_INVALID;
}

static int compile_keywords(struct compiler *c, struct schema_node *node, const struct json_place *at,
			    struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < MR_COUNT(keywords); i++) {
		struct json_value v = json_get(node->source, keywords[i].name);
		struct json_place place = below(at, mr_str_from(keywords[i].name));
		if (json_present(v))
			rc = keywords[i].compile(c, node, v, &place, err);
	}
	if (rc == 0 && node->object)
		build_slots(c, node->object);
	return rc;
}

static int compile(struct compiler *c, struct json_value v, const struct json_place *at,
		   const struct schema_node **out, struct mr_error *err)
{
	mr_str key = mr_str_n(&v.index, sizeof v.index);
	struct schema_node *node = mr_map_get(&c->nodes, key);
	*out = node;
	if (node)
		return 0;
	if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_BOOL)
		return bad(c, at, err, "must be a schema: an object, true or false");
	node = arena_calloc(&c->schema->arena, 1, sizeof *node);
	node->types = TYPE_ANY;
	node->source = v;
	node->next = c->schema->nodes;
	c->schema->nodes = node;
	mr_map_put(&c->nodes, key, node);
	*out = node;
	if (json_type(v) == JSON_BOOL) {
		node->never = !json_bool(v);
		return 0;
	}
	struct json_value ref = json_get(v, "$ref");
	return json_present(ref) ? compile_ref(c, node, ref, at, err) : compile_keywords(c, node, at, err);
}

/* ---- circles: a schema that leads back to itself for the same instance never ends ---- */

enum { UNSEEN, ON_PATH, DONE };

static bool circular(const struct schema_node *const_node);

static bool list_circular(const struct schema_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (circular(list->nodes[i]))
			return true;
	}
	return false;
}

static bool circular(const struct schema_node *const_node)
{
	struct schema_node *node = (struct schema_node *)(uintptr_t)const_node; /* not shared yet */
	if (!node || node->visit == DONE)
		return false;
	if (node->visit == ON_PATH)
		return true;
	node->visit = ON_PATH;
	bool found = circular(node->ref);
	const struct schema_logic *l = node->logic;
	if (l)
		found = found || list_circular(&l->all) || list_circular(&l->any) || list_circular(&l->one) ||
			circular(l->negated) || circular(l->condition) || circular(l->then) ||
			circular(l->otherwise);
	const struct schema_object_rules *o = node->object;
	for (size_t i = 0; o && !found && i < o->dependency_count; i++)
		found = circular(o->dependencies[i].node);
	node->visit = DONE;
	return found;
}

static int check_version(struct compiler *c, struct json_value document, struct mr_error *err)
{
	static const char *const known[] = {
	    "http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-07/schema",
	    "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-06/schema"};
	struct json_value v = json_get(document, "$schema");
	if (!json_present(v))
		return 0;
	for (size_t i = 0; i < MR_COUNT(known); i++) {
		if (mr_str_is(json_str(v), known[i]))
			return 0;
	}
	mr_str name = utf8_cut(json_str(v), NAME_SHOWN_MAX);
	mr_fail(err, MR_ERR_UNSUPPORTED, "schema %s is written for \"%.*s\"; contracts are draft-07",
		c->schema->name, MR_FMT(name));
	mr_hint(err, "write it with \"$schema\": \"%s\"", known[0]);
	return MR_ERR_UNSUPPORTED;
}

static int compile_document(struct compiler *c, mr_str text, struct mr_error *err)
{
	struct json_schema *schema = c->schema;
	if (text.len > SCHEMA_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "schema %s is larger than %zu bytes", schema->name,
			       SCHEMA_BYTES_MAX);
	int rc = json_parse(schema->parser, text, &schema->document, err);
	if (rc)
		return mr_error_wrap(err, rc, "schema %s", schema->name);
	rc = check_version(c, schema->document, err);
	if (rc)
		return rc;
	schema_ids_init(&c->ids, &schema->arena, schema->document);
	const struct schema_node *root;
	rc = compile(c, schema->document, NULL, &root, err);
	if (rc)
		return rc;
	schema->root = (struct schema_node *)(uintptr_t)root;
	for (struct schema_node *node = schema->nodes; node; node = node->next) {
		if (circular(node))
			return bad(c, NULL, err, "a $ref leads back to itself without end");
	}
	return schema_columns_make(schema, err);
}

int json_schema_compile(mr_str text, const char *name, struct json_schema **out, struct mr_error *err)
{
	struct json_schema *schema = mr_calloc(1, sizeof *schema);
	schema->parser = json_parser_new();
	schema->name = arena_strdup(&schema->arena, name);
	struct compiler c = {.schema = schema};
	int rc = compile_document(&c, text, err);
	schema_ids_release(&c.ids);
	mr_map_release(&c.nodes);
	if (rc)
		json_schema_free(schema);
	else
		*out = schema;
	return rc;
}

void json_schema_free(struct json_schema *schema)
{
	if (!schema)
		return;
	schema_regexes_free(schema->regexes);
	json_parser_free(schema->parser);
	arena_release(&schema->arena);
	free(schema);
}
