#include "service/merge.h"

struct merge_member {
	mr_str key;                   /* as a JSON string without quotes, escaped */
	const struct template *value; /* or */
	const struct merge *object;
};

struct merge {
	struct merge_member *members;
	size_t count; /* at most 64: `seen` below is a bit set */
};

enum { MEMBERS_MAX = 64 };

int merge_compile(struct arena *arena, struct json_value json, template_resolve_fn resolve, void *arg,
		  const struct merge **out, struct mr_error *err)
{
	size_t count = json_count(json);
	if (count > MEMBERS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "an object of a merge has at most %d members", MEMBERS_MAX);
	struct merge *m = arena_alloc(arena, sizeof *m);
	*m = (struct merge){arena_calloc(arena, count + 1, sizeof *m->members), 0};
	struct mr_buf key = {0};
	int rc = 0;
	for (struct json_iter it = json_iter(json); rc == 0 && json_next(&it); m->count++) {
		struct merge_member *member = &m->members[m->count];
		mr_buf_clear(&key);
		json_quote(&key, it.key);
		member->key = arena_copy(arena, mr_str_n(key.ptr + 1, key.len - 2));
		if (json_type(it.value) == JSON_OBJECT)
			rc = merge_compile(arena, it.value, resolve, arg, &member->object, err);
		else
			rc = template_compile_json(arena, it.value, resolve, arg, &member->value, err);
	}
	mr_buf_release(&key);
	if (rc == 0)
		*out = m;
	return rc;
}

/* ---- a scanner over text known to be valid JSON ---- */

static size_t skip_space(mr_str s, size_t i)
{
	while (i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\t' || s.ptr[i] == '\n' || s.ptr[i] == '\r'))
		i++;
	return i;
}

/* At an opening quote: the place behind the closing one. */
static size_t skip_string(mr_str s, size_t i)
{
	for (i++; i < s.len;) {
		const char *quote = memchr(s.ptr + i, '"', s.len - i);
		if (!quote)
			break;
		size_t at = (size_t)(quote - s.ptr), slashes = 0;
		while (s.ptr[at - slashes - 1] == '\\') /* ends at the opening quote at the latest */
			slashes++;
		i = at + 1;
		if (slashes % 2 == 0)
			return i;
	}
	return s.len;
}

static size_t skip_nested(mr_str s, size_t i)
{
	int depth = 0;
	while (i < s.len) {
		char c = s.ptr[i];
		if (c == '"') {
			i = skip_string(s, i);
			continue;
		}
		i++;
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		if (depth == 0)
			break;
	}
	return i;
}

static size_t skip_value(mr_str s, size_t i)
{
	if (i >= s.len)
		return i;
	if (s.ptr[i] == '"')
		return skip_string(s, i);
	if (s.ptr[i] == '{' || s.ptr[i] == '[')
		return skip_nested(s, i);
	while (i < s.len && s.ptr[i] != ',' && s.ptr[i] != '}' && s.ptr[i] != ']' &&
	       (unsigned char)s.ptr[i] > ' ')
		i++;
	return i;
}

/* One member from *i on: key without quotes, value; false at the end of the object. */
static bool next_member(mr_str s, size_t *i, mr_str *key, mr_str *value)
{
	size_t at = skip_space(s, *i);
	if (at < s.len && (s.ptr[at] == '{' || s.ptr[at] == ','))
		at = skip_space(s, at + 1);
	if (at >= s.len || s.ptr[at] != '"')
		return false;
	size_t key_end = skip_string(s, at);
	*key = mr_str_n(s.ptr + at + 1, key_end - at - 2);
	at = skip_space(s, key_end);
	at = skip_space(s, at + 1); /* the colon */
	size_t end = skip_value(s, at);
	*value = mr_str_n(s.ptr + at, end - at);
	*i = end;
	return true;
}

/* ---- merging ---- */

static int find_member(const struct merge *m, mr_str key)
{
	for (size_t i = 0; i < m->count; i++) {
		if (mr_str_eq(m->members[i].key, key))
			return (int)i;
	}
	return -1;
}

static void put_key(struct mr_buf *out, mr_str key)
{
	char last = out->len ? out->ptr[out->len - 1] : '{';
	if (last != '{')
		mr_buf_char(out, ',');
	mr_buf_char(out, '"');
	mr_buf_str(out, key);
	mr_buf_append(out, "\":", 2);
}

static void put_patched(const struct merge_member *member, mr_str old, struct template_context *context,
			struct mr_buf *out)
{
	if (member->value)
		template_render(member->value, context, out);
	else
		merge_apply(member->object, old, context, out);
}

void merge_apply(const struct merge *m, mr_str object, struct template_context *context, struct mr_buf *out)
{
	uint64_t seen = 0;
	size_t i = 0;
	mr_str key, value;
	bool is_object = object.len && object.ptr[skip_space(object, 0)] == '{';
	mr_buf_char(out, '{');
	while (is_object && next_member(object, &i, &key, &value)) {
		int found = find_member(m, key);
		put_key(out, key);
		if (found < 0) {
			mr_buf_str(out, value);
			continue;
		}
		seen |= 1ull << found;
		put_patched(&m->members[found], value, context, out);
	}
	for (size_t k = 0; k < m->count; k++) {
		if (seen >> k & 1)
			continue;
		put_key(out, m->members[k].key);
		put_patched(&m->members[k], MR_STR("null"), context, out);
	}
	mr_buf_char(out, '}');
}
