/* codec/template.c - a template is a list of segments: literal text, and tags. */
#include "codec/template.h"

#include "base/vec.h"
#include "codec/template_filter.h"

enum segment_kind { SEGMENT_TEXT, SEGMENT_SLOT, SEGMENT_UUID, SEGMENT_PATH };
enum segment_form { FORM_TEXT, FORM_STRING, FORM_VALUE };

enum { FILTERS_MAX = 4, PATH_MAX_PARTS = 16, UUID_CHARS = 36 };

struct segment {
	enum segment_kind kind;
	enum segment_form form; /* as it is, inside a JSON string, as a JSON value */
	int slot;
	mr_str text; /* the literal, or the tag's name */
	mr_str path[PATH_MAX_PARTS];
	size_t path_count;
	const struct template_filter *filters[FILTERS_MAX];
	size_t filter_count;
};

struct template
{
	struct segment *segments;
	size_t count;
};

/* Where a compilation stands. */
struct compiler {
	struct arena *arena;
	template_resolve_fn resolve;
	void *arg;
	MR_VEC(struct segment) segments;
	struct mr_buf literal; /* text since the last tag */
	struct mr_error *err;
};

static mr_str trim(mr_str s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = mr_str_tail(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The part before `by`; *rest goes on behind it, or becomes {NULL, 0} after the last part. */
static mr_str split(mr_str *rest, char by)
{
	const char *at = rest->len ? memchr(rest->ptr, by, rest->len) : NULL;
	mr_str part = at ? mr_str_n(rest->ptr, (size_t)(at - rest->ptr)) : *rest;
	*rest = at ? mr_str_n(at + 1, rest->len - part.len - 1) : MR_STR_NULL;
	return part;
}

static void flush_literal(struct compiler *c)
{
	if (!c->literal.len)
		return;
	struct segment s = {.kind = SEGMENT_TEXT, .text = arena_copy(c->arena, mr_buf_view(&c->literal))};
	mr_vec_push(&c->segments, s);
	mr_buf_clear(&c->literal);
}

static int compile_name(struct compiler *c, mr_str name, struct segment *s)
{
	s->text = arena_copy(c->arena, name);
	if (mr_str_is(name, "uuid")) {
		s->kind = SEGMENT_UUID;
		return 0;
	}
	s->slot = c->resolve ? c->resolve(c->arg, name) : -1;
	s->kind = s->slot >= 0 ? SEGMENT_SLOT : SEGMENT_PATH;
	if (s->kind == SEGMENT_SLOT)
		return 0;
	mr_str rest = s->text;
	while (rest.ptr) {
		mr_str part = split(&rest, '.');
		if (!part.len || s->path_count == PATH_MAX_PARTS)
			return mr_fail(c->err, MR_ERR_INVALID, "'%.*s' is not a path into the event",
				       MR_FMT(name));
		s->path[s->path_count++] = part;
	}
	return 0;
}

/* The inside of one pair of braces. */
static int compile_tag(struct compiler *c, mr_str tag, enum segment_form form, struct segment *out)
{
	struct segment s = {.form = form};
	mr_str rest = tag, name = trim(split(&rest, '|'));
	if (!name.len)
		return mr_fail(c->err, MR_ERR_INVALID, "empty tag {{%.*s}}", MR_FMT(tag));
	int rc = compile_name(c, name, &s);
	if (rc < 0)
		return rc;
	while (rest.ptr) {
		mr_str filter = trim(split(&rest, '|'));
		if (s.filter_count == FILTERS_MAX)
			return mr_fail(c->err, MR_ERR_INVALID, "{{%.*s}}: more than %d filters", MR_FMT(tag),
				       FILTERS_MAX);
		if (s.filter_count && s.filters[s.filter_count - 1]->typed)
			return mr_fail(c->err, MR_ERR_INVALID, "{{%.*s}}: '%s' must be the last filter",
				       MR_FMT(tag), s.filters[s.filter_count - 1]->name);
		const struct template_filter *found = template_filter_find(filter);
		if (!found) {
			mr_fail(c->err, MR_ERR_INVALID, "{{%.*s}}: no filter '%.*s'", MR_FMT(tag),
				MR_FMT(filter));
			return mr_hint(c->err, "filters are: %s", template_filter_names());
		}
		s.filters[s.filter_count++] = found;
	}
	*out = s;
	return 0;
}

static bool is_typed(const struct segment *s)
{
	return s->filter_count && s->filters[s->filter_count - 1]->typed;
}

/* Text with tags; literals go through `put`, which escapes them where that is due. */
static int compile_text(struct compiler *c, mr_str text, enum segment_form form,
			void (*put)(struct mr_buf *, mr_str))
{
	while (text.len) {
		const char *open = memmem(text.ptr, text.len, "{{", 2);
		size_t before = open ? (size_t)(open - text.ptr) : text.len;
		put(&c->literal, mr_str_n(text.ptr, before));
		text = mr_str_tail(text, before);
		if (!open)
			break;
		const char *close = memmem(text.ptr, text.len, "}}", 2);
		if (!close)
			return mr_fail(c->err, MR_ERR_INVALID, "'{{' without '}}' at \"%.*s\"",
				       (int)mr_min_size(text.len, 40), text.ptr);
		mr_str tag = mr_str_n(text.ptr + 2, (size_t)(close - text.ptr) - 2);
		struct segment s;
		int rc = compile_tag(c, tag, form, &s);
		if (rc < 0)
			return rc;
		if (form == FORM_STRING && is_typed(&s))
			return mr_fail(c->err, MR_ERR_INVALID,
				       "{{%.*s}}: '%s' makes a JSON value; it must be the whole string",
				       MR_FMT(tag), s.filters[s.filter_count - 1]->name);
		flush_literal(c);
		mr_vec_push(&c->segments, s);
		text = mr_str_tail(text, tag.len + 4);
	}
	return 0;
}

static int finish(struct compiler *c, int rc, const struct template **out)
{
	if (rc == 0) {
		flush_literal(c);
		struct template *t = arena_alloc(c->arena, sizeof *t);
		size_t bytes = c->segments.len * sizeof *t->segments;
		t->count = c->segments.len;
		t->segments = arena_alloc(c->arena, bytes + 1);
		if (bytes)
			memcpy(t->segments, c->segments.items, bytes);
		*out = t;
	}
	mr_vec_release(&c->segments);
	mr_buf_release(&c->literal);
	return rc;
}

int template_compile(struct arena *arena, mr_str text, template_resolve_fn resolve, void *arg,
		     const struct template **out, struct mr_error *err)
{
	if (text.len > TEMPLATE_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "template of %zu bytes is larger than %d", text.len,
			       TEMPLATE_BYTES_MAX);
	struct compiler c = {.arena = arena, .resolve = resolve, .arg = arg, .err = err};
	return finish(&c, compile_text(&c, text, FORM_TEXT, mr_buf_str), out);
}

/* A literal inside a JSON string: escaped, without quotes. */
static void put_string_part(struct mr_buf *out, mr_str text)
{
	template_quote_inner(out, text);
}

/* A string of a JSON template: one typed tag becomes a value, anything else stays a string. */
static int compile_string(struct compiler *c, mr_str s)
{
	bool one_tag = s.len > 4 && mr_str_starts(s, MR_STR("{{")) && mr_str_ends(s, MR_STR("}}")) &&
		       (const char *)memmem(s.ptr, s.len, "}}", 2) == s.ptr + s.len - 2;
	if (one_tag) {
		struct segment tag;
		int rc = compile_tag(c, mr_str_n(s.ptr + 2, s.len - 4), FORM_VALUE, &tag);
		if (rc < 0)
			return rc;
		if (is_typed(&tag)) {
			flush_literal(c);
			mr_vec_push(&c->segments, tag);
			return 0;
		}
	}
	mr_buf_char(&c->literal, '"');
	int rc = compile_text(c, s, FORM_STRING, put_string_part);
	mr_buf_char(&c->literal, '"');
	return rc;
}

static int compile_value(struct compiler *c, struct json_value v)
{
	enum json_type type = json_type(v);
	if (type == JSON_STRING)
		return compile_string(c, json_str(v));
	if (type != JSON_OBJECT && type != JSON_ARRAY) {
		json_write_value(&c->literal, v);
		return 0;
	}
	bool object = type == JSON_OBJECT, first = true;
	mr_buf_char(&c->literal, object ? '{' : '[');
	for (struct json_iter it = json_iter(v); json_next(&it); first = false) {
		if (!first)
			mr_buf_char(&c->literal, ',');
		if (object) {
			json_quote(&c->literal, it.key);
			mr_buf_char(&c->literal, ':');
		}
		int rc = compile_value(c, it.value);
		if (rc < 0)
			return rc;
	}
	mr_buf_char(&c->literal, object ? '}' : ']');
	return 0;
}

int template_compile_json(struct arena *arena, struct json_value json, template_resolve_fn resolve, void *arg,
			  const struct template **out, struct mr_error *err)
{
	struct compiler c = {.arena = arena, .resolve = resolve, .arg = arg, .err = err};
	return finish(&c, compile_value(&c, json), out);
}

/* ---- rendering ---- */

static struct json_value walk(const struct segment *s, struct json_value at)
{
	for (size_t i = 0; i < s->path_count && json_present(at); i++) {
		mr_str part = s->path[i];
		if (json_type(at) == JSON_ARRAY) {
			size_t index = 0;
			for (size_t k = 0; k < part.len; k++) {
				if (part.ptr[k] < '0' || part.ptr[k] > '9' || k > 8)
					return (struct json_value){0};
				index = index * 10 + (size_t)(part.ptr[k] - '0');
			}
			at = json_at(at, index);
		} else {
			at = json_get_str(at, part);
		}
	}
	return at;
}

/* As rng_uuid, which goes through printf: too slow for one in every event. */
static void put_uuid(struct mr_rng *rng, char out[UUID_CHARS])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[16];
	rng_uuid_bytes(rng, bytes);
	for (size_t i = 0; i < sizeof bytes; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[bytes[i] >> 4];
		*out++ = hex[bytes[i] & 15];
	}
}

/* The text of a tag before its filters; *json is set where it came from the event. */
static mr_str tag_text(const struct segment *s, struct template_context *context, struct json_value *json)
{
	struct mr_buf *scratch = &context->scratch;
	if (s->kind == SEGMENT_SLOT)
		return context->slots[s->slot];
	if (s->kind == SEGMENT_UUID) {
		char *uuid = scratch->ptr + scratch->len; /* there is room: prepare_scratch */
		put_uuid(context->rng, uuid);
		return mr_str_n(uuid, UUID_CHARS);
	}
	struct json_value v =
	    context->event ? walk(s, context->event(context->event_arg)) : (struct json_value){0};
	if (!json_present(v) || json_type(v) == JSON_NULL)
		return MR_STR_NULL;
	*json = v;
	if (json_type(v) == JSON_STRING)
		return json_str(v);
	size_t start = scratch->len;
	json_write_value(scratch, v);
	return mr_str_tail(mr_buf_view(scratch), start);
}

/* Filters see views of the scratch buffer, so it must not move while a tag is rendered. */
static void prepare_scratch(struct template_context *context)
{
	mr_buf_clear(&context->scratch);
	mr_buf_reserve(&context->scratch, 512);
}

static bool render_tag(const struct segment *s, struct template_context *context, struct mr_buf *out)
{
	struct json_value json = {0};
	prepare_scratch(context);
	mr_str text = tag_text(s, context, &json);
	struct template_filter_input in = {.now_ms = context->now_ms, .json = json};
	size_t plain = s->filter_count - (is_typed(s) ? 1 : 0);
	char small[64];
	for (size_t i = 0; i < plain && text.ptr; i++) {
		text = s->filters[i]->text(&in, text, small, &context->scratch);
		in.json = (struct json_value){0};
	}
	if (is_typed(s))
		return s->filters[plain]->value(&in, text, out);
	if (!text.ptr)
		return false;
	if (s->form == FORM_STRING)
		template_quote_inner(out, text);
	else
		mr_buf_str(out, text);
	return true;
}

size_t template_render(const struct template *t, struct template_context *context, struct mr_buf *out)
{
	size_t absent = 0;
	for (size_t i = 0; i < t->count; i++) {
		const struct segment *s = &t->segments[i];
		if (s->kind == SEGMENT_TEXT)
			mr_buf_str(out, s->text);
		else
			absent += !render_tag(s, context, out);
	}
	return absent;
}

mr_str template_absent_name(const struct template *t, struct template_context *context)
{
	struct mr_buf ignored = {0};
	mr_str name = MR_STR("");
	for (size_t i = 0; i < t->count && !name.len; i++) {
		const struct segment *s = &t->segments[i];
		if (s->kind != SEGMENT_TEXT && !render_tag(s, context, &ignored))
			name = s->text;
	}
	mr_buf_release(&ignored);
	return name;
}

void template_context_release(struct template_context *context)
{
	mr_buf_release(&context->scratch);
}
