/* http/server.h - an HTTP/1.1 server over libmicrohttpd: a table of routes, nothing of the app.
 *
 * A thread a connection, at most HTTP_CONNECTIONS_MAX; a handler runs in its connection's thread
 * and may block. Bodies are read whole first, up to HTTP_BODY_MAX; larger ones get 413.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"

#define HTTP_CONNECTIONS_MAX 128
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

struct http_reply {
	int status;               /* preset to 200 */
	const char *content_type; /* preset to "application/json" */
	struct mr_buf body;
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
/* {"error":{"code":"not_found","message":…,"hint":…,"where":…}} with the status that the code means. */
void http_reply_error(struct http_reply *reply, const struct mr_error *err);
void http_put_error(struct mr_buf *out, const struct mr_error *err); /* the same JSON, appended */

/* From a stream function: blocks while the client is slow; non-zero when it has gone. */
int http_write(struct http_stream *stream, mr_str bytes);
