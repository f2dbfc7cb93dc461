#include "http/client.h"

#include "base/buf.h"
#include "base/mem.h"
#include "codec/json.h"
#include "http/curl_calls.h"

#include <stdio.h>
#include <stdlib.h>

struct call {
	CURL *curl;
	http_put_fn put;
	void *arg;
	struct mr_buf refusal; /* the body of an answer that is no 2xx */
	bool ended_by_put;
};

static size_t on_body(char *bytes, size_t one, size_t size, void *arg)
{
	(void)one;
	struct call *call = arg;
	long status = 0;
	curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299) {
		mr_buf_append(&call->refusal, bytes, size);
		return size;
	}
	if (call->put && call->put(call->arg, mr_str_n(bytes, size)) != 0) {
		call->ended_by_put = true;
		return 0;
	}
	return size;
}

static int code_from_name(mr_str name)
{
	for (int code = -1; code >= MR_ERR_INTERNAL; code--) {
		if (mr_str_is(name, mr_code_name(code)))
			return code;
	}
	return MR_ERR_INTERNAL;
}

static int code_from_status(long status)
{
	return status == 404   ? MR_ERR_NOT_FOUND
	       : status == 409 ? MR_ERR_EXISTS
	       : status == 503 ? MR_ERR_UNAVAILABLE
	       : status < 500  ? MR_ERR_INVALID
			       : MR_ERR_INTERNAL;
}

/* {"detail": "text"}, or {"detail": [{"loc": ["body", "conf"], "msg": …}, …]} */
int http_detail(mr_str json, long status, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v = {0};
	struct mr_buf text = {0};
	if (json_parse(parser, json, &v, NULL) < 0)
		v = (struct json_value){0};
	struct json_value detail = json_get(v, "detail");
	for (struct json_iter it = json_iter(detail); json_type(detail) == JSON_ARRAY && json_next(&it);) {
		struct json_value loc = json_get(it.value, "loc");
		mr_str name = json_str(json_at(loc, 1)), msg = json_str(json_get(it.value, "msg"));
		mr_buf_printf(&text, "%s%.*s: %.*s", text.len ? "; " : "", MR_FMT(name), MR_FMT(msg));
	}
	if (json_type(detail) == JSON_STRING)
		mr_buf_str(&text, json_str(detail));
	if (!text.len)
		mr_buf_printf(&text, "the server answered with HTTP status %ld", status);
	int rc = mr_fail(err, code_from_status(status), "%.*s", MR_FMT(mr_buf_view(&text)));
	mr_str hint = json_str(json_get(v, "hint"));
	if (hint.len)
		mr_hint(err, "%.*s", MR_FMT(hint));
	mr_buf_release(&text);
	json_parser_free(parser);
	return rc;
}

static int refused(struct call *call, long status, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	int rc = json_parse(parser, mr_buf_view(&call->refusal), &v, NULL);
	struct json_value error = rc == 0 ? json_get(v, "error") : (struct json_value){0};
	if (json_present(error)) {
		mr_str message = json_str(json_get(error, "message")),
		       hint = json_str(json_get(error, "hint"));
		mr_str where = json_str(json_get(error, "where"));
		rc = mr_fail(err, code_from_name(json_str(json_get(error, "code"))), "%.*s", MR_FMT(message));
		if (hint.len)
			mr_hint(err, "%.*s", MR_FMT(hint));
		if (err)
			snprintf(err->where, sizeof err->where, "%.*s", MR_FMT(where));
	} else {
		rc = http_detail(mr_buf_view(&call->refusal), status, err);
	}
	json_parser_free(parser);
	return rc;
}

int http_call(const char *method, const char *address, const char *path, mr_str body, http_put_fn put,
	      void *arg, struct mr_error *err)
{
	int rc = curl_load(err);
	if (rc < 0)
		return rc;
	char *url = mr_asprintf("http://%s%s", address, path);
	struct call call = {.curl = curl_easy_init(), .put = put, .arg = arg};
	mr_buf_init(&call.refusal, 1u << 20);
	MR_ASSERT(call.curl);
	curl_easy_setopt(call.curl, CURLOPT_URL, url);
	curl_easy_setopt(call.curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(call.curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(call.curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	curl_easy_setopt(call.curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(call.curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(call.curl, CURLOPT_WRITEDATA, &call);
	if (body.len) {
		curl_easy_setopt(call.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
		curl_easy_setopt(call.curl, CURLOPT_POSTFIELDS, body.ptr);
	}
	CURLcode code = curl_easy_perform(call.curl);
	long status = 0;
	curl_easy_getinfo(call.curl, CURLINFO_RESPONSE_CODE, &status);
	if (call.ended_by_put)
		rc = mr_fail(err, MR_ERR_CANCELLED, "ended");
	else if (code != CURLE_OK)
		rc = mr_fail(err, MR_ERR_UNAVAILABLE, "no answer from %s: %s", address,
			     curl_easy_strerror(code));
	else if (status < 200 || status > 299)
		rc = refused(&call, status, err);
	curl_easy_cleanup(call.curl);
	mr_buf_release(&call.refusal);
	free(url);
	return rc;
}

void http_escape(struct mr_buf *out, mr_str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     c == '-' || c == '_' || c == '.' || c == '~';
		if (plain)
			mr_buf_char(out, (char)c);
		else
			mr_buf_printf(out, "%%%02X", c);
	}
}
