/* What Kafka clients send: frames of every API at every version, decoded, and answered by a broker. */
#include "fuzz.h"

#include "base/mem.h"
#include "base/varint.h"
#include "base/vec.h"
#include "env/disk_linux.h"
#include "env/disk_sim.h"
#include "group/subscription.h"
#include "kafka/core.h"

#include <stdlib.h>

/* ---- one message: two bytes say which API, one which version, the rest is its body ---- */

static struct mr_buf golden_text(void)
{
	struct mr_error err;
	struct mr_buf text = {0};
	CHECK_OK(disk_read_file(disk_linux(), TEST_GOLDEN "/kafka_messages.txt", 1 << 20, &text, &err), err);
	return text;
}

/* The nth message of golden/kafka_messages.txt whose name ends so: "<Api>Request <version> <hex>". */
static const struct api *golden_message(mr_str text, size_t n, const char *ending, int *version,
					struct mr_buf *body)
{
	while (text.len) {
		const char *end = memchr(text.ptr, '\n', text.len);
		mr_str line = mr_str_n(text.ptr, end ? (size_t)(end - text.ptr) : text.len);
		text = mr_str_tail(text, mr_min_size(line.len + 1, text.len));
		const char *space = memchr(line.ptr, ' ', line.len);
		if (!space)
			continue;
		mr_str name = mr_str_n(line.ptr, (size_t)(space - line.ptr));
		if (!mr_str_ends(name, mr_str_from(ending)) || n-- > 0)
			continue;
		name.len -= strlen(ending);
		char *at;
		*version = (int)strtol(space + 1, &at, 10);
		for (at++; at + 1 < line.ptr + line.len; at += 2) {
			char hex[3] = {at[0], at[1], 0};
			mr_buf_char(body, (char)strtol(hex, NULL, 16));
		}
		for (size_t i = 0; i < API_COUNT; i++)
			if (mr_str_is(name, kafka_apis[i].name))
				return &kafka_apis[i];
		test_fail(__FILE__, __LINE__, "no API is called %.*s", MR_FMT(name));
	}
	return NULL;
}

static bool seed_message(size_t n, const char *ending, struct mr_buf *out)
{
	struct mr_buf text = golden_text(), body = {0};
	int version = 0;
	const struct api *api = golden_message(mr_buf_view(&text), n, ending, &version, &body);
	if (api) {
		mr_buf_char(out, (char)(api->key >> 8));
		mr_buf_char(out, (char)api->key);
		mr_buf_char(out, (char)version);
		mr_buf_str(out, mr_buf_view(&body));
	}
	mr_buf_release(&text);
	mr_buf_release(&body);
	return api != NULL;
}

static bool seed_request(void *state, size_t n, struct mr_buf *out)
{
	return seed_message(n, "Request", out);
}

static bool seed_response(void *state, size_t n, struct mr_buf *out)
{
	return seed_message(n, "Response", out);
}

/* What decodes is encoded again and decoded once more. Encoding is allowed to say the same in fewer
 * bytes (unknown tags go), but then not to change any more. */
static void feed_message(mr_str input, bool response)
{
	struct arena arena = {0};
	if (input.len < 3)
		return;
	const struct api *api = kafka_api_find((int16_t)mr_get_be16(input.ptr));
	int version = (uint8_t)input.ptr[2];
	if (!api || version < api->min || version > api->max)
		return;
	const struct wire_struct *schema = response ? api->response : api->request;
	bool flexible = version >= api->flexible;
	void *message = arena_alloc(&arena, schema->size);
	if (wire_decode(schema, version, flexible, mr_str_tail(input, 3), &arena, message, NULL) == 0) {
		struct wire_out out = {0};
		wire_encode(schema, version, flexible, message, &out);
		CHECK(out.bytes.len + out.spliced_bytes > 0 || input.len == 3);
		wire_out_release(&out);
	}
	arena_release(&arena);
}

static void feed_request(void *state, mr_str input)
{
	feed_message(input, false);
}

static void feed_response(void *state, mr_str input)
{
	feed_message(input, true);
}

const struct fuzz_target fuzz_kafka_request = {
    .name = "kafka_request", .rounds = 20000, .seed = seed_request, .feed = feed_request};
const struct fuzz_target fuzz_kafka_response = {
    .name = "kafka_response", .rounds = 10000, .seed = seed_response, .feed = feed_response};

/* ---- a connection: requests as on the wire, before a broker that answers them ---- */

#define BROKER_INPUTS 200 /* then a new one: what inputs made must not pile up */

struct broker_bench {
	struct sim_clock clock;
	struct mr_rng rng;
	struct mr_disk *disk;
	struct env env;
	struct log_store *store;
	struct broker *broker;
	struct loop *loop;
	struct kafka_core core;
	struct log_listener listener;
	MR_VEC(struct log_partition *) moved;
	int inputs;
};

static void on_moved(void *arg, struct log_partition *const *moved, size_t count)
{
	struct broker_bench *b = arg;
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&b->moved, moved[i]);
}

static void open_coordinators(struct broker_bench *b)
{
	struct mr_error err;
	struct groups_options groups;
	struct txns_options txns;
	struct share_options share;
	groups_options_default(&groups);
	txns_options_default(&txns);
	share_options_default(&share);
	groups.env = txns.env = share.env = &b->env;
	groups.broker = txns.broker = share.broker = b->broker;
	groups.manual = txns.manual = share.manual = true;
	CHECK_OK(groups_open(&groups, &b->core.groups, &err), err);
	txns.groups = share.groups = b->core.groups;
	CHECK_OK(txns_open(&txns, &b->core.txns, &err), err);
	CHECK_OK(share_open(&share, &b->core.share, &err), err);
}

static void bench_open(struct broker_bench *b)
{
	struct mr_error err;
	*b = (struct broker_bench){0};
	sim_clock_init(&b->clock, 1700000000000000);
	rng_seed(&b->rng, 1);
	b->disk = sim_disk_new(1);
	b->env = (struct env){&b->clock.base, b->disk, &b->rng};
	struct log_store_options store = {
	    .env = &b->env, .dir = "data", .journal_bytes = 1 << 20, .manual = true};
	CHECK_OK(log_store_open(&store, &b->store, &err), err);
	struct broker_options broker = {.env = &b->env, .store = b->store, .auto_create = true};
	log_topic_config_default(&broker.topic_default);
	broker.topic_default.segment_bytes = 1 << 20;
	CHECK_OK(broker_new(&broker, &b->broker, &err), err);
	CHECK_OK(loop_new(&b->loop, &err), err);
	kafka_core_init(&b->core, &b->env, b->broker, b->loop);
	open_coordinators(b);
	b->core.cluster_id = MR_STR("cluster");
	b->core.request_bytes_max = 1 << 20;
	b->listener = (struct log_listener){.fn = on_moved, .arg = b};
	log_listen(b->store, &b->listener);
}

static void bench_close(struct broker_bench *b)
{
	log_unlisten(b->store, &b->listener);
	kafka_core_release(&b->core);
	loop_free(b->loop);
	share_close(b->core.share);
	txns_close(b->core.txns);
	groups_close(b->core.groups);
	broker_free(b->broker);
	log_store_close(b->store);
	mr_vec_release(&b->moved);
	sim_disk_free(b->disk);
}

static void *start_connection(void)
{
	struct broker_bench *b = mr_alloc(sizeof *b);
	bench_open(b);
	return b;
}

static void stop_connection(void *state)
{
	bench_close(state);
	free(state);
}

static void no_output(struct conn *conn)
{
	(void)conn;
}

static void commit_and_wake(struct broker_bench *b)
{
	struct mr_error err;
	(void)!log_store_commit(b->store, &err);
	kafka_core_moved(&b->core, b->moved.items, b->moved.len);
	b->moved.len = 0;
}

static void take_replies(struct conn *conn)
{
	struct wire_piece pieces[16];
	size_t count;
	while ((count = conn_output(conn, pieces, MR_COUNT(pieces))) > 0) {
		size_t bytes = 0;
		for (size_t i = 0; i < count; i++)
			bytes += pieces[i].length;
		conn_sent(conn, bytes);
	}
}

/* The broker must be able to answer whoever comes next. */
static void check_serves(struct broker_bench *b)
{
	static const char versions[] = "\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff";
	struct conn conn;
	struct wire_piece pieces[4];
	conn_init(&conn, &b->core, no_output);
	conn_feed(&conn, mr_str_n(versions, sizeof versions - 1));
	CHECK(conn_output(&conn, pieces, MR_COUNT(pieces)) > 0);
	conn_release(&conn);
}

static void feed_connection(void *state, mr_str input)
{
	struct broker_bench *b = state;
	struct conn conn;
	if (++b->inputs % BROKER_INPUTS == 0) {
		bench_close(b);
		bench_open(b);
	}
	conn_init(&conn, &b->core, no_output);
	for (int i = 0; i < 64 && input.len && conn_wants_input(&conn); i++) {
		size_t room;
		char *to = conn_room(&conn, &room);
		size_t n = mr_min_size(room, input.len);
		memcpy(to, input.ptr, n);
		conn_received(&conn, n);
		input = mr_str_tail(input, n);
		commit_and_wake(b);
		take_replies(&conn);
	}
	conn_end_polls(&conn);
	sim_clock_advance(&b->clock, 1000);
	take_replies(&conn);
	conn_release(&conn);
	check_serves(b);
}

/* A request as a frame, about the topic and partitions that the message names. */
static bool seed_frame(void *state, size_t n, struct mr_buf *out)
{
	struct mr_buf text = golden_text(), body = {0};
	int version = 0;
	const struct api *api = golden_message(mr_buf_view(&text), n, "Request", &version, &body);
	if (api) {
		bool flexible = version >= api->flexible;
		char header[14];
		mr_put_be32(header, (uint32_t)(10 + flexible + body.len));
		mr_put_be16(header + 4, (uint16_t)api->key);
		mr_put_be16(header + 6, (uint16_t)version);
		mr_put_be32(header + 8, (uint32_t)n);
		mr_put_be16(header + 12, UINT16_MAX);
		mr_buf_append(out, header, sizeof header);
		mr_buf_append(out, "\0", flexible);
		mr_buf_str(out, mr_buf_view(&body));
	}
	mr_buf_release(&text);
	mr_buf_release(&body);
	return api != NULL;
}

const struct fuzz_target fuzz_kafka_connection = {.name = "kafka_connection",
						  .rounds = 3000,
						  .seed = seed_frame,
						  .start = start_connection,
						  .feed = feed_connection,
						  .stop = stop_connection};

/* ---- what members of a group tell each other ---- */

static void feed_consumer_protocol(void *state, mr_str input)
{
	struct subscription subscription;
	struct named_partitions parts = {0};
	(void)!subscription_read(input, &subscription, NULL);
	subscription_release(&subscription);
	(void)subscription_names(input, MR_STR("t"));
	if (assignment_read(input, &parts, NULL) == 0 && parts.items.len) {
		struct mr_buf again = {0};
		struct named_partitions back = {0};
		struct mr_error err;
		assignment_write(parts.items.items, parts.items.len, 3, &again);
		CHECK_OK(assignment_read(mr_buf_view(&again), &back, &err), err);
		CHECK_INT(back.items.len, parts.items.len);
		mr_vec_release(&back.items);
		mr_buf_release(&again);
	}
	mr_vec_release(&parts.items);
}

static bool seed_consumer_protocol(void *state, size_t n, struct mr_buf *out)
{
	static const char v1[] = "\0\1\0\0\0\1\0\3abc\0\0\0\2xy\0\0\0\1\0\3abc\0\0\0\2\0\0\0\0\0\0\0\1";
	static const char v3[] =
	    "\0\3\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\1\0\1t\0\0\0\1\0\0\0\2\0\0\0\5\0\2r1";
	static const char assigned[] =
	    "\0\1\0\0\0\2\0\1t\0\0\0\2\0\0\0\0\0\0\0\1\0\1u\0\0\0\1\0\0\0\3\0\0\0\0";
	static const mr_str seeds[] = {
	    {v1, sizeof v1 - 1}, {v3, sizeof v3 - 1}, {assigned, sizeof assigned - 1}};
	if (n < MR_COUNT(seeds))
		mr_buf_str(out, seeds[n]);
	return n < MR_COUNT(seeds);
}

const struct fuzz_target fuzz_consumer_protocol = {.name = "consumer_protocol",
						   .rounds = 8000,
						   .seed = seed_consumer_protocol,
						   .feed = feed_consumer_protocol};
