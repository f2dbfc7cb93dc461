#include "test.h"

#include "base/buf.h"
#include "env/loop.h"
#include "service/player.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listener that closes its first `breaks` connections after `bytes` each, taking what has come
 * by then, and reads the last to its end. */
struct receiver {
	int fd, breaks;
	size_t bytes;
	char address[32];
	struct mr_buf got; /* whole lines only, as a receiver keeps them */
	pthread_t thread;
};

static void keep_lines(struct receiver *r, const struct mr_buf *read)
{
	size_t len = read->len;
	while (len && read->ptr[len - 1] != '\n')
		len--;
	mr_buf_append(&r->got, read->ptr ? read->ptr : "", len);
}

static void *run(void *arg)
{
	struct receiver *r = arg;
	char piece[4096];
	for (int i = 0; i <= r->breaks; i++) {
		int fd = accept(r->fd, NULL, NULL);
		struct mr_buf read = {0};
		ssize_t n;
		while ((i == r->breaks || read.len < r->bytes) && (n = recv(fd, piece, sizeof piece, 0)) > 0)
			mr_buf_append(&read, piece, (size_t)n);
		keep_lines(r, &read);
		mr_buf_release(&read);
		close(fd); /* bytes not read: a reset, as a killed process leaves it */
	}
	return NULL;
}

static void start(struct receiver *r, int breaks, size_t bytes)
{
	struct mr_error err;
	int port;
	*r = (struct receiver){.breaks = breaks, .bytes = bytes};
	CHECK_OK(net_listen_tcp("127.0.0.1:0", &r->fd, &port, &err), err);
	fcntl(r->fd, F_SETFL, fcntl(r->fd, F_GETFL) & ~O_NONBLOCK);
	snprintf(r->address, sizeof r->address, "127.0.0.1:%d", port);
	CHECK_INT(pthread_create(&r->thread, NULL, run, r), 0);
}

static void finish(struct receiver *r)
{
	pthread_join(r->thread, NULL);
	close(r->fd);
}

TEST(player_wraps_numbers_and_repeats)
{
	struct receiver r;
	struct mr_error err;
	uint64_t sent;
	start(&r, 0, 0);
	struct player_options play = {.address = r.address,
				      .lines = MR_STR("one\r\n\n{\"a\":1}\n{}\n"),
				      .prefix = "p",
				      .hostname = "h",
				      .first = 7,
				      .count = 4,
				      .number_json = true};
	CHECK_OK(player_run(&play, &sent, &err), err);
	finish(&r);
	CHECK_INT(sent, 4);
	const char *want[] = {" h access_log - p-00000007 - one",
			      " h access_log - p-00000008 - {\"from\":\"p\",\"seq\":100000008,\"a\":1}",
			      " h access_log - p-00000009 - {\"from\":\"p\",\"seq\":100000009}",
			      " h access_log - p-00000010 - one"};
	mr_str rest = mr_buf_view(&r.got);
	for (size_t i = 0; i < MR_COUNT(want); i++) {
		const char *newline = memchr(rest.ptr, '\n', rest.len);
		CHECK(newline && mr_str_starts(rest, MR_STR("<134>1 20")));
		mr_str line = mr_str_n(rest.ptr, (size_t)(newline - rest.ptr));
		CHECK_STR(mr_str_tail(line, strlen("<134>1 2026-01-01T00:00:00.000Z")), want[i]);
		rest = mr_str_tail(rest, line.len + 1);
	}
	CHECK_INT(rest.len, 0);
	mr_buf_release(&r.got);
}

TEST(player_counts_octets)
{
	struct receiver r;
	struct mr_error err;
	uint64_t sent;
	start(&r, 0, 0);
	struct player_options play = {.address = r.address,
				      .lines = MR_STR("abc\nde\n"),
				      .prefix = "p",
				      .bare = true,
				      .octet_counted = true};
	CHECK_OK(player_run(&play, &sent, &err), err);
	finish(&r);
	CHECK_INT(sent, 2);
	CHECK_INT(r.got.len, 0); /* no newline in it */
	mr_buf_release(&r.got);
}

static void count_break(void *arg, uint64_t acknowledged)
{
	(void)acknowledged;
	++*(int *)arg;
}

/* TCP acknowledges into a buffer that dies with its reader, so a break may lose lines: but only
 * between the last line read before it and the first after it, and none is sent out of order. */
TEST(player_goes_on_after_a_break)
{
	struct receiver r;
	struct mr_error err;
	uint64_t sent;
	int breaks = 0;
	start(&r, 2, 100000);
	struct player_options play = {.address = r.address,
				      .lines = MR_STR("line of some length to fill the pipe with bytes\n"),
				      .prefix = "p",
				      .count = 100000,
				      .reconnect_ms = 5000,
				      .on_break = count_break,
				      .arg = &breaks};
	CHECK_OK(player_run(&play, &sent, &err), err);
	finish(&r);
	CHECK_INT(sent, 100000);
	CHECK_INT(breaks, 2);
	long last = -1, gaps = 0;
	for (mr_str rest = mr_buf_view(&r.got);;) {
		const char *at = memmem(rest.ptr, rest.len, " p-", 3);
		if (!at)
			break;
		rest = mr_str_tail(rest, (size_t)(at - rest.ptr) + 3);
		long n = strtol(rest.ptr, NULL, 10);
		gaps += n != last + 1;
		last = n;
	}
	CHECK(gaps <= 2);
	CHECK_INT(last, 99999);
	mr_buf_release(&r.got);
}

TEST(player_without_reconnect_says_that_it_broke)
{
	struct receiver r;
	struct mr_error err;
	uint64_t sent;
	start(&r, 1, 1000);
	struct player_options play = {
	    .address = r.address, .lines = MR_STR("line of some length\n"), .prefix = "p", .count = 5000000};
	CHECK_INT(player_run(&play, &sent, &err), MR_ERR_UNAVAILABLE);
	CHECK(sent > 0 && sent < 5000000);
	int fd;
	CHECK_OK(net_connect_tcp(r.address, &fd, &err), err); /* the receiver waits for a second one */
	close(fd);
	finish(&r);
	play.lines = MR_STR("\n\n");
	CHECK_INT(player_run(&play, &sent, &err), MR_ERR_INVALID);
	mr_buf_release(&r.got);
}
