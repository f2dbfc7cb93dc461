/* The server on real sockets: what one connection does to the others. */
#include "base/varint.h"
#include "env/loop.h"
#include "kafka/core.h"
#include "kafka/kafka_fixture.h"

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void be_patient(int fd)
{
	struct timeval limit = {.tv_sec = 10};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

static int connect_to(struct kafka_fixture *f)
{
	struct mr_error err;
	int fd;
	CHECK_OK(net_connect_tcp(f->address, &fd, &err), err);
	be_patient(fd);
	return fd;
}

TEST(server_closes_only_the_connection_that_sends_garbage)
{
	struct kafka_fixture f;
	struct kafka_stats stats;
	char byte, ask[14] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, (char)0xff, (char)0xff};
	char answer[4];
	kafka_fixture_start(&f, test_folder());
	int good = connect_to(&f), bad = connect_to(&f);
	CHECK_INT(send(bad, "\x7f\xff\xff\xff garbage", 12, 0), 12);
	CHECK(recv(bad, &byte, 1, 0) <= 0);
	CHECK_INT(send(good, ask, sizeof ask, 0), sizeof ask);
	CHECK_INT(recv(good, answer, 4, MSG_WAITALL), 4);
	kafka_server_stats(f.server, &stats);
	CHECK_INT(stats.bad_frames, 1);
	CHECK_INT(stats.connections, 2);
	CHECK_INT(stats.connections_open, 1);
	close(good);
	close(bad);
	kafka_fixture_stop(&f);
}

/* ---- connections that nobody needs ---- */

static bool is_closed(int fd)
{
	char byte;
	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static bool closes_within(int fd, int ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLRDHUP};
	return poll(&wait, 1, ms) == 1 && wait.revents & (POLLRDHUP | POLLHUP);
}

static void ask_versions(int fd)
{
	static const char ask[14] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, (char)0xff, (char)0xff};
	CHECK_INT(send(fd, ask, sizeof ask, MSG_NOSIGNAL), sizeof ask);
}

static void start_impatient(struct kafka_fixture *f)
{
	struct kafka_server_options server = {.listen = "127.0.0.1:0", .idle_ms = 400};
	kafka_fixture_start_with(f, test_folder(), &server);
}

TEST(server_closes_connections_that_stand_still)
{
	struct kafka_fixture f;
	start_impatient(&f);
	int silent = connect_to(&f), loris = connect_to(&f), busy = connect_to(&f);
	int half = connect_to(&f);
	CHECK_INT(send(half, "\0\0\0\x0a", 4, 0), 4);
	CHECK_INT(send(loris, "\0\x10\0\0", 4, 0), 4); /* a frame of a megabyte, byte by byte */
	for (int i = 0; i < 60 && !(is_closed(silent) && is_closed(loris) && is_closed(half)); i++) {
		(void)!send(loris, "x", 1, MSG_NOSIGNAL);
		ask_versions(busy);
		usleep(50000);
		if (i < 7)
			CHECK(!is_closed(silent) && !is_closed(loris) && !is_closed(half));
	}
	CHECK(closes_within(silent, 0) && closes_within(half, 0));
	CHECK(is_closed(loris) || send(loris, "x", 1, MSG_NOSIGNAL) < 0);
	struct kafka_stats stats;
	kafka_server_stats(f.server, &stats);
	CHECK_INT(stats.connections_open, 1); /* the busy one */
	close(silent);
	close(loris);
	close(half);
	close(busy);
	kafka_fixture_stop(&f);
}

/* A Fetch that may wait for a minute, from the end of an empty partition. */
static void long_poll(int fd)
{
	struct fetch_partition partition = {.current_leader_epoch = -1, .partition_max_bytes = 1000};
	struct fetch_topic topic = {.topic = MR_STR("t"), .partitions = {&partition, 1}};
	struct fetch_request request = {.max_wait_ms = 60000,
					.min_bytes = 1,
					.max_bytes = 1000,
					.session_epoch = -1,
					.topics = {&topic, 1}};
	struct wire_out body = {0};
	char head[14] = {0};
	wire_encode(&fetch_request_schema, 4, false, &request, &body);
	mr_put_be32(head, (uint32_t)(10 + body.bytes.len));
	mr_put_be16(head + 4, 1);
	mr_put_be16(head + 6, 4);
	mr_put_be16(head + 12, 0xffff);
	CHECK_INT(send(fd, head, sizeof head, 0), sizeof head);
	CHECK_INT(send(fd, body.bytes.ptr, body.bytes.len, 0), (ssize_t)body.bytes.len);
	wire_out_release(&body);
}

TEST(server_keeps_connections_that_wait_for_an_answer)
{
	struct kafka_fixture f;
	start_impatient(&f);
	kafka_fixture_topic(&f, "t", 1);
	int waiting = connect_to(&f);
	long_poll(waiting);
	CHECK(!closes_within(waiting, 1500));
	close(waiting);
	kafka_fixture_stop(&f);
}

TEST(server_closes_connections_that_do_not_take_their_answers)
{
	struct kafka_fixture f;
	start_impatient(&f);
	int fd = connect_to(&f);
	for (int i = 0; i < 60; i++) { /* more answers than the two sockets hold */
		for (int k = 0; k < 2000; k++) {
			static const char ask[14] = {0, 0, 0, 10, 0, 18,         0,
						     0, 0, 0, 0,  7, (char)0xff, (char)0xff};
			if (send(fd, ask, sizeof ask, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				break;
		}
		usleep(50000);
		struct kafka_stats stats;
		kafka_server_stats(f.server, &stats);
		if (stats.connections_open == 0)
			break;
	}
	struct kafka_stats stats;
	kafka_server_stats(f.server, &stats);
	CHECK_INT(stats.connections_open, 0);
	close(fd);
	kafka_fixture_stop(&f);
}

TEST(server_gives_tls_a_time_to_shake_hands)
{
	const char *folder = test_folder();
	struct kafka_fixture f;
	struct mr_error err;
	int fd;
	kafka_fixture_certificate(folder, "server", "127.0.0.1");
	struct kafka_server_options server = {
	    .tls_listen = "127.0.0.1:0",
	    .tls = {test_path("%s/server.crt", folder), test_path("%s/server.key", folder), NULL,
		    TLS_CLIENT_NONE},
	    .login_ms = 200,
	};
	kafka_fixture_start_with(&f, folder, &server);
	CHECK_OK(net_connect_tcp(test_path("127.0.0.1:%d", kafka_server_tls_port(f.server)), &fd, &err), err);
	CHECK(!closes_within(fd, 50));
	CHECK(closes_within(fd, 5000));
	close(fd);
	kafka_fixture_stop(&f);
}

/* Without descriptors the port pauses; who is connected is served, and the rest when some are free. */
TEST(server_waits_for_descriptors)
{
	enum { WAITING = 4 };
	struct kafka_fixture f;
	struct rlimit before, none;
	char answer[4];
	int held[64], waiting[WAITING], count = 0;
	kafka_fixture_start(&f, test_folder());
	int served = connect_to(&f);
	ask_versions(served);
	CHECK_INT(recv(served, answer, 4, MSG_WAITALL), 4);
	for (int i = 0; i < WAITING; i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM, 0);
		be_patient(waiting[i]);
	}
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)kafka_server_port(f.server)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){(rlim_t)dup(served) + 1, before.rlim_max};
	close((int)none.rlim_cur - 1);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (count < 64 && (held[count] = dup(served)) >= 0)
		count++;
	CHECK_INT(errno, EMFILE);
	for (int i = 0; i < WAITING; i++) {
		CHECK_INT(connect(waiting[i], (struct sockaddr *)&to, sizeof to), 0);
		ask_versions(waiting[i]);
	}
	struct timespec cpu[2];
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[0]);
	usleep(300000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[1]);
	int64_t us = (cpu[1].tv_sec - cpu[0].tv_sec) * 1000000 + (cpu[1].tv_nsec - cpu[0].tv_nsec) / 1000;
	CHECK(us < 100000); /* it does not spin */
	ask_versions(served);
	CHECK(recv(served, answer, 4, MSG_WAITALL) == 4);
	struct kafka_stats stats;
	kafka_server_stats(f.server, &stats);
	CHECK_INT(stats.connections_open, 1);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < WAITING; i++) {
		CHECK_INT(recv(waiting[i], answer, 4, MSG_WAITALL), 4);
		close(waiting[i]);
	}
	while (count > 0)
		close(held[--count]);
	close(served);
	kafka_fixture_stop(&f);
}
