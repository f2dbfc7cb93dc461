#include "console/console.h"

#include <string.h>

#define CONTENT_POLICY \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src " \
	"'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* ---- headers ---- */

static mr_str trim(mr_str text)
{
	while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
		text = mr_str_tail(text, 1);
	while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* The part before the next `end`, without blanks; *rest goes behind it. */
static mr_str next_part(mr_str *rest, char end)
{
	const char *at = memchr(rest->ptr, end, rest->len);
	size_t len = at ? (size_t)(at - rest->ptr) : rest->len;
	mr_str part = trim(mr_str_n(rest->ptr, len));
	*rest = mr_str_tail(*rest, at ? len + 1 : len);
	return part;
}

/* "q=0", "q=0.000": not wanted at all. */
static bool is_refusal(mr_str weight)
{
	if (!mr_str_starts(weight, MR_STR("q=0")))
		return false;
	for (size_t i = 3; i < weight.len; i++) {
		if (weight.ptr[i] != '0' && weight.ptr[i] != '.')
			return false;
	}
	return true;
}

bool console_takes_gzip(const char *accept_encoding)
{
	mr_str rest = mr_str_from(accept_encoding ? accept_encoding : "");
	while (rest.len) {
		mr_str weight = next_part(&rest, ',');
		mr_str coding = weight.len ? next_part(&weight, ';') : weight;
		if (mr_str_is(coding, "gzip") || mr_str_is(coding, "*"))
			return !is_refusal(trim(weight));
	}
	return false;
}

bool console_etag_matches(const char *if_none_match, const char *etag)
{
	mr_str rest = mr_str_from(if_none_match ? if_none_match : "");
	while (rest.len) {
		mr_str tag = next_part(&rest, ',');
		if (mr_str_starts(tag, MR_STR("W/")))
			tag = mr_str_tail(tag, 2);
		if (mr_str_is(tag, etag) || mr_str_is(tag, "*"))
			return true;
	}
	return false;
}

/* ---- files ---- */

static void put_file(const struct console_file *file, const struct http_request *request,
		     struct http_reply *reply)
{
	reply->content_type = file->content_type;
	http_reply_header(reply, "ETag", file->etag);
	http_reply_header(reply, "Vary", "Accept-Encoding");
	if (console_etag_matches(http_request_header(request, "If-None-Match"), file->etag)) {
		reply->status = 304;
	} else if (console_takes_gzip(http_request_header(request, "Accept-Encoding"))) {
		http_reply_header(reply, "Content-Encoding", "gzip");
		reply->fixed = file->gzip;
	} else {
		reply->fixed = file->plain;
	}
}

static const struct console_file *find_file(mr_str name)
{
	for (size_t i = 0; i < console_file_count; i++) {
		if (mr_str_is(name, console_files[i].name))
			return &console_files[i];
	}
	return NULL;
}

void console_page(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	const struct console_file *page = find_file(MR_STR("index.html"));
	MR_ASSERT(page);
	put_file(page, request, reply);
	http_reply_header(reply, "Cache-Control", "no-cache");
	http_reply_header(reply, "Content-Security-Policy", CONTENT_POLICY);
	http_reply_header(reply, "Referrer-Policy", "no-referrer");
}

void console_asset(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	const struct console_file *file = find_file(request->tail);
	if (!file) {
		struct mr_error err;
		mr_fail(&err, MR_ERR_NOT_FOUND, "the console has no file %.*s", MR_FMT(request->tail));
		mr_hint(&err, "another version of millrace runs now: load the page again");
		http_reply_error(reply, &err);
		return;
	}
	put_file(file, request, reply);
	http_reply_header(reply, "Cache-Control", "public, max-age=31536000, immutable");
}
