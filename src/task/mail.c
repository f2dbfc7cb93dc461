#include "task/mail.h"

#include "codec/json.h"
#include "task/web.h"

#include <stdlib.h>

/* A header's value on one line. */
static void put_header(struct mr_buf *out, const char *name, mr_str value)
{
	mr_buf_printf(out, "%s: ", name);
	for (size_t i = 0; i < value.len; i++)
		mr_buf_char(out, value.ptr[i] == '\r' || value.ptr[i] == '\n' ? ' ' : value.ptr[i]);
	mr_buf_cstr(out, "\r\n");
}

static void put_lines(struct mr_buf *out, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
			mr_buf_char(out, '\r');
		mr_buf_char(out, text.ptr[i]);
	}
	mr_buf_cstr(out, "\r\n");
}

int mail_send(struct vault *vault, const struct letter *letter, struct mr_error *err)
{
	struct connection c = {.extra_json = MR_STR("{}")};
	struct mr_buf message = {0}, all = {0};
	struct arena own = {0}, *arena = &own;
	mr_str conn_id = letter->conn_id;
	int rc = vault ? vault_connection(vault, conn_id, arena, &c, err) : 1;
	if (rc == 1) {
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no connection '%.*s' to send mail with",
			MR_FMT(conn_id));
		rc = mr_hint(
		    err, "set AIRFLOW_CONN_SMTP_DEFAULT=smtp://user:password@host:587/?from_email=me@host");
	}
	if (rc < 0) {
		arena_release(&own);
		return rc;
	}
	struct json_parser *parser = json_parser_new();
	struct json_value extra = {0};
	mr_str from = c.login;
	if (json_parse(parser, c.extra_json, &extra, NULL) == 0 &&
	    json_str(json_get(extra, "from_email")).len)
		from = arena_copy(arena, json_str(json_get(extra, "from_email")));
	json_parser_free(parser);
	for (size_t i = 0; i < letter->shown; i++) {
		mr_buf_cstr(&all, i ? ", " : "");
		mr_buf_str(&all, letter->to[i]);
	}
	put_header(&message, "From", from);
	put_header(&message, "To", mr_buf_view(&all));
	put_header(&message, "Subject", letter->subject);
	mr_buf_cstr(&message, "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n");
	put_lines(&message, letter->html);
	bool tls = mr_str_is(c.type, "smtps") || c.port == 465;
	struct web_mail mail = {
	    .url = arena_printf(arena, "%s://%.*s:%d", tls ? "smtps" : "smtp", MR_FMT(c.host),
				c.port ? (int)c.port : 25)
		       .ptr,
	    .login = c.login.len && c.password.len ? arena_copy(arena, c.login).ptr : NULL,
	    .password = c.password.len ? arena_copy(arena, c.password).ptr : NULL,
	    .from = from,
	    .to = letter->to,
	    .to_count = letter->to_count,
	    .message = mr_buf_view(&message),
	    .stopped = letter->stopped,
	    .arg = letter->arg,
	};
	rc = web_mail(&mail, err);
	mr_buf_release(&message);
	mr_buf_release(&all);
	arena_release(&own);
	return rc;
}
