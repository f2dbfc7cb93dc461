/* Fetch over real sockets, from memory and from files: the same bytes that log_read gives. */
#include "base/crc32c.h"
#include "base/varint.h"
#include "codec/batch.h"
#include "env/loop.h"
#include "env/rng.h"
#include "kafka/core.h"
#include "kafka/kafka_fixture.h"
#include "log/transactions.h"

#include "test.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PARTITIONS = 3 };

/* ---- a client that knows one request ---- */

struct fetcher {
	int fd;
	SSL_CTX *context; /* NULL: plain */
	SSL *ssl;
	struct arena arena;
};

static void fetcher_open(struct fetcher *c, const struct kafka_fixture *f, bool tls)
{
	struct mr_error err;
	int port = kafka_server_tls_port(f->server);
	*c = (struct fetcher){0};
	arena_init(&c->arena, 4096);
	CHECK_OK(net_connect_tcp(tls ? test_path("127.0.0.1:%d", port) : f->address, &c->fd, &err), err);
	/* A small window, so that the server meets a full socket in the middle of things. */
	int window = 128 << 10;
	struct timeval patience = {.tv_sec = 10};
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (!tls)
		return;
	c->context = SSL_CTX_new(TLS_client_method());
	c->ssl = SSL_new(c->context);
	SSL_set_fd(c->ssl, c->fd);
	CHECK_INT(SSL_connect(c->ssl), 1);
}

static void fetcher_close(struct fetcher *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->context);
	close(c->fd);
	arena_release(&c->arena);
}

static void send_all(struct fetcher *c, mr_str bytes)
{
	ssize_t n = c->ssl ? SSL_write(c->ssl, bytes.ptr, (int)bytes.len)
			   : send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
	CHECK_INT(n, (ssize_t)bytes.len);
}

static void receive(struct fetcher *c, char *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n =
		    c->ssl ? SSL_read(c->ssl, to + at, (int)(len - at)) : recv(c->fd, to + at, len - at, 0);
		CHECK(n > 0);
		at += (size_t)n;
	}
}

static void send_fetch(struct fetcher *c, int version, const struct fetch_request *request)
{
	struct wire_out body = {0};
	char head[4 + 8 + 2] = {0};
	mr_put_be16(head + 4, 1);
	mr_put_be16(head + 6, (uint16_t)version);
	mr_put_be16(head + 12, 0xffff);
	wire_encode(&fetch_request_schema, version, false, request, &body);
	mr_put_be32(head, (uint32_t)(sizeof head - 4 + body.bytes.len));
	struct mr_buf frame = {0};
	mr_buf_append(&frame, head, sizeof head);
	mr_buf_str(&frame, mr_buf_view(&body.bytes));
	send_all(c, mr_buf_view(&frame));
	mr_buf_release(&frame);
	wire_out_release(&body);
}

static const struct fetch_response *read_fetch(struct fetcher *c, int version)
{
	struct mr_error err;
	char size[4];
	receive(c, size, 4);
	size_t len = mr_get_be32(size);
	char *reply = arena_alloc(&c->arena, len);
	receive(c, reply, len);
	struct fetch_response *out = arena_alloc(&c->arena, sizeof *out);
	CHECK_OK(wire_decode(&fetch_response_schema, version, false, mr_str_n(reply + 4, len - 4), &c->arena,
			     out, &err),
		 err);
	return out;
}

/* ---- a topic of several segments, with transactions in it ---- */

static mr_str batch_of(struct batch_writer *writer, struct mr_rng *rng, enum batch_codec codec)
{
	struct mr_error err;
	static const char zeros[5000];
	mr_str out;
	batch_writer_start(writer);
	for (uint64_t i = rng_below(rng, 4) + 1; i-- > 0;)
		batch_writer_add(writer, 1000, MR_STR_NULL, mr_str_n(zeros, rng_below(rng, 5000)), NULL, 0);
	CHECK_OK(batch_writer_finish(writer, codec, &out, &err), err);
	return out;
}

static void make_transactional(mr_str batch, int64_t producer, int32_t sequence)
{
	char *b = (char *)batch.ptr;
	mr_put_be16(b + 21, mr_get_be16(b + 21) | BATCH_TRANSACTIONAL);
	mr_put_be64(b + 43, (uint64_t)producer);
	mr_put_be16(b + 51, 0);
	mr_put_be32(b + 53, (uint32_t)sequence);
	mr_put_be32(b + 17, mr_crc32c(0, b + 21, batch.len - 21));
}

static void fill(struct log_partition *p, struct mr_rng *rng, int batches)
{
	struct mr_error err;
	struct batch_writer writer = {0};
	struct log_append out;
	int32_t sequence = 0;
	for (int i = 0; i < batches; i++) {
		mr_str batch = batch_of(&writer, rng, BATCH_NONE);
		if (i % 40 > 30 || i > batches - 30) { /* the last transaction stays open */
			make_transactional(batch, 77, sequence);
			sequence += (int32_t)mr_get_be32(batch.ptr + 57);
		}
		CHECK_OK(log_append(p, batch, &out, &err), err);
		if (i % 40 == 39 && i <= batches - 30)
			CHECK_OK(log_append_marker(p, 77, 0, i % 80 == 39, 0, &out, &err), err);
		if (rng_below(rng, 4) == 0)
			CHECK_OK(log_wait_stable(p, out.next_offset, 10000, &err), err);
	}
	CHECK_OK(log_wait_stable(p, log_end_offset(p), 10000, &err), err);
	batch_writer_release(&writer);
}

static void make_topic(struct kafka_fixture *f)
{
	struct mr_error err;
	struct mr_rng rng;
	struct log_topic *topic;
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.partitions = PARTITIONS;
	config.segment_bytes = 256 << 10;
	config.retention_ms = -1;
	CHECK_OK(log_topic_create(f->store, MR_STR("t"), &config, &topic, &err), err);
	rng_seed(&rng, 11);
	for (int32_t i = 0; i < PARTITIONS; i++)
		fill(log_partition_at(topic, i), &rng, 300);
}

/* ---- held against log_read ---- */

struct asked {
	struct fetch_partition partitions[PARTITIONS];
	struct fetch_topic topic;
	struct fetch_request request;
};

static void ask_at_random(struct asked *a, struct mr_rng *rng, struct log_topic *topic)
{
	*a = (struct asked){
	    .request = {.replica_id = -1,
			.max_bytes = (int32_t)rng_below(rng, 3 << 20),
			.isolation_level = (int8_t)rng_below(rng, 2),
			.session_epoch = -1,
			.replica_state = {-1, -1},
			.rack_id = MR_STR("")},
	    .topic = {.topic = MR_STR("t"), .partitions = {a->partitions, PARTITIONS}},
	};
	a->request.topics.items = &a->topic;
	a->request.topics.count = 1;
	for (int32_t i = 0; i < PARTITIONS; i++) {
		int64_t end = log_stable_offset(log_partition_at(topic, i));
		a->partitions[i] = (struct fetch_partition){
		    .partition = i,
		    .current_leader_epoch = -1,
		    .fetch_offset = (int64_t)rng_below(rng, (uint64_t)end + 1),
		    .partition_max_bytes = (int32_t)rng_below(rng, rng_below(rng, 2) ? 2 << 20 : 20 << 10),
		    .high_watermark = INT64_MAX,
		};
	}
}

static void check_reply(const struct asked *a, const struct fetch_response *got, struct log_topic *topic)
{
	struct mr_error err;
	struct mr_buf want = {0};
	size_t all = 0, most = (size_t)a->request.max_bytes;
	CHECK_INT(got->topics.count, 1);
	for (int32_t i = 0; i < PARTITIONS; i++) {
		const struct fetch_partition *asked = &a->partitions[i];
		const struct fetch_partition_reply *reply = &got->topics.items[0].partitions.items[i];
		size_t room = most - mr_min_size(all, most);
		size_t limit = mr_min_size(room, (size_t)asked->partition_max_bytes);
		struct log_partition *p = log_partition_at(topic, i);
		mr_buf_clear(&want);
		CHECK_OK((a->request.isolation_level ? log_read_decided : log_read)(
			     p, asked->fetch_offset, limit, all == 0, &want, NULL, &err),
			 err);
		CHECK_INT(reply->error_code, 0);
		CHECK_INT(reply->records.bytes, want.len);
		CHECK(want.len == 0 || memcmp(reply->records.items[0].bytes, want.ptr, want.len) == 0);
		all += want.len;
	}
	mr_buf_release(&want);
}

/* Pipelined, so that replies from memory and from files follow each other. */
static void fetch_at_random(const struct kafka_fixture *f, bool tls, uint64_t seed)
{
	enum { AT_ONCE = 4, VERSION = 11 };
	struct fetcher c;
	struct mr_rng rng;
	struct log_topic *topic = log_topic_find(f->store, MR_STR("t"));
	rng_seed(&rng, seed);
	fetcher_open(&c, f, tls);
	for (int round = 0; round < test_rounds(20); round++) {
		struct asked asked[AT_ONCE];
		for (int i = 0; i < AT_ONCE; i++) {
			ask_at_random(&asked[i], &rng, topic);
			send_fetch(&c, VERSION, &asked[i].request);
		}
		for (int i = 0; i < AT_ONCE; i++)
			check_reply(&asked[i], read_fetch(&c, VERSION), topic);
		arena_reset(&c.arena);
	}
	fetcher_close(&c);
}

static void start(struct kafka_fixture *f, const char *folder)
{
	struct kafka_server_options server = {
	    .listen = "127.0.0.1:0",
	    .tls_listen = "127.0.0.1:0",
	    .tls = {test_path("%s/server.crt", folder), test_path("%s/server.key", folder), NULL,
		    TLS_CLIENT_NONE},
	};
	kafka_fixture_certificate(folder, "server", "127.0.0.1");
	kafka_fixture_start_with(f, folder, &server);
}

TEST(fetch_sends_what_the_log_holds_from_memory_and_files)
{
	const char *folder = test_folder();
	struct kafka_fixture f;
	start(&f, folder);
	make_topic(&f);
	fetch_at_random(&f, false, 1);
	fetch_at_random(&f, true, 2);
	kafka_fixture_stop(&f);
	start(&f, folder); /* nothing is in memory now */
	fetch_at_random(&f, false, 3);
	fetch_at_random(&f, true, 4);
	kafka_fixture_stop(&f);
}

/* A client that goes away in the middle of an answer takes nobody with it, and no file stays open. */
TEST(fetch_survives_a_client_that_leaves)
{
	struct kafka_fixture f;
	struct mr_rng rng;
	struct asked asked;
	start(&f, test_folder());
	make_topic(&f);
	struct log_topic *topic = log_topic_find(f.store, MR_STR("t"));
	rng_seed(&rng, 5);
	for (int i = 0; i < 20; i++) {
		struct fetcher c;
		fetcher_open(&c, &f, i % 4 == 3);
		ask_at_random(&asked, &rng, topic);
		for (int k = 0; k < PARTITIONS; k++)
			asked.partitions[k] = (struct fetch_partition){
			    .partition = k, .current_leader_epoch = -1, .partition_max_bytes = 8 << 20};
		asked.request.max_bytes = 8 << 20;
		send_fetch(&c, 11, &asked.request);
		char some[1000];
		receive(&c, some, sizeof some);
		fetcher_close(&c);
	}
	fetch_at_random(&f, false, 6);
	kafka_fixture_stop(&f);
}

static mr_str bytes_of(const struct fetch_partition_reply *reply)
{
	return mr_str_n(reply->records.items[0].bytes, reply->records.bytes);
}

static bool any_zstd(mr_str batches)
{
	for (size_t at = 0; at < batches.len; at += 12 + mr_get_be32(batches.ptr + at + 8)) {
		if ((mr_get_be16(batches.ptr + at + 21) & BATCH_CODEC_MASK) == BATCH_ZSTD)
			return true;
	}
	return false;
}

static const struct fetch_partition_reply *fetch_from(struct fetcher *c, int version, int64_t offset)
{
	struct asked asked = {
	    .partitions[0] = {.current_leader_epoch = -1,
			      .fetch_offset = offset,
			      .partition_max_bytes = 4 << 20},
	    .topic = {.topic = MR_STR("t"), .partitions = {asked.partitions, 1}},
	    .request = {.max_bytes = 4 << 20, .session_epoch = -1, .topics = {&asked.topic, 1}},
	};
	send_fetch(c, version, &asked.request);
	return &read_fetch(c, version)->topics.items[0].partitions.items[0];
}

/* Before version 10 clients know no zstd: they are told where it begins, and get what lies before. */
TEST(fetch_tells_old_clients_of_zstd)
{
	const char *folder = test_folder();
	struct kafka_fixture f;
	struct mr_error err;
	struct mr_rng rng;
	struct batch_writer writer = {0};
	struct log_append out;
	int64_t zstd_at = 0;
	rng_seed(&rng, 7);
	start(&f, folder);
	struct log_partition *p = log_partition_at(kafka_fixture_topic(&f, "t", 1), 0);
	for (int i = 0; i < 40; i++) {
		zstd_at = i <= 30 ? log_end_offset(p) : zstd_at;
		CHECK_OK(
		    log_append(p, batch_of(&writer, &rng, i == 30 ? BATCH_ZSTD : BATCH_NONE), &out, &err),
		    err);
	}
	CHECK_OK(log_wait_stable(p, out.next_offset, 10000, &err), err);
	for (int restarted = 0; restarted < 2; restarted++) {
		struct fetcher c;
		fetcher_open(&c, &f, false);
		CHECK_INT(fetch_from(&c, 9, zstd_at)->error_code, KE_UNSUPPORTED_COMPRESSION_TYPE);
		CHECK(any_zstd(bytes_of(fetch_from(&c, 10, zstd_at))));
		const struct fetch_partition_reply *before = fetch_from(&c, 9, 0);
		CHECK(before->error_code != KE_NONE || !any_zstd(bytes_of(before)));
		fetcher_close(&c);
		kafka_fixture_stop(&f);
		start(&f, folder);
	}
	kafka_fixture_stop(&f);
	batch_writer_release(&writer);
}
