#include "conf/expand.h"

#include "base/buf.h"

#include <stdio.h>

#define EXPAND_FILE_MAX ((size_t)64 << 10)
#define EXPAND_VALUE_MAX ((size_t)1 << 20)

static int expand_file(const struct expand_context *context, mr_str path, struct mr_buf *out,
		       struct mr_error *err)
{
	char full[4096];
	bool absolute = path.len && path.ptr[0] == '/';
	int n = snprintf(full, sizeof full, "%s%s%.*s", absolute ? "" : context->folder, absolute ? "" : "/",
			 MR_FMT(path));
	if (n < 0 || (size_t)n >= sizeof full)
		return mr_fail(err, MR_ERR_LIMIT, "the path in ${file:...} is too long");
	size_t before = out->len;
	int rc = disk_read_file(context->disk, full, EXPAND_FILE_MAX, out, err);
	if (rc < 0)
		return mr_error_wrap(err, rc, "${file:%.*s}", MR_FMT(path));
	while (out->len > before && (out->ptr[out->len - 1] == '\n' || out->ptr[out->len - 1] == '\r'))
		out->len--;
	return 0;
}

static bool is_variable_name(mr_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			return false;
	}
	return name.len > 0 && name.len < 256;
}

static int expand_variable(const struct expand_context *context, mr_str inside, struct mr_buf *out,
			   struct mr_error *err)
{
	const char *dash = memmem(inside.ptr, inside.len, ":-", 2);
	mr_str name = dash ? mr_str_n(inside.ptr, (size_t)(dash - inside.ptr)) : inside;
	if (!is_variable_name(name)) {
		mr_fail(err, MR_ERR_INVALID, "'${%.*s}' names no variable", MR_FMT(inside));
		return mr_hint(
		    err, "write ${NAME}, ${NAME:-default}, ${file:PATH}, or $${ for the two characters");
	}
	char key[256];
	memcpy(key, name.ptr, name.len);
	key[name.len] = 0;
	const char *value = context->variable(key);
	if (dash && (!value || !*value)) {
		mr_buf_str(out, mr_str_tail(inside, name.len + 2));
		return 0;
	}
	if (!value) {
		mr_fail(err, MR_ERR_INVALID, "the environment variable %s is not set", key);
		return mr_hint(err, "export it, or give a default: ${%s:-value}", key);
	}
	mr_buf_cstr(out, value);
	return 0;
}

/* text.ptr[at] starts "${". *end_out is past the closing brace. */
static int expand_one(const struct expand_context *context, mr_str text, size_t at, size_t *end_out,
		      struct mr_buf *out, struct mr_error *err)
{
	mr_str rest = mr_str_tail(text, at + 2);
	const char *close = memchr(rest.ptr, '}', rest.len);
	if (!close)
		return mr_fail(err, MR_ERR_INVALID, "'${' without '}' in '%.*s'",
			       (int)mr_min_size(text.len, 100), text.ptr);
	mr_str inside = mr_str_n(rest.ptr, (size_t)(close - rest.ptr));
	*end_out = at + 2 + inside.len + 1;
	if (mr_str_starts(inside, MR_STR("file:")))
		return expand_file(context, mr_str_tail(inside, 5), out, err);
	return expand_variable(context, inside, out, err);
}

int conf_expand(void *arg, struct arena *arena, mr_str *text, struct mr_error *err)
{
	if (!memmem(text->ptr, text->len, "${", 2))
		return 0;
	struct mr_buf out;
	mr_buf_init(&out, EXPAND_VALUE_MAX);
	int rc = 0;
	for (size_t at = 0; at < text->len && rc == 0;) {
		mr_str rest = mr_str_tail(*text, at);
		if (mr_str_starts(rest, MR_STR("$${"))) {
			mr_buf_cstr(&out, "${");
			at += 3;
		} else if (mr_str_starts(rest, MR_STR("${"))) {
			rc = expand_one(arg, *text, at, &at, &out, err);
		} else {
			mr_buf_char(&out, text->ptr[at++]);
		}
	}
	if (rc == 0 && out.overflow)
		rc = mr_fail(err, MR_ERR_LIMIT, "a value is larger than 1 MiB once its variables are put in");
	if (rc == 0)
		*text = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return rc;
}
