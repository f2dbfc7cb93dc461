/* The server on real sockets: what one connection does to the others. */
#include "env/loop.h"
#include "kafka/kafka_fixture.h"

#include "test.h"

#include <sys/socket.h>
#include <unistd.h>

static int connect_to(struct kafka_fixture *f)
{
	struct mr_error err;
	int fd;
	CHECK_OK(net_connect_tcp(f->address, &fd, &err), err);
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
