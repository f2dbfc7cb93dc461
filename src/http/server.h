/* http/server.h - an HTTP/1.1 server over libmicrohttpd: a table of routes, nothing of the app.
 *
 * A thread a connection, at most HTTP_CONNECTIONS_MAX; what asks on one more gets 503 with a reason. A
 * handler runs in its connection's thread and may block. Bodies are read whole first, up to HTTP_BODY_MAX;
 * larger ones get 413.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"

#define HTTP_CONNECTIONS_MAX 128
#define HTTP_REFUSALS_MAX 32 /* connections beyond it at a time that are told so; others are closed */
#define HTTP_BODY_MAX (16u << 20)
#define HTTP_IDLE_SECONDS 30 /* without a byte from or to the client; a slow handler is not idle */

struct http_server;
struct http_connection;
struct http_stream;

struct http_request {
	mr_str method;
	mr_str path; /* decoded, without the query */
	mr_str tail; /* what a route's "*" stands for */
	mr_str body;
	struct http_connection *connection;
};

#define HTTP_REPLY_HEADERS_MAX 8

struct http_header {
	const char *name, *value;
};

struct http_reply {
	int status;               /* preset to 200 */
	const char *content_type; /* preset to "application/json" */
	struct mr_buf body;
	mr_str fixed; /* instead of body when it has bytes: sent as they are; they outlive the server */
	struct http_header headers[HTTP_REPLY_HEADERS_MAX]; /* beside Content-Type; http_reply_header adds */
	size_t header_count;
	/* Instead of body: called in a thread of its own after the handler returned; writes with
	 * http_write and frees arg. The status is sent before it runs. */
	void (*stream)(void *arg, struct http_stream *stream);
	void *stream_arg;
};

struct http_route {
	const char *method;
	const char *path; /* "/api/v1/topics/" + "*" takes any tail; else exact */
	void (*handle)(void *arg, const struct http_request *request, struct http_reply *reply);
	void *arg;
};

/* The routes are copied; address is "127.0.0.1:8080", port 0 picks one. */
MR_NODISCARD int http_server_start(const char *address, const struct http_route *routes, size_t route_count,
				   struct http_server **out, int *port_out, struct mr_error *err);
/* The same with an idle time of one's own. */
MR_NODISCARD int http_server_start_idle(const char *address, const struct http_route *routes,
					size_t route_count, unsigned idle_seconds, struct http_server **out,
					int *port_out, struct mr_error *err);
void http_server_stop(struct http_server *server); /* waits for running handlers; NULL is fine */

/* A query parameter, decoded; NULL when absent. */
const char *http_param(const struct http_request *request, const char *name);
/* Every query parameter in order, decoded; value is NULL when there is no "=". */
void http_each_param(const struct http_request *request,
		     void (*fn)(void *arg, const char *name, const char *value), void *arg);
/* A header of the request; NULL when absent. Names compare without case. */
const char *http_request_header(const struct http_request *request, const char *name);
/* name and value live until the answer is sent: literals, mostly. */
void http_reply_header(struct http_reply *reply, const char *name, const char *value);
/* {"error":{"code":"not_found","message":…,"hint":…,"where":…}} with the status that the code means. */
void http_reply_error(struct http_reply *reply, const struct mr_error *err);
void http_put_error(struct mr_buf *out, const struct mr_error *err); /* the same JSON, appended */

/* From a stream function: blocks while the client is slow; non-zero when it has gone. */
int http_write(struct http_stream *stream, mr_str bytes);
