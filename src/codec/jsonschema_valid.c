/* codec/jsonschema_valid.c - holding a document against compiled nodes.
 *
 * The hot path allocates nothing and writes no text: places are a chain on the stack, spelled
 * out when a fault is told. Branches of anyOf, oneOf, not, if and contains run without telling.
 */
#include "codec/jsonschema_node.h"
#include "codec/utf8.h"

#include <math.h>

#define DEPTH_MAX 2048 /* nodes under way at once; a document has at most 512 levels */
#define SHOWN_MAX 60   /* bytes of a value that a reason quotes */

struct run {
	struct json_fault *fault; /* NULL: nobody asks why */
	int depth;
};

/* What is being held against a node: a value, or the name of a member. */
struct item {
	enum json_type type;
	struct json_value value; /* absent for a name */
	mr_str text;             /* of a string */
};

static bool valid(struct run *run, const struct schema_node *node, const struct item *item,
		  const struct json_place *place);

static struct item item_of(struct json_value v)
{
	struct item item = {json_type(v), v, MR_STR_NULL};
	if (item.type == JSON_STRING)
		item.text = json_str(v);
	return item;
}

static bool valid_value(struct run *run, const struct schema_node *node, struct json_value v,
			const struct json_place *place)
{
	struct item item = item_of(v);
	return valid(run, node, &item, place);
}

static bool quietly(const struct run *run, const struct schema_node *node, const struct item *item,
		    const struct json_place *place)
{
	struct run quiet = {NULL, run->depth};
	return valid(&quiet, node, item, place);
}

/* ---- telling ---- */

void json_place_pointer(const struct json_place *place, char *out, size_t size)
{
	const struct json_place *chain[DEPTH_MAX];
	size_t count = 0;
	for (; place && count < DEPTH_MAX; place = place->up)
		chain[count++] = place;
	struct mr_buf text = {.limit = 64 * 1024};
	while (count--) {
		mr_str key = chain[count]->key;
		mr_buf_char(&text, '/');
		if (!key.ptr)
			mr_buf_printf(&text, "%zu", chain[count]->index);
		for (size_t i = 0; i < key.len; i++) {
			if (key.ptr[i] == '~' || key.ptr[i] == '/')
				mr_buf_append(&text, key.ptr[i] == '~' ? "~0" : "~1", 2);
			else
				mr_buf_char(&text, key.ptr[i]);
		}
	}
	snprintf(out, size, "%.*s", MR_FMT(utf8_cut(mr_buf_view(&text), size - 1)));
	mr_buf_release(&text);
}

static void show(struct mr_buf *out, const struct item *item)
{
	if (item->type == JSON_STRING) {
		json_quote(out, utf8_cut(item->text, SHOWN_MAX));
		if (item->text.len > SHOWN_MAX)
			mr_buf_cstr(out, " (cut)");
	} else if (item->type == JSON_ARRAY) {
		mr_buf_printf(out, "an array of %zu", json_count(item->value));
	} else if (item->type == JSON_OBJECT) {
		mr_buf_printf(out, "an object of %zu", json_count(item->value));
	} else {
		json_write_value(out, item->value);
	}
}

/* Returns false, so that a rule can end with it. The reason is "is VALUE, " and the text. */
static bool tell(struct run *run, const struct item *item, const struct json_place *place, const char *fmt,
		 ...) MR_PRINTF(4, 5);
static bool tell(struct run *run, const struct item *item, const struct json_place *place, const char *fmt,
		 ...)
{
	if (!run->fault)
		return false;
	struct mr_buf text = {.limit = 8192};
	if (item) {
		mr_buf_cstr(&text, "is ");
		show(&text, item);
		mr_buf_cstr(&text, ", ");
	}
	va_list args;
	va_start(args, fmt);
	mr_buf_vprintf(&text, fmt, args);
	va_end(args);
	mr_str reason = utf8_cut(mr_buf_view(&text), sizeof run->fault->reason - 1);
	memcpy(run->fault->reason, reason.ptr, reason.len);
	run->fault->reason[reason.len] = 0;
	json_place_pointer(place, run->fault->pointer, sizeof run->fault->pointer);
	mr_buf_release(&text);
	return false;
}

static mr_str shown(mr_str name)
{
	return utf8_cut(name, SHOWN_MAX);
}

/* ---- any instance ---- */

static int type_bits(const struct item *item)
{
	static const uint8_t bits[] = {
	    [JSON_NULL] = TYPE_NULL,    [JSON_BOOL] = TYPE_BOOLEAN,  [JSON_INT] = TYPE_INTEGER,
	    [JSON_UINT] = TYPE_INTEGER, [JSON_DOUBLE] = TYPE_NUMBER, [JSON_STRING] = TYPE_STRING,
	    [JSON_ARRAY] = TYPE_ARRAY,  [JSON_OBJECT] = TYPE_OBJECT};
	if (item->type != JSON_DOUBLE)
		return bits[item->type];
	double d = json_double(item->value);
	return d == floor(d) ? TYPE_INTEGER | TYPE_NUMBER : TYPE_NUMBER; /* 1.0 is an integer */
}

static bool wrong_type(struct run *run, const struct schema_node *node, const struct item *item,
		       const struct json_place *place)
{
	if (!run->fault)
		return false;
	char expected[128] = "";
	size_t n = 0;
	for (int i = 0; i < TYPE_COUNT; i++) {
		if (!(node->types & 1 << i) || (1 << i == TYPE_INTEGER && node->types & TYPE_NUMBER))
			continue;
		n += (size_t)snprintf(expected + n, sizeof expected - n, "%s%s", n ? " or " : "",
				      schema_type_names[i]);
	}
	return tell(run, item, place, "expected %s", expected);
}

static bool same(const struct item *item, struct json_value v)
{
	if (item->type == JSON_STRING)
		return json_type(v) == JSON_STRING && mr_str_eq(item->text, json_str(v));
	return json_equal(item->value, v);
}

static bool listed(struct run *run, const struct schema_node *node, const struct item *item,
		   const struct json_place *place)
{
	for (struct json_iter it = json_iter(node->enumeration); json_next(&it);) {
		if (same(item, it.value))
			return true;
	}
	if (!run->fault)
		return false;
	struct mr_buf list = {.limit = 4096};
	json_write_value(&list, node->enumeration);
	tell(run, item, place, "expected one of %.*s", MR_FMT(utf8_cut(mr_buf_view(&list), 150)));
	mr_buf_release(&list);
	return false;
}

static bool constant(struct run *run, const struct schema_node *node, const struct item *item,
		     const struct json_place *place)
{
	if (same(item, node->constant))
		return true;
	if (!run->fault)
		return false;
	struct mr_buf text = {.limit = 4096};
	json_write_value(&text, node->constant);
	tell(run, item, place, "expected %.*s", MR_FMT(utf8_cut(mr_buf_view(&text), 150)));
	mr_buf_release(&text);
	return false;
}

/* ---- numbers ---- */

static int compare(const struct schema_number *a, const struct schema_number *b)
{
	if (a->exact && b->exact)
		return a->i < b->i ? -1 : a->i > b->i;
	return a->d < b->d ? -1 : a->d > b->d;
}

static bool is_multiple(const struct schema_number *n, const struct schema_number *of)
{
	if (n->exact && of->exact)
		return n->i % of->i == 0;
	double quotient = n->d / of->d;
	if (isinf(quotient))
		return fmod(n->d, of->d) == 0;
	/* 0.0075 is a multiple of 0.0001 although their doubles are not */
	return fabs(quotient - nearbyint(quotient)) <= 1e-9 * fmax(1, fabs(quotient)) &&
	       fabs(quotient - nearbyint(quotient)) < 1e-3;
}

static bool valid_number(struct run *run, const struct schema_number_rules *r, const struct item *item,
			 const struct json_place *place)
{
	struct schema_number n = {true, item->type == JSON_INT, json_int(item->value),
				  json_double(item->value)};
	if (r->minimum.present && compare(&n, &r->minimum) < 0)
		return tell(run, item, place, "expected at least %.15g", r->minimum.d);
	if (r->maximum.present && compare(&n, &r->maximum) > 0)
		return tell(run, item, place, "expected at most %.15g", r->maximum.d);
	if (r->above.present && compare(&n, &r->above) <= 0)
		return tell(run, item, place, "expected above %.15g", r->above.d);
	if (r->below.present && compare(&n, &r->below) >= 0)
		return tell(run, item, place, "expected below %.15g", r->below.d);
	if (r->multiple_of.present && !is_multiple(&n, &r->multiple_of))
		return tell(run, item, place, "expected a multiple of %.15g", r->multiple_of.d);
	return true;
}

/* ---- strings ---- */

static bool valid_string(struct run *run, const struct schema_string_rules *r, const struct item *item,
			 const struct json_place *place)
{
	mr_str s = item->text;
	if (r->length_min || r->length_max != SIZE_MAX) {
		size_t length = utf8_count(s);
		if (length < r->length_min)
			return tell(run, item, place, "expected at least %zu characters", r->length_min);
		if (length > r->length_max)
			return tell(run, item, place, "expected at most %zu characters", r->length_max);
	}
	if (r->pattern && !schema_regex_matches(r->pattern, s))
		return tell(run, item, place, "expected to match %.*s",
			    MR_FMT(utf8_cut(schema_regex_text(r->pattern), 120)));
	if (r->format && !r->format(s))
		return tell(run, item, place, "expected format %s", r->format_name);
	return true;
}

/* ---- arrays ---- */

static bool valid_elements(struct run *run, const struct schema_array_rules *r, const struct item *item,
			   const struct json_place *place)
{
	struct json_place element = {place, MR_STR_NULL, 0};
	for (struct json_iter it = json_iter(item->value); json_next(&it); element.index++) {
		const struct schema_node *node =
		    element.index < r->tuple_count ? r->tuple[element.index] : r->items;
		if (node && !valid_value(run, node, it.value, &element))
			return false;
	}
	return true;
}

static bool contains(const struct run *run, const struct schema_array_rules *r, const struct item *item,
		     const struct json_place *place)
{
	for (struct json_iter it = json_iter(item->value); json_next(&it);) {
		struct item element = item_of(it.value);
		if (quietly(run, r->contains, &element, place))
			return true;
	}
	return false;
}

static bool valid_array(struct run *run, const struct schema_array_rules *r, const struct item *item,
			const struct json_place *place)
{
	if (r->count_min || r->count_max != SIZE_MAX) {
		size_t count = json_count(item->value);
		if (count < r->count_min)
			return tell(run, item, place, "expected at least %zu elements", r->count_min);
		if (count > r->count_max)
			return tell(run, item, place, "expected at most %zu elements", r->count_max);
	}
	if ((r->items || r->tuple_count) && !valid_elements(run, r, item, place))
		return false;
	if (r->unique && !json_all_unique(item->value))
		return tell(run, item, place, "expected no two equal elements");
	if (r->contains && !contains(run, r, item, place))
		return tell(run, item, place, "expected an element as `contains` says");
	return true;
}

/* ---- objects ---- */

/* The index of a property, or property_count. Documents mostly have their members in the
 * schema's order: `guess` is tried first. */
static inline uint32_t find_property(const struct schema_object_rules *r, mr_str name, uint32_t guess)
{
	if (guess < r->property_count && mr_str_eq(r->properties[guess].name, name))
		return guess;
	for (uint32_t at = (uint32_t)mr_hash(name) & r->slot_mask; r->slots[at];
	     at = (at + 1) & r->slot_mask) {
		uint32_t index = r->slots[at] - 1;
		if (mr_str_eq(r->properties[index].name, name))
			return index;
	}
	return r->property_count;
}

/* A member that `properties` may not name: patterns, then additionalProperties. */
static bool valid_other(struct run *run, const struct schema_object_rules *r, const struct json_iter *it,
			bool known, const struct json_place *place)
{
	for (size_t i = 0; i < r->pattern_count; i++) {
		if (!schema_regex_matches(r->patterns[i].name, it->key))
			continue;
		known = true;
		if (!valid_value(run, r->patterns[i].node, it->value, place))
			return false;
	}
	if (known || !r->additional)
		return true;
	if (r->additional->never)
		return tell(run, NULL, place, "is not a member that the schema allows");
	return valid_value(run, r->additional, it->value, place);
}

static bool lacks(struct run *run, mr_str name, const struct json_place *place)
{
	return tell(run, NULL, place, "lacks the required member \"%.*s\"", MR_FMT(shown(name)));
}

static bool valid_members(struct run *run, const struct schema_object_rules *r, const struct item *item,
			  const struct json_place *place)
{
	uint64_t seen[SCHEMA_PROPERTIES_MAX * 2 / 64];
	size_t words = r->property_count / 64 + 1;
	memset(seen, 0, mr_min_size(words, MR_COUNT(seen)) * sizeof seen[0]);
	uint32_t guess = 0, required = 0;
	for (struct json_iter it = json_iter(item->value); json_next(&it);) {
		struct json_place member = {place, it.key, 0};
		uint32_t index = find_property(r, it.key, guess);
		const struct schema_node *node = NULL;
		if (index < r->property_count) {
			node = r->properties[index].node;
			uint64_t bit = (uint64_t)1 << index % 64;
			required += r->properties[index].required && !(seen[index / 64] & bit);
			seen[index / 64] |= bit;
			guess = index + 1;
			if (node && !valid_value(run, node, it.value, &member))
				return false;
		}
		if (r->names) {
			struct item name = {JSON_STRING, {0}, it.key};
			if (!valid(run, r->names, &name, &member))
				return false;
		}
		if ((r->pattern_count || (r->additional && !node)) &&
		    !valid_other(run, r, &it, node != NULL, &member))
			return false;
	}
	if (required == r->required_count)
		return true;
	for (uint32_t i = 0; i < r->property_count; i++) {
		if (r->properties[i].required && !(seen[i / 64] >> i % 64 & 1))
			return lacks(run, r->properties[i].name, place);
	}
	return true;
}

static bool valid_dependencies(struct run *run, const struct schema_object_rules *r, const struct item *item,
			       const struct json_place *place)
{
	for (size_t i = 0; i < r->dependency_count; i++) {
		const struct schema_dependency *d = &r->dependencies[i];
		if (!json_present(json_get_str(item->value, d->name)))
			continue;
		if (d->node && !valid(run, d->node, item, place))
			return false;
		for (size_t n = 0; n < d->name_count; n++) {
			if (!json_present(json_get_str(item->value, d->names[n])))
				return lacks(run, d->names[n], place);
		}
	}
	return true;
}

static bool valid_object(struct run *run, const struct schema_object_rules *r, const struct item *item,
			 const struct json_place *place)
{
	if (r->count_min || r->count_max != SIZE_MAX) {
		size_t count = json_count(item->value);
		if (count < r->count_min)
			return tell(run, item, place, "expected at least %zu members", r->count_min);
		if (count > r->count_max)
			return tell(run, item, place, "expected at most %zu members", r->count_max);
	}
	return valid_members(run, r, item, place) && valid_dependencies(run, r, item, place);
}

/* ---- logic ---- */

static size_t count_fitting(const struct run *run, const struct schema_list *list, const struct item *item,
			    const struct json_place *place, size_t enough)
{
	size_t fitting = 0;
	for (size_t i = 0; i < list->count && fitting < enough; i++)
		fitting += quietly(run, list->nodes[i], item, place);
	return fitting;
}

static bool valid_logic(struct run *run, const struct schema_logic *l, const struct item *item,
			const struct json_place *place)
{
	for (size_t i = 0; i < l->all.count; i++) {
		if (!valid(run, l->all.nodes[i], item, place))
			return false;
	}
	if (l->any.count && !count_fitting(run, &l->any, item, place, 1))
		return tell(run, item, place, "expected to fit one of the %zu schemas of anyOf",
			    l->any.count);
	size_t one = l->one.count ? count_fitting(run, &l->one, item, place, 2) : 1;
	if (one != 1)
		return tell(run, item, place,
			    "expected to fit exactly one of the %zu schemas of oneOf, fits %s", l->one.count,
			    one ? "several" : "none");
	if (l->negated && quietly(run, l->negated, item, place))
		return tell(run, item, place, "expected not to fit the schema of `not`");
	if (l->condition) {
		const struct schema_node *branch =
		    quietly(run, l->condition, item, place) ? l->then : l->otherwise;
		if (branch && !valid(run, branch, item, place))
			return false;
	}
	return true;
}

static bool valid_rules(struct run *run, const struct schema_node *node, const struct item *item,
			const struct json_place *place)
{
	switch (item->type) {
	case JSON_INT:
	case JSON_UINT:
	case JSON_DOUBLE:
		return !node->number || valid_number(run, node->number, item, place);
	case JSON_STRING:
		return !node->string || valid_string(run, node->string, item, place);
	case JSON_ARRAY:
		return !node->array || valid_array(run, node->array, item, place);
	case JSON_OBJECT:
		return !node->object || valid_object(run, node->object, item, place);
	default:
		return true;
	}
}

static bool valid(struct run *run, const struct schema_node *node, const struct item *item,
		  const struct json_place *place)
{
	if (run->depth >= DEPTH_MAX)
		return tell(run, NULL, place, "is nested deeper than the schema can be followed");
	while (node->ref)
		node = node->ref;
	if (node->never)
		return tell(run, item, place, "expected to be absent");
	if (node->types != TYPE_ANY && !(type_bits(item) & node->types))
		return wrong_type(run, node, item, place);
	if (node->has_const && !constant(run, node, item, place))
		return false;
	if (node->has_enum && !listed(run, node, item, place))
		return false;
	run->depth++;
	bool ok = valid_rules(run, node, item, place) &&
		  (!node->logic || valid_logic(run, node->logic, item, place));
	run->depth--;
	return ok;
}

bool json_schema_valid(const struct json_schema *schema, struct json_value v, struct json_fault *fault)
{
	struct run run = {fault, 0};
	return valid_value(&run, schema->root, v, NULL);
}
