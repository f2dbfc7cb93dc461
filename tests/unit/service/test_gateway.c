#include "test.h"

#include "env/loop.h"
#include "service/gateway.h"
#include "service/intake.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct fixture {
	struct log_store *store;
	struct broker *broker;
	struct gateway *gateway;
	struct conf_listen listen[2];
	struct conf_action actions[4];
	struct conf_rule rules[3];
	struct conf_gateway conf;
	char tcp[64], udp[64];
	struct mr_error err;
};

static void open_gateway(struct fixture *f)
{
	mr_str protocol;
	CHECK_OK(gateway_start(env_linux(), f->broker, &f->conf, &f->gateway, &f->err), f->err);
	CHECK_INT(gateway_listener_count(f->gateway), 2);
	gateway_listener(f->gateway, 0, &protocol, f->tcp);
	CHECK_STR(protocol, "tcp");
	gateway_listener(f->gateway, 1, &protocol, f->udp);
}

static void start(struct fixture *f, int64_t line_bytes_max, size_t pending_bytes_max)
{
	*f = (struct fixture){0};
	struct log_store_options log = {.env = env_linux(),
					.dir = test_folder(),
					.journal_bytes = 4 << 20,
					.pending_bytes_max = pending_bytes_max};
	CHECK_OK(log_store_open(&log, &f->store, &f->err), f->err);
	struct broker_options broker = {.env = env_linux(), .store = f->store, .auto_create = true};
	log_topic_config_default(&broker.topic_default);
	CHECK_OK(broker_new(&broker, &f->broker, &f->err), f->err);
	f->listen[0] = (struct conf_listen){MR_STR("tcp"), MR_STR("127.0.0.1:0")};
	f->listen[1] = (struct conf_listen){MR_STR("udp"), MR_STR("127.0.0.1:0")};
	f->actions[0] = (struct conf_action){CONF_FORWARD, MR_STR("{{1}}"), 0};
	f->actions[1] = (struct conf_action){CONF_STOP, MR_STR(""), 0};
	f->actions[2] = (struct conf_action){CONF_FORWARD, MR_STR("not a topic!"), 0};
	f->rules[0] =
	    (struct conf_rule){CONF_MATCH_REGEX, MR_STR("^to (\\S+)"), MR_STR("msg"), &f->actions[0], 1, 0};
	f->rules[1] =
	    (struct conf_rule){CONF_MATCH_REGEX, MR_STR("^drop"), MR_STR("msg"), &f->actions[1], 1, 0};
	f->rules[2] =
	    (struct conf_rule){CONF_MATCH_REGEX, MR_STR("^illegal"), MR_STR("msg"), &f->actions[2], 1, 0};
	f->conf = (struct conf_gateway){f->listen, 2, f->rules, 3, line_bytes_max};
	open_gateway(f);
}

static void end(struct fixture *f)
{
	gateway_stop(f->gateway, 5000);
	broker_free(f->broker);
	log_store_close(f->store);
}

static int dial(struct fixture *f)
{
	int fd;
	CHECK_OK(net_connect_tcp(f->tcp, &fd, &f->err), f->err);
	return fd;
}

static void put(int fd, const void *bytes, size_t len)
{
	for (const char *p = bytes; len;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		CHECK(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

/* Wait until that many lines are accounted for. */
static struct gateway_stats wait_for(struct fixture *f, uint64_t lines)
{
	struct gateway_stats s;
	for (int i = 0; i < 2000; i++) {
		gateway_stats(f->gateway, &s);
		if (s.forwarded + s.dead + s.stopped >= lines)
			return s;
		nanosleep(&(struct timespec){0, 5000000}, NULL);
	}
	test_fail(__FILE__, __LINE__, "%llu forwarded, %llu dead, %llu stopped of %llu",
		  (long long)s.forwarded, (long long)s.dead, (long long)s.stopped, (long long)lines);
}

/* Every record of partition 0, as "value{header=value,}" lines. */
static void read_topic(struct fixture *f, const char *name, struct mr_buf *out)
{
	struct log_topic *topic = log_topic_find(f->store, mr_str_from(name));
	CHECK(topic);
	struct log_partition *p = log_partition_at(topic, 0);
	struct mr_buf bytes = {0};
	struct batch_iter it = {0};
	struct record r;
	CHECK_OK(log_read(p, 0, 64 << 20, true, &bytes, NULL, &f->err), f->err);
	for (mr_str rest = mr_buf_view(&bytes); rest.len;) {
		int64_t size = batch_size(rest, &f->err);
		CHECK(size > 0);
		CHECK_OK(batch_iter_start(&it, mr_str_n(rest.ptr, (size_t)size), &f->err), f->err);
		while (batch_iter_next(&it, &r, &f->err) == 1) {
			struct record_header h;
			mr_buf_str(out, r.value);
			for (mr_str cursor = r.headers;
			     r.header_count && record_header_next(&cursor, &h, &f->err) == 1;
			     r.header_count--) {
				if (!mr_str_is(h.key, "peer"))
					mr_buf_printf(out, "{%.*s=%.*s}", MR_FMT(h.key), MR_FMT(h.value));
			}
			mr_buf_char(out, '\n');
		}
		rest = mr_str_tail(rest, (size_t)size);
	}
	batch_iter_release(&it);
	mr_buf_release(&bytes);
}

TEST(gateway_forwards_over_tcp_and_udp_and_loses_nothing)
{
	struct fixture f;
	start(&f, 100, 0);
	int fd = dial(&f);
	const char text[] = "<14>1 - h a - - - to t1 one\n25 <14>1 - h a - - - to t1 2drop this\r\n"
			    "nothing matches\nillegal\nto t1 \xff\nto t1 unfinished";
	for (size_t i = 0; i < sizeof text - 1; i++) /* byte by byte: framing over many reads */
		put(fd, text + i, 1);
	char longer[300];
	shutdown(fd, SHUT_WR);
	wait_for(&f, 7);
	int second = dial(&f);
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\n';
	put(second, longer, sizeof longer);
	put(second, "50 <14>to t1 broken", 18);
	close(second);
	close(fd);
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtol(strrchr(f.udp, ':') + 1, NULL, 10))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(sendto(udp, "<14>1 - h a - - - to t2 datagram\n", 33, 0, (struct sockaddr *)&to, sizeof to) ==
	      33);
	close(udp);
	struct gateway_stats s = wait_for(&f, 10);
	CHECK_INT(s.lines, 10);
	CHECK_INT(s.forwarded, 5);
	CHECK_INT(s.dead, 4);
	CHECK_INT(s.stopped, 1);
	CHECK_INT(s.unmatched, 1);
	CHECK_INT(s.too_long, 1);
	CHECK_INT(s.rule_errors, 1);
	CHECK_INT(s.invalid_utf8, 1);
	CHECK_INT(s.connections, 2);
	struct mr_buf out = {0};
	read_topic(&f, "t1", &out);
	CHECK_STR(mr_buf_view(&out), "to t1 one\nto t1 2\nto t1 \xef\xbf\xbd\nto t1 unfinished\n");
	mr_buf_clear(&out);
	read_topic(&f, "t2", &out);
	CHECK_STR(mr_buf_view(&out), "to t2 datagram\n");
	mr_buf_clear(&out);
	read_topic(&f, "gateway.dlq", &out);
	CHECK(strstr(out.ptr, "nothing matches{reason=no rule matches}\n"));
	CHECK(strstr(out.ptr, "illegal{reason="));
	CHECK(strstr(out.ptr, "xxx{reason=longer than max_line_bytes}\n"));
	CHECK(strstr(out.ptr, "50 <14>to t1 broke{reason=cut off"));
	mr_buf_release(&out);
	end(&f);
}

/* A log that takes 64 KiB at a time pushes back; every line arrives once and in order. */
TEST(gateway_waits_for_a_full_log)
{
	struct fixture f;
	start(&f, 1 << 20, 256 << 10);
	int fd = dial(&f);
	struct mr_buf text = {0};
	enum { LINES = 20000 };
	for (int i = 0; i < LINES; i++)
		mr_buf_printf(&text, "<14>1 - h a - - - to t1 %d %0200d\n", i, i);
	put(fd, text.ptr, text.len);
	close(fd);
	struct gateway_stats s = wait_for(&f, LINES);
	CHECK_INT(s.forwarded, LINES);
	struct mr_buf out = {0};
	read_topic(&f, "t1", &out);
	const char *at = out.ptr;
	for (int i = 0; i < LINES; i++) {
		CHECK_INT(strtol(at + strlen("to t1 "), NULL, 10), i);
		at = strchr(at, '\n') + 1;
	}
	CHECK_INT(*at, 0);
	mr_buf_release(&text);
	mr_buf_release(&out);
	end(&f);
}

TEST(gateway_stop_makes_safe_what_has_arrived)
{
	struct fixture f;
	start(&f, 1 << 20, 0);
	int fd[3];
	struct mr_buf text = {0};
	for (int i = 0; i < 3000; i++)
		mr_buf_cstr(&text, "to t1 line\n");
	mr_buf_cstr(&text, "to t1 half");
	for (int i = 0; i < 3; i++) {
		fd[i] = dial(&f);
		put(fd[i], text.ptr, text.len);
	}
	wait_for(&f, 1); /* the connections are accepted */
	gateway_stop(f.gateway, 5000);
	struct mr_buf out = {0};
	read_topic(&f, "t1", &out);
	size_t lines = 0;
	for (size_t i = 0; i < out.len; i++)
		lines += out.ptr[i] == '\n';
	CHECK(lines % 3000 == 0 && lines >= 3000);
	mr_buf_clear(&out);
	read_topic(&f, "gateway.dlq", &out);
	CHECK(strstr(out.ptr, "to t1 half{reason=cut off"));
	open_gateway(&f); /* and again, over the same topics */
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	mr_buf_release(&out);
	mr_buf_release(&text);
	end(&f);
}

/* Octet counts that lie, newlines that never come, binary: none of it stops the next sender. */
TEST(gateway_survives_garbage)
{
	struct fixture f;
	struct mr_rng rng;
	rng_seed(&rng, 9);
	start(&f, 1000, 0);
	for (int round = 0; round < 30; round++) {
		char bytes[4096];
		int fd = dial(&f);
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = round % 2 ? (char)rng_next(&rng) : "9 <\n1"[rng_below(&rng, 5)];
		put(fd, bytes, sizeof bytes);
		close(fd);
	}
	int fd = dial(&f);
	put(fd, "to t1 fine\n", 11);
	close(fd);
	for (struct gateway_stats s = {0}; s.forwarded == 0;)
		gateway_stats(f.gateway, &s);
	end(&f);
}

TEST(gateway_start_says_what_is_wrong)
{
	struct fixture f;
	start(&f, 1000, 0);
	struct gateway *other = NULL;
	struct conf_listen taken = {MR_STR("tcp"), mr_str_from(f.tcp)};
	struct conf_gateway conf = f.conf;
	conf.listen = &taken;
	conf.listen_count = 1;
	CHECK(gateway_start(env_linux(), f.broker, &conf, &other, &f.err) < 0);
	CHECK(strstr(f.err.message, f.tcp) && f.err.hint[0]);
	taken.protocol = MR_STR("sctp");
	CHECK_INT(gateway_start(env_linux(), f.broker, &conf, &other, &f.err), MR_ERR_INVALID);
	end(&f);
}
