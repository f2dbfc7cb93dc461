#include "test.h"

#include "base/mem.h"
#include "env/loop.h"
#include "http/client.h"
#include "http/metrics.h"
#include "http/server.h"

#include <stdlib.h>
#include <unistd.h>

static void echo(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	const char *x = http_param(request, "x");
	mr_buf_printf(&reply->body, "%.*s|%.*s|%s", MR_FMT(request->tail), MR_FMT(request->body),
		      x ? x : "-");
}

static void stream_numbers(void *arg, struct http_stream *stream)
{
	(void)arg;
	char line[32];
	for (int i = 0; i < 200000; i++) {
		int n = snprintf(line, sizeof line, "%d\n", i);
		if (http_write(stream, mr_str_n(line, (size_t)n)) != 0)
			return;
	}
}

static void numbers(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg, (void)request;
	reply->stream = stream_numbers;
}

static int collect(void *arg, mr_str bytes)
{
	mr_buf_str(arg, bytes);
	return 0;
}

static int stop_early(void *arg, mr_str bytes)
{
	(void)arg, (void)bytes;
	return 1;
}

static struct http_server *start(char address[64])
{
	static const struct http_route routes[] = {{"POST", "/echo/*", echo, NULL},
						   {"GET", "/numbers", numbers, NULL}};
	struct http_server *server;
	struct mr_error err;
	int port;
	CHECK_OK(http_server_start("127.0.0.1:0", routes, MR_COUNT(routes), &server, &port, &err), err);
	snprintf(address, 64, "127.0.0.1:%d", port);
	return server;
}

TEST(http_routes_bodies_streams_and_errors)
{
	char address[64];
	struct http_server *server = start(address);
	struct mr_buf out = {0};
	struct mr_error err;
	CHECK_OK(http_call("POST", address, "/echo/a%20b?x=1%262", MR_STR("body"), collect, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "a b|body|1&2");
	mr_buf_clear(&out);
	CHECK_OK(http_call("GET", address, "/numbers", MR_STR_NULL, collect, &out, &err), err);
	CHECK_INT(out.len, 1288890);
	CHECK(mr_str_ends(mr_buf_view(&out), MR_STR("199998\n199999\n")));
	CHECK_INT(http_call("GET", address, "/numbers", MR_STR_NULL, stop_early, NULL, &err),
		  MR_ERR_CANCELLED);
	CHECK_INT(http_call("GET", address, "/nowhere", MR_STR_NULL, collect, &out, &err), MR_ERR_NOT_FOUND);
	CHECK(strstr(err.message, "/nowhere"));
	CHECK(http_call("GET", address, "/echo/x", MR_STR_NULL, collect, &out, &err) < 0);
	char *large = mr_calloc(1, HTTP_BODY_MAX + 1);
	CHECK_INT(
	    http_call("POST", address, "/echo/x", mr_str_n(large, HTTP_BODY_MAX + 1), collect, &out, &err),
	    MR_ERR_LIMIT);
	free(large);
	mr_buf_release(&out);
	http_server_stop(server);
	CHECK_INT(http_call("GET", address, "/numbers", MR_STR_NULL, NULL, NULL, &err), MR_ERR_UNAVAILABLE);
}

static void pause_between(void *arg, struct http_stream *stream)
{
	(void)arg;
	http_write(stream, MR_STR("before "));
	usleep(1500000);
	http_write(stream, MR_STR("after"));
}

static void slow_stream(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg, (void)request;
	reply->stream = pause_between;
}

/* A query may think for longer than a client may be silent. */
TEST(http_slow_stream_is_not_idle)
{
	static const struct http_route routes[] = {{"GET", "/slow", slow_stream, NULL}};
	struct http_server *server;
	struct mr_buf out = {0};
	struct mr_error err;
	char address[64];
	int port;
	CHECK_OK(http_server_start_idle("127.0.0.1:0", routes, 1, 1, &server, &port, &err), err);
	snprintf(address, sizeof address, "127.0.0.1:%d", port);
	CHECK_OK(http_call("GET", address, "/slow", MR_STR_NULL, collect, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "before after");
	mr_buf_release(&out);
	http_server_stop(server);
}

/* The status line's code for a request with these header lines. */
static int status_with(const char *address, const char *headers)
{
	struct mr_error err;
	char text[512], answer[64] = {0};
	int fd;
	CHECK_OK(net_connect_tcp(address, &fd, &err), err);
	int n = snprintf(text, sizeof text, "POST /echo/ HTTP/1.1\r\nConnection: close\r\n%s\r\n", headers);
	CHECK_INT(write(fd, text, (size_t)n), n);
	CHECK(read(fd, answer, sizeof answer - 1) > 12);
	close(fd);
	return (int)strtol(answer + strlen("HTTP/1.1 "), NULL, 10);
}

TEST(http_refuses_other_sites)
{
	static const struct {
		const char *headers;
		int status;
	} cases[] = {
	    {"Host: 127.0.0.1:8080\r\n", 200},
	    {"Host: localhost\r\n", 200},
	    {"Host: [::1]\r\n", 200},
	    {"Host: [::1]:99\r\n", 200},
	    {"Host: evil.example\r\n", 403},
	    {"Host: 127.evil.example:80\r\n", 403},
	    {"Host: localhost.evil.example\r\n", 403},
	    {"Host: 127.0.0.1\r\nOrigin: http://localhost:3000\r\n", 200},
	    {"Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n", 403},
	    {"Host: 127.0.0.1\r\nOrigin: https://127.0.0.1\r\n", 403},
	    {"Host: 127.0.0.1\r\nOrigin: null\r\n", 403},
	};
	char address[64];
	struct http_server *server = start(address);
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		CHECK_INT(status_with(address, cases[i].headers), cases[i].status);
	http_server_stop(server);
}

/* A connection that stays, once it has had an answer. */
static int keep_open(const char *address)
{
	static const char text[] = "POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
	struct mr_error err;
	char answer[512];
	int fd;
	CHECK_OK(net_connect_tcp(address, &fd, &err), err);
	CHECK_INT(write(fd, text, sizeof text - 1), sizeof text - 1);
	CHECK(read(fd, answer, sizeof answer) > 12);
	CHECK(memcmp(answer, "HTTP/1.1 200", 12) == 0);
	return fd;
}

TEST(http_one_connection_too_many_is_told_so)
{
	char address[64];
	struct http_server *server = start(address);
	struct mr_buf out = {0};
	struct mr_error err;
	int open[HTTP_CONNECTIONS_MAX];
	for (size_t i = 0; i < MR_COUNT(open); i++)
		open[i] = keep_open(address);
	for (int i = 0; i < 2 * HTTP_REFUSALS_MAX; i++) {
		CHECK_INT(http_call("POST", address, "/echo/x", MR_STR("y"), collect, &out, &err),
			  MR_ERR_BUSY);
		CHECK(strstr(err.message, "128 connections"));
		CHECK(strstr(err.hint, "ask again"));
	}
	CHECK_INT(out.len, 0);
	close(open[0]);
	int rc = MR_ERR_BUSY; /* the server sees the end a moment later */
	for (int tries = 0; tries < 1000 && rc == MR_ERR_BUSY; tries++) {
		usleep(rc == MR_ERR_BUSY ? 5000 : 0);
		rc = http_call("POST", address, "/echo/x", MR_STR("y"), collect, &out, &err);
	}
	CHECK_OK(rc, err);
	CHECK_STR(mr_buf_view(&out), "x|y|-");
	for (size_t i = 1; i < MR_COUNT(open); i++)
		close(open[i]);
	mr_buf_release(&out);
	http_server_stop(server);
}

TEST(http_survives_garbage)
{
	char address[64];
	struct http_server *server = start(address);
	struct mr_error err;
	static const char *const junk[] = {
	    "\x01\x02\x03\x04", "GET", "GET / HTTP/9.9\r\n\r\n",
	    "POST /echo/ HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"};
	for (size_t i = 0; i < MR_COUNT(junk); i++) {
		int fd;
		CHECK_OK(net_connect_tcp(address, &fd, &err), err);
		CHECK(write(fd, junk[i], strlen(junk[i])) > 0);
		close(fd);
	}
	struct mr_buf out = {0};
	CHECK_OK(http_call("POST", address, "/echo/", MR_STR("x"), collect, &out, &err), err);
	mr_buf_release(&out);
	http_server_stop(server);
}

TEST(metrics_text)
{
	struct mr_buf out = {0};
	metric_family(&out, "m_total", METRIC_COUNTER, "what it counts");
	metric_sample(&out, "m_total", 3, "topic", "a\"b\\c\n", "x", "y", NULL);
	metric_sample(&out, "m_total", 0.5, NULL);
	CHECK_STR(mr_buf_view(&out), "# HELP m_total what it counts\n# TYPE m_total counter\n"
				     "m_total{topic=\"a\\\"b\\\\c\\n\",x=\"y\"} 3\nm_total 0.5\n");
	mr_buf_release(&out);
}
