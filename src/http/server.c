#include "http/server.h"

#include "base/mem.h"
#include "codec/json.h"
#include "env/loop.h"
#include "http/mhd_calls.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAM_BYTES_MAX (1u << 20) /* rendered ahead of a slow client */

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_route *routes;
	size_t route_count;
	unsigned idle_seconds;
	_Atomic unsigned connections;
};

struct http_connection {
	struct MHD_Connection *mhd;
	struct mr_buf body;
	bool one_too_many;
};

/* An answer under way: its thread fills `ahead`, the connection's thread sends it. It belongs
 * to MHD's response, which may outlive the request. */
struct http_stream {
	void (*run)(void *arg, struct http_stream *stream);
	void *arg;
	struct MHD_Connection *mhd;
	unsigned idle_seconds;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct mr_buf ahead;
	bool finished, gone;
};

/* ---- replies ---- */

void http_put_error(struct mr_buf *out, const struct mr_error *err)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_key(&w, "error");
	json_begin_object(&w);
	json_member_cstr(&w, "code", mr_code_name(err->code));
	json_member_cstr(&w, "message", err->message);
	if (err->hint[0])
		json_member_cstr(&w, "hint", err->hint);
	if (err->where[0])
		json_member_cstr(&w, "where", err->where);
	json_end_object(&w);
	json_end_object(&w);
}

static int status_of(int code)
{
	static const struct {
		int code, status;
	} table[] = {
	    {MR_ERR_INVALID, 400},   {MR_ERR_NOT_FOUND, 404},   {MR_ERR_EXISTS, 409},
	    {MR_ERR_CONFLICT, 409},  {MR_ERR_UNSUPPORTED, 400}, {MR_ERR_LIMIT, 413},
	    {MR_ERR_BUSY, 503},      {MR_ERR_CLOSED, 503},      {MR_ERR_TIMEOUT, 504},
	    {MR_ERR_CANCELLED, 499}, {MR_ERR_NO_SPACE, 507},
	};
	for (size_t i = 0; i < MR_COUNT(table); i++) {
		if (table[i].code == code)
			return table[i].status;
	}
	return 500;
}

void http_reply_error(struct http_reply *reply, const struct mr_error *err)
{
	mr_buf_clear(&reply->body);
	http_put_error(&reply->body, err);
	reply->status = status_of(err->code);
	reply->content_type = "application/json";
}

const char *http_param(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection->mhd, MHD_HEADER_KIND, name);
}

void http_reply_header(struct http_reply *reply, const char *name, const char *value)
{
	MR_ASSERT(reply->header_count < HTTP_REPLY_HEADERS_MAX);
	reply->headers[reply->header_count++] = (struct http_header){name, value};
}

struct each_param {
	void (*fn)(void *arg, const char *name, const char *value);
	void *arg;
};

static enum MHD_Result give_param(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	const struct each_param *each = arg;
	each->fn(each->arg, name, value);
	return MHD_YES;
}

void http_each_param(const struct http_request *request,
		     void (*fn)(void *arg, const char *name, const char *value), void *arg)
{
	struct each_param each = {fn, arg};
	MHD_get_connection_values(request->connection->mhd, MHD_GET_ARGUMENT_KIND, give_param, &each);
}

/* ---- streams ---- */

int http_write(struct http_stream *stream, mr_str bytes)
{
	pthread_mutex_lock(&stream->lock);
	while (stream->ahead.len > STREAM_BYTES_MAX && !stream->gone)
		pthread_cond_wait(&stream->changed, &stream->lock);
	bool gone = stream->gone;
	if (!gone)
		mr_buf_str(&stream->ahead, bytes);
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	return gone ? MR_ERR_CLOSED : 0;
}

static void *stream_thread(void *arg)
{
	struct http_stream *stream = arg;
	stream->run(stream->arg, stream);
	pthread_mutex_lock(&stream->lock);
	stream->finished = true;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	return NULL;
}

static ssize_t stream_read(void *arg, uint64_t at, char *to, size_t max)
{
	(void)at;
	struct http_stream *stream = arg;
	pthread_mutex_lock(&stream->lock);
	while (!stream->ahead.len && !stream->finished)
		pthread_cond_wait(&stream->changed, &stream->lock);
	size_t n = mr_min_size(max, stream->ahead.len);
	if (n) {
		memcpy(to, stream->ahead.ptr, n);
		mr_buf_consume(&stream->ahead, n);
	}
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	/* MHD counts the wait as the client's silence, and would hang up: taking its clock off and
	 * putting it back starts it anew. */
	MHD_set_connection_option(stream->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	MHD_set_connection_option(stream->mhd, MHD_CONNECTION_OPTION_TIMEOUT, stream->idle_seconds);
	return n ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

/* MHD frees the response when all is sent or the client has gone. */
static void stream_free(void *arg)
{
	struct http_stream *stream = arg;
	pthread_mutex_lock(&stream->lock);
	stream->gone = true;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	pthread_join(stream->thread, NULL);
	mr_buf_release(&stream->ahead);
	pthread_cond_destroy(&stream->changed);
	pthread_mutex_destroy(&stream->lock);
	free(stream);
}

static struct MHD_Response *stream_response(struct http_server *server, struct http_connection *c,
					    const struct http_reply *reply)
{
	struct http_stream *stream = mr_calloc(1, sizeof *stream);
	stream->run = reply->stream;
	stream->arg = reply->stream_arg;
	stream->mhd = c->mhd;
	stream->idle_seconds = server->idle_seconds;
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->changed, NULL);
	int rc = pthread_create(&stream->thread, NULL, stream_thread, stream);
	MR_ASSERT(rc == 0);
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64 * 1024, stream_read, stream,
						 stream_free);
}

/* ---- requests ---- */

static const struct http_route *find_route(struct http_server *server, struct http_request *request,
					   bool *path_known)
{
	*path_known = false;
	for (size_t i = 0; i < server->route_count; i++) {
		const struct http_route *route = &server->routes[i];
		mr_str path = mr_str_from(route->path);
		bool open = mr_str_ends(path, MR_STR("*"));
		if (open)
			path.len--;
		if (open ? !mr_str_starts(request->path, path) : !mr_str_eq(request->path, path))
			continue;
		*path_known = true;
		if (!mr_str_is(request->method, route->method))
			continue;
		request->tail = mr_str_tail(request->path, path.len);
		return route;
	}
	return NULL;
}

/* "localhost", "127.0.0.1:8080", "[::1]": a Host header's value names this machine. */
static bool is_this_machine(const char *host)
{
	const char *port = strrchr(host, ':');
	bool has_port = port && !strchr(port, ']');
	char address[280];
	int n = snprintf(address, sizeof address, "%s%s", host, has_port ? "" : ":80");
	return n > 0 && (size_t)n < sizeof address && net_is_loopback(address);
}

/* The header that shows a request to come from, or by way of, another site; NULL when none does. */
static const char *foreign_header(struct MHD_Connection *mhd)
{
	const char *host = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Host");
	const char *origin = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Origin");
	if (host && !is_this_machine(host))
		return "Host";
	if (origin && (strncmp(origin, "http://", 7) != 0 || !is_this_machine(origin + 7)))
		return "Origin";
	return NULL;
}

static void dispatch(struct http_server *server, struct http_request *request, struct http_reply *reply)
{
	bool path_known;
	const struct http_route *route = find_route(server, request, &path_known);
	const char *foreign = foreign_header(request->connection->mhd);
	struct mr_error err;
	if (request->connection->one_too_many) {
		mr_fail(&err, MR_ERR_BUSY, "this server has %d connections and takes no more",
			HTTP_CONNECTIONS_MAX);
		mr_hint(&err, "close what is not needed, or ask again in a moment");
		http_reply_error(reply, &err);
		http_reply_header(reply, "Connection", "close");
		http_reply_header(reply, "Retry-After", "1");
	} else if (foreign) {
		mr_fail(&err, MR_ERR_INVALID, "the %s header names another site than this machine", foreign);
		http_reply_error(reply, &err);
		reply->status = 403;
	} else if (request->connection->body.overflow) {
		mr_fail(&err, MR_ERR_LIMIT, "the body is larger than %u bytes", HTTP_BODY_MAX);
		http_reply_error(reply, &err);
	} else if (route) {
		route->handle(route->arg, request, reply);
	} else {
		mr_fail(&err, MR_ERR_NOT_FOUND, "there is no %.*s %.*s", MR_FMT(request->method),
			MR_FMT(request->path));
		http_reply_error(reply, &err);
		reply->status = path_known ? 405 : 404;
	}
}

static struct MHD_Response *make_response(struct http_server *server, struct http_connection *c,
					  struct http_reply *reply)
{
	if (reply->stream) {
		mr_buf_release(&reply->body);
		return stream_response(server, c, reply);
	}
	if (reply->fixed.len) {
		mr_buf_release(&reply->body);
		return MHD_create_response_from_buffer(reply->fixed.len, (void *)reply->fixed.ptr,
						       MHD_RESPMEM_PERSISTENT);
	}
	size_t len = reply->body.len;
	return MHD_create_response_from_buffer(len, mr_buf_take(&reply->body), MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result answer(struct http_server *server, struct http_connection *c, const char *url,
			      const char *method)
{
	struct http_request request = {.method = mr_str_from(method),
				       .path = mr_str_from(url),
				       .body = mr_buf_view(&c->body),
				       .connection = c};
	struct http_reply reply = {.status = 200, .content_type = "application/json"};
	dispatch(server, &request, &reply);
	struct MHD_Response *response = make_response(server, c, &reply);
	MHD_add_response_header(response, "Content-Type", reply.content_type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	for (size_t i = 0; i < reply.header_count; i++)
		MHD_add_response_header(response, reply.headers[i].name, reply.headers[i].value);
	enum MHD_Result result = MHD_queue_response(c->mhd, (unsigned)reply.status, response);
	MHD_destroy_response(response);
	return result;
}

/* MHD's own limit closes without a word: this one is below it. A connection is marked when it comes, so that
 * those who came before keep being served. */
static void on_connection(void *arg, struct MHD_Connection *mhd, void **mark,
			  enum MHD_ConnectionNotificationCode what)
{
	(void)mhd;
	struct http_server *server = arg;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED)
		server->connections--;
	else if (++server->connections > HTTP_CONNECTIONS_MAX)
		*mark = server;
}

static bool is_one_too_many(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info && info->socket_context;
}

/* Then there is no use in waiting for the body. */
static bool announces_too_much(struct MHD_Connection *mhd)
{
	const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
	return length && strtoull(length, NULL, 10) > HTTP_BODY_MAX;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	(void)version;
	struct http_connection *c = *state;
	if (!c) {
		c = mr_calloc(1, sizeof *c);
		c->mhd = mhd;
		mr_buf_init(&c->body, HTTP_BODY_MAX);
		*state = c;
		c->body.overflow = announces_too_much(mhd);
		c->one_too_many = is_one_too_many(mhd);
		return c->body.overflow || c->one_too_many ? answer(arg, c, url, method) : MHD_YES;
	}
	if (*size) {
		mr_buf_append(&c->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return answer(arg, c, url, method);
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **state,
			 enum MHD_RequestTerminationCode why)
{
	(void)arg, (void)mhd, (void)why;
	struct http_connection *c = *state;
	if (!c)
		return;
	mr_buf_release(&c->body);
	free(c);
	*state = NULL;
}

int http_server_start(const char *address, const struct http_route *routes, size_t route_count,
		      struct http_server **out, int *port_out, struct mr_error *err)
{
	return http_server_start_idle(address, routes, route_count, HTTP_IDLE_SECONDS, out, port_out, err);
}

int http_server_start_idle(const char *address, const struct http_route *routes, size_t route_count,
			   unsigned idle_seconds, struct http_server **out, int *port_out,
			   struct mr_error *err)
{
	int fd, port;
	int rc = mhd_load(err);
	if (rc == 0)
		rc = net_listen_tcp(address, &fd, &port, err);
	if (rc < 0)
		return rc;
	struct http_server *server = mr_calloc(1, sizeof *server);
	server->routes = mr_alloc(route_count * sizeof *routes);
	memcpy(server->routes, routes, route_count * sizeof *routes);
	server->route_count = route_count;
	server->idle_seconds = idle_seconds;
	server->daemon = MHD_start_daemon(
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC, 0,
	    NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
	    on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)(HTTP_CONNECTIONS_MAX + HTTP_REFUSALS_MAX),
	    MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_END);
	if (!server->daemon) {
		close(fd);
		free(server->routes);
		free(server);
		return mr_fail(err, MR_ERR_INTERNAL, "libmicrohttpd does not start on %s", address);
	}
	*out = server;
	*port_out = port;
	return 0;
}

void http_server_stop(struct http_server *server)
{
	if (!server)
		return;
	MHD_stop_daemon(server->daemon);
	free(server->routes);
	free(server);
}
