#include "task/connection.h"

#include "codec/json.h"

#include <ctype.h>
#include <stdlib.h>

static mr_str decode(struct arena *arena, mr_str text)
{
	mr_str copy = arena_copy(arena, text);
	char *to = (char *)copy.ptr;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '%' && i + 2 < text.len && isxdigit((unsigned char)text.ptr[i + 1]) &&
		    isxdigit((unsigned char)text.ptr[i + 2])) {
			char hex[3] = {text.ptr[i + 1], text.ptr[i + 2], 0};
			c = (char)strtol(hex, NULL, 16);
			i += 2;
		}
		*to++ = c;
	}
	*to = 0;
	return mr_str_n(copy.ptr, (size_t)(to - copy.ptr));
}

/* Up to the first `c`, which is dropped; all of it when there is none (*found false). */
static mr_str cut(mr_str *rest, char c, bool *found)
{
	const char *at = rest->len ? memchr(rest->ptr, c, rest->len) : NULL;
	mr_str head = at ? mr_str_n(rest->ptr, (size_t)(at - rest->ptr)) : *rest;
	*found = at != NULL;
	*rest = mr_str_tail(*rest, head.len + (at ? 1 : 0));
	return head;
}

static int parse_port(mr_str text, int32_t *out, struct mr_error *err)
{
	char digits[8] = {0}, *end;
	if (text.len == 0)
		return 0;
	memcpy(digits, text.ptr, mr_min_size(text.len, sizeof digits - 1));
	long port = strtol(digits, &end, 10);
	if (*end || text.len > 5 || port < 0 || port > 65535)
		return mr_fail(err, MR_ERR_INVALID, "'%.*s' is no port", MR_FMT(text));
	*out = (int32_t)port;
	return 0;
}

/* a=1&b=2 as a JSON object; __extra__ is one already. */
static int parse_query(struct arena *arena, mr_str query, mr_str *out, struct mr_error *err)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	struct json_parser *parser = json_parser_new();
	struct json_value value;
	bool found;
	int rc = 0;
	json_begin_object(&w);
	while (rc == 0 && query.len) {
		mr_str pair = cut(&query, '&', &found), name = decode(arena, cut(&pair, '=', &found));
		mr_str text = decode(arena, pair);
		if (!mr_str_is(name, "__extra__")) {
			json_key_str(&w, name);
			json_put_str(&w, text);
			continue;
		}
		rc = json_parse(parser, text, &value, err);
		for (struct json_iter it = json_iter(value); rc == 0 && json_next(&it);) {
			json_key_str(&w, it.key);
			json_put_value(&w, it.value);
		}
	}
	json_end_object(&w);
	*out = arena_copy(arena, mr_buf_view(&json));
	json_parser_free(parser);
	mr_buf_release(&json);
	return rc;
}

static int parse_uri(struct arena *arena, mr_str text, struct connection *out, struct mr_error *err)
{
	const char *scheme = text.len ? memmem(text.ptr, text.len, "://", 3) : NULL;
	bool found;
	if (!scheme)
		return mr_fail(err, MR_ERR_INVALID,
			       "a connection is type://login:password@host:port/schema, or JSON");
	out->type = arena_copy(arena, mr_str_n(text.ptr, (size_t)(scheme - text.ptr)));
	mr_str rest = mr_str_tail(text, out->type.len + 3);
	mr_str before_query = cut(&rest, '?', &found);
	int rc = parse_query(arena, rest, &out->extra_json, err);
	mr_str authority = cut(&before_query, '/', &found);
	out->schema = decode(arena, before_query);
	const char *at = authority.ptr && authority.len ? memrchr(authority.ptr, '@', authority.len) : NULL;
	if (at) {
		mr_str who = mr_str_n(authority.ptr, (size_t)(at - authority.ptr));
		authority = mr_str_tail(authority, who.len + 1);
		out->login = decode(arena, cut(&who, ':', &found));
		out->password = decode(arena, who);
	}
	if (authority.len && authority.ptr[0] == '[') { /* [::1]:80 */
		authority = mr_str_tail(authority, 1);
		out->host = arena_copy(arena, cut(&authority, ']', &found));
		cut(&authority, ':', &found);
	} else {
		out->host = decode(arena, cut(&authority, ':', &found));
	}
	return rc == 0 ? parse_port(authority, &out->port, err) : rc;
}

static int parse_json(struct arena *arena, mr_str text, struct connection *out, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v, extra;
	int rc = json_parse(parser, text, &v, err);
	if (rc == 0) {
		out->type = arena_copy(arena, json_str(json_get(v, "conn_type")));
		out->host = arena_copy(arena, json_str(json_get(v, "host")));
		out->login = arena_copy(arena, json_str(json_get(v, "login")));
		out->password = arena_copy(arena, json_str(json_get(v, "password")));
		out->schema = arena_copy(arena, json_str(json_get(v, "schema")));
		if (json_type(json_get(v, "port")) == JSON_STRING)
			rc = parse_port(json_str(json_get(v, "port")), &out->port, err);
		else
			out->port = (int32_t)json_int(json_get(v, "port"));
		extra = json_get(v, "extra");
		struct mr_buf json = {0};
		if (json_type(extra) == JSON_STRING)
			mr_buf_str(&json, json_str(extra));
		else if (json_type(extra) == JSON_OBJECT)
			json_write_value(&json, extra);
		if (json.len)
			out->extra_json = arena_copy(arena, mr_buf_view(&json));
		mr_buf_release(&json);
	}
	json_parser_free(parser);
	return rc;
}

int connection_parse(struct arena *arena, mr_str id, mr_str text, struct connection *out,
		     struct mr_error *err)
{
	struct connection c = {.id = arena_copy(arena, id), .extra_json = MR_STR("{}")};
	size_t at = 0;
	while (at < text.len && isspace((unsigned char)text.ptr[at]))
		at++;
	int rc = at < text.len && text.ptr[at] == '{' ? parse_json(arena, text, &c, err)
						      : parse_uri(arena, text, &c, err);
	if (rc != 0)
		return mr_error_wrap(err, rc, "connection '%.*s'", MR_FMT(id));
	*out = c;
	return 0;
}

static void put_encoded(struct mr_buf *out, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (isalnum(c) || (c && strchr("-._~", c)))
			mr_buf_char(out, (char)c);
		else
			mr_buf_printf(out, "%%%02X", c);
	}
}

void connection_put_uri(const struct connection *c, struct mr_buf *out)
{
	mr_buf_str(out, c->type);
	mr_buf_cstr(out, "://");
	if (c->login.len || c->password.len) {
		put_encoded(out, c->login);
		if (c->password.len) {
			mr_buf_char(out, ':');
			put_encoded(out, c->password);
		}
		mr_buf_char(out, '@');
	}
	put_encoded(out, c->host);
	if (c->port)
		mr_buf_printf(out, ":%d", (int)c->port);
	if (c->schema.len) {
		mr_buf_char(out, '/');
		put_encoded(out, c->schema);
	}
	if (!mr_str_is(c->extra_json, "{}")) {
		mr_buf_cstr(out, c->schema.len ? "?__extra__=" : "/?__extra__=");
		put_encoded(out, c->extra_json);
	}
}

void connection_put_json(const struct connection *c, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_str(&w, "conn_type", c->type);
	json_member_str(&w, "host", c->host);
	json_member_str(&w, "login", c->login);
	json_member_str(&w, "password", c->password);
	json_member_str(&w, "schema", c->schema);
	json_member_int(&w, "port", c->port);
	json_member_str(&w, "extra", c->extra_json);
	json_end_object(&w);
}
