/* codec/jsonschema_ref.c - $id and $ref within one document (draft-07 §8, RFC 3986 §5).
 *
 * Nothing is fetched: a reference names the document itself, an $id in it, or a JSON pointer
 * into either. Relative references are resolved against the nearest $id around them, without
 * the removal of dot segments.
 */
#include "codec/jsonschema_node.h"

/* Keywords whose value is a schema, a list of schemas (or a schema), or a map of schemas. */
static const struct {
	const char *name;
	bool is_map;
} subschemas[] = {
    {"definitions", true},  {"$defs", true},          {"properties", true}, {"patternProperties", true},
    {"dependencies", true}, {"items", false},         {"contains", false},  {"additionalItems", false},
    {"allOf", false},       {"anyOf", false},         {"oneOf", false},     {"additionalProperties", false},
    {"not", false},         {"propertyNames", false}, {"if", false},        {"then", false},
    {"else", false},
};

static mr_str index_key(const struct json_value *v)
{
	return mr_str_n(&v->index, sizeof v->index);
}

/* The length of "scheme:" at the start, or 0. */
static size_t scheme_length(mr_str uri)
{
	for (size_t i = 0; i < uri.len; i++) {
		char c = uri.ptr[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
		bool later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
		if (c == ':' && i)
			return i + 1;
		if (!letter && !(later && i))
			return 0;
	}
	return 0;
}

static size_t find_char(mr_str s, size_t from, char c)
{
	while (from < s.len && s.ptr[from] != c)
		from++;
	return from;
}

static mr_str without_fragment(mr_str uri)
{
	return mr_str_n(uri.ptr, find_char(uri, 0, '#'));
}

static mr_str resolve(struct arena *arena, mr_str base, mr_str reference)
{
	base = without_fragment(base);
	size_t keep; /* how much of base stays in front */
	size_t scheme = scheme_length(base);
	bool authority = mr_str_starts(mr_str_tail(base, scheme), MR_STR("//"));
	size_t path = authority ? find_char(base, scheme + 2, '/') : scheme;
	if (scheme_length(reference))
		keep = 0;
	else if (reference.len == 0 || reference.ptr[0] == '#')
		keep = base.len;
	else if (reference.ptr[0] == '/')
		keep = mr_str_starts(reference, MR_STR("//")) ? scheme : path;
	else
		for (keep = base.len; keep > path && base.ptr[keep - 1] != '/';)
			keep--;
	mr_str uri = arena_printf(arena, "%.*s%.*s", (int)keep, base.ptr ? base.ptr : "", (int)reference.len,
				  reference.ptr ? reference.ptr : "");
	if (uri.len && uri.ptr[uri.len - 1] == '#') /* an empty fragment says nothing */
		uri.len--;
	return uri;
}

static void put_id(struct schema_ids *ids, mr_str uri, struct json_value value)
{
	struct json_value *kept = arena_alloc(ids->arena, sizeof *kept);
	*kept = value;
	if (!mr_map_get(&ids->by_uri, uri))
		mr_map_put(&ids->by_uri, uri, kept);
}

static void collect(struct schema_ids *ids, struct json_value schema, mr_str base);

static void collect_below(struct schema_ids *ids, struct json_value container, mr_str base)
{
	for (struct json_iter it = json_iter(container); json_next(&it);)
		collect(ids, it.value, base);
}

static void collect(struct schema_ids *ids, struct json_value schema, mr_str base)
{
	if (json_type(schema) != JSON_OBJECT || mr_map_get(&ids->base_uri, index_key(&schema)))
		return;
	struct json_value id = json_get(schema, "$id");
	if (json_type(id) == JSON_STRING && !json_present(json_get(schema, "$ref"))) {
		mr_str uri = resolve(ids->arena, base, json_str(id));
		put_id(ids, uri, schema);
		base = without_fragment(uri);
	}
	mr_str *kept = arena_alloc(ids->arena, sizeof *kept);
	*kept = base;
	mr_map_put(&ids->base_uri, index_key(&schema), kept);
	for (size_t i = 0; i < MR_COUNT(subschemas); i++) {
		struct json_value v = json_get(schema, subschemas[i].name);
		if (!subschemas[i].is_map && json_type(v) == JSON_OBJECT)
			collect(ids, v, base);
		else
			collect_below(ids, v, base);
	}
}

void schema_ids_init(struct schema_ids *ids, struct arena *arena, struct json_value document)
{
	*ids = (struct schema_ids){.arena = arena, .document = document};
	put_id(ids, MR_STR(""), document);
	collect(ids, document, MR_STR(""));
}

void schema_ids_release(struct schema_ids *ids)
{
	mr_map_release(&ids->by_uri);
	mr_map_release(&ids->base_uri);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One step of a pointer: percent signs, then ~1 and ~0. */
static mr_str unescape(struct arena *arena, mr_str token)
{
	char *out = arena_alloc(arena, token.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < token.len; i++) {
		char c = token.ptr[i];
		int high = -1, low = -1;
		if (c == '%' && i + 2 < token.len) {
			high = hex_digit(token.ptr[i + 1]);
			low = hex_digit(token.ptr[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '~' && i + 1 < token.len) {
			c = token.ptr[++i] == '1' ? '/' : '~';
		}
		out[n++] = c;
	}
	return mr_str_n(out, n);
}

static struct json_value step(struct json_value v, mr_str token)
{
	if (json_type(v) != JSON_ARRAY)
		return json_get_str(v, token);
	size_t index = 0;
	for (size_t i = 0; i < token.len; i++) {
		if (token.ptr[i] < '0' || token.ptr[i] > '9' || index > 1000000)
			return (struct json_value){0};
		index = index * 10 + (size_t)(token.ptr[i] - '0');
	}
	return token.len ? json_at(v, index) : (struct json_value){0};
}

/* Follow a JSON pointer ("/a/0"), minding the $id objects that it passes. */
static struct json_value walk(struct schema_ids *ids, struct json_value v, mr_str pointer, mr_str *base)
{
	while (pointer.len && json_present(v)) {
		mr_str *inner = mr_map_get(&ids->base_uri, index_key(&v));
		if (inner)
			*base = *inner;
		size_t end = find_char(pointer, 1, '/');
		v = step(v, unescape(ids->arena, mr_str_n(pointer.ptr + 1, end - 1)));
		pointer = mr_str_tail(pointer, end);
	}
	return v;
}

bool schema_ids_find(struct schema_ids *ids, struct json_value from, mr_str reference, struct json_value *out)
{
	mr_str *base = mr_map_get(&ids->base_uri, index_key(&from));
	mr_str uri = resolve(ids->arena, base ? *base : MR_STR(""), reference);
	struct json_value *found = mr_map_get(&ids->by_uri, uri);
	if (found) {
		*out = *found;
		return true;
	}
	mr_str resource = without_fragment(uri);
	mr_str pointer = mr_str_tail(uri, resource.len + 1);
	found = mr_map_get(&ids->by_uri, resource);
	if (!found || pointer.len == 0 || pointer.ptr[0] != '/')
		return false;
	struct json_value v = walk(ids, *found, pointer, &resource);
	if (!json_present(v))
		return false;
	collect(ids, v, resource); /* it may lie where no keyword leads */
	*out = v;
	return true;
}
