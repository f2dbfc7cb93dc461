/* http/client.h - requests to a millrace server on this machine, over libcurl. */
#pragma once

#include "base/error.h"
#include "base/types.h"

/* Sends body (len 0: none) to http://ADDRESS PATH. A 2xx answer's body goes to put piece by piece
 * (non-zero from put ends it); another status fails with the message, hint and place that the
 * server's error carries. MR_ERR_UNAVAILABLE when nobody answers. */
typedef int (*http_put_fn)(void *arg, mr_str bytes);
MR_NODISCARD int http_call(const char *method, const char *address, const char *path, mr_str body,
			   http_put_fn put, void *arg, struct mr_error *err);
/* The failure that a FastAPI error body means: {"detail": …}. */
int http_detail(mr_str json, long status, struct mr_error *err);
/* A parameter's value, percent-encoded, appended. */
struct mr_buf;
void http_escape(struct mr_buf *out, mr_str value);
