/* codec/json_write.c - JSON text out. */
#include "codec/json.h"

#include "codec/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_escape(struct mr_buf *out, unsigned char c)
{
	static const char shorts[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	if (c == '"' || c == '\\')
		mr_buf_append(out, (char[]){'\\', (char)c}, 2);
	else if (c < 32 && shorts[c])
		mr_buf_append(out, (char[]){'\\', shorts[c]}, 2);
	else
		mr_buf_printf(out, "\\u%04x", c);
}

void json_quote(struct mr_buf *out, mr_str text)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	size_t plain = 0, i = 0; /* [plain, i) needs no escape */
	mr_buf_char(out, '"');
	while (i < text.len) {
		unsigned char c = p[i];
		if (MR_LIKELY(c >= 0x20 && c < 0x7f && c != '"' && c != '\\')) {
			i++;
			continue;
		}
		size_t n = c >= 0x80 ? utf8_sequence(p + i, text.len - i) : 0;
		if (n) {
			i += n;
			continue;
		}
		mr_buf_append(out, text.ptr + plain, i - plain);
		if (c >= 0x80)
			mr_buf_cstr(out, "\xef\xbf\xbd");
		else
			put_escape(out, c);
		plain = ++i;
	}
	mr_buf_append(out, text.len ? text.ptr + plain : "", i - plain);
	mr_buf_char(out, '"');
}

static void comma(struct json_writer *w)
{
	if (w->comma)
		mr_buf_char(w->out, ',');
	w->comma = true;
}

static void open_with(struct json_writer *w, char c)
{
	comma(w);
	mr_buf_char(w->out, c);
	w->comma = false;
}

static void close_with(struct json_writer *w, char c)
{
	mr_buf_char(w->out, c);
	w->comma = true;
}

void json_begin_object(struct json_writer *w)
{
	open_with(w, '{');
}

void json_end_object(struct json_writer *w)
{
	close_with(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	open_with(w, '[');
}

void json_end_array(struct json_writer *w)
{
	close_with(w, ']');
}

void json_key_str(struct json_writer *w, mr_str name)
{
	comma(w);
	json_quote(w->out, name);
	mr_buf_char(w->out, ':');
	w->comma = false;
}

void json_key(struct json_writer *w, const char *name)
{
	json_key_str(w, mr_str_from(name));
}

void json_put_raw(struct json_writer *w, mr_str json)
{
	comma(w);
	mr_buf_str(w->out, json);
}

void json_put_null(struct json_writer *w)
{
	json_put_raw(w, MR_STR("null"));
}

void json_put_bool(struct json_writer *w, bool v)
{
	json_put_raw(w, v ? MR_STR("true") : MR_STR("false"));
}

void json_put_int(struct json_writer *w, int64_t v)
{
	comma(w);
	char digits[24];
	mr_buf_append(w->out, digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)v));
}

void json_put_uint(struct json_writer *w, uint64_t v)
{
	comma(w);
	char digits[24];
	mr_buf_append(w->out, digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)v));
}

void json_put_double(struct json_writer *w, double v)
{
	if (!isfinite(v)) {
		json_put_null(w);
		return;
	}
	comma(w);
	char digits[40];
	int n = 0;
	for (int precision = 15; precision <= 17; precision++) {
		n = snprintf(digits, sizeof digits, "%.*g", precision, v);
		if (strtod(digits, NULL) == v)
			break;
	}
	mr_buf_append(w->out, digits, (size_t)n);
	if (!strpbrk(digits, ".eE")) /* stays a double when read back */
		mr_buf_cstr(w->out, ".0");
}

void json_put_str(struct json_writer *w, mr_str v)
{
	comma(w);
	json_quote(w->out, v);
}

void json_put_cstr(struct json_writer *w, const char *v)
{
	json_put_str(w, mr_str_from(v));
}

void json_put_value(struct json_writer *w, struct json_value v)
{
	switch (json_type(v)) {
	case JSON_NULL:
		json_put_null(w);
		break;
	case JSON_BOOL:
		json_put_bool(w, json_bool(v));
		break;
	case JSON_INT:
		json_put_int(w, json_int(v));
		break;
	case JSON_UINT:
		json_put_uint(w, json_uint(v));
		break;
	case JSON_DOUBLE:
		json_put_double(w, json_double(v));
		break;
	case JSON_STRING:
		json_put_str(w, json_str(v));
		break;
	case JSON_ARRAY:
		json_begin_array(w);
		for (struct json_iter it = json_iter(v); json_next(&it);)
			json_put_value(w, it.value);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w);
		for (struct json_iter it = json_iter(v); json_next(&it);) {
			json_key_str(w, it.key);
			json_put_value(w, it.value);
		}
		json_end_object(w);
		break;
	}
}

void json_write_value(struct mr_buf *out, struct json_value v)
{
	struct json_writer w = json_writer(out);
	json_put_value(&w, v);
}

void json_member_str(struct json_writer *w, const char *name, mr_str v)
{
	json_key(w, name);
	json_put_str(w, v);
}

void json_member_cstr(struct json_writer *w, const char *name, const char *v)
{
	json_member_str(w, name, mr_str_from(v));
}

void json_member_int(struct json_writer *w, const char *name, int64_t v)
{
	json_key(w, name);
	json_put_int(w, v);
}

void json_member_bool(struct json_writer *w, const char *name, bool v)
{
	json_key(w, name);
	json_put_bool(w, v);
}

void json_member_double(struct json_writer *w, const char *name, double v)
{
	json_key(w, name);
	json_put_double(w, v);
}
