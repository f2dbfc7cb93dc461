/* task/web.h - requests and mail to other people's servers, over libcurl. Blocking; any thread.
 *
 * Certificates are verified. A response is read up to WEB_BYTES_MAX.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#define WEB_BYTES_MAX ((size_t)8 << 20)

struct web_request {
	const char *method; /* "GET" */
	const char *url;
	const char *const *headers; /* "Name: value" */
	size_t header_count;
	mr_str body;
	const char *login, *password; /* NULL: none */
	int64_t timeout_ms;           /* of the whole exchange; 0: 60 s */
	bool (*stopped)(void *arg);   /* asked about once a second; true ends it. May be NULL */
	void *arg;
};

/* 0 whatever the status; MR_ERR_UNAVAILABLE when no answer came. */
MR_NODISCARD int web_call(const struct web_request *request, int *status, struct mr_buf *body,
			  struct mr_error *err);

struct web_mail {
	const char *url; /* smtp://host:port or smtps:// */
	const char *login, *password;
	mr_str from;
	const mr_str *to; /* to, cc and bcc */
	size_t to_count;
	mr_str message;             /* headers and text, lines end with CRLF */
	bool (*stopped)(void *arg); /* as of a request */
	void *arg;
};
MR_NODISCARD int web_mail(const struct web_mail *mail, struct mr_error *err);
