/* store/wire.h - one HTTP request and its answer, over libcurl; connections are kept.
 * Threading: safe from any thread; each request takes a connection of its own. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct wire;

struct wire_header {
	const char *name;
	mr_str value;
};

struct wire_request {
	const char *method, *url;
	const struct wire_header *headers;
	size_t header_count;
	mr_str body;
	size_t reply_bytes_max;
};

struct wire_reply {
	long status;
	int64_t length;   /* Content-Length; -1: not said */
	int64_t mtime_ms; /* Last-Modified; -1: not said */
	char etag[128];   /* as it came, with its quotes */
	struct mr_buf body;
};

MR_NODISCARD int wire_new(struct wire **out, struct mr_error *err); /* MR_ERR_UNAVAILABLE: no libcurl */
void wire_free(struct wire *wire);                                  /* no request is under way */
/* 0 when there is an answer, whatever its status; release it. MR_ERR_UNAVAILABLE or MR_ERR_TIMEOUT when
 * there is none: the request may have had its effect. */
MR_NODISCARD int wire_send(struct wire *wire, const struct wire_request *request, struct wire_reply *reply,
			   struct mr_error *err);
void wire_reply_release(struct wire_reply *reply);
