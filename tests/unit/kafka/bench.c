#include "kafka/bench.h"

#include "base/varint.h"

#include <sys/socket.h>
#include <unistd.h>

void bench_on_output(struct conn *conn)
{
	(void)conn;
}

static void on_moved(void *arg, struct log_partition *const *moved, size_t count)
{
	struct bench *b = arg;
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&b->moved, moved[i]);
}

static void on_answered(void *arg, const void *ticket)
{
	struct bench *b = arg;
	mr_vec_push(&b->answered, ticket);
}

void bench_open_in(struct bench *b, const struct env *env, const char *folder, size_t pending_bytes_max)
{
	struct mr_error err;
	*b = (struct bench){.correlation = 100};
	struct log_store_options store = {
	    .env = env,
	    .dir = folder,
	    .journal_bytes = 4 << 20,
	    .pending_bytes_max = pending_bytes_max,
	    .manual = true,
	};
	CHECK_OK(log_store_open(&store, &b->store, &err), err);
	struct broker_options broker = {.env = env, .store = b->store, .auto_create = true};
	log_topic_config_default(&broker.topic_default);
	CHECK_OK(broker_new(&broker, &b->broker, &err), err);
	CHECK_OK(loop_new(&b->loop, &err), err);
	kafka_core_init(&b->core, env, b->broker, b->loop);
	struct groups_options groups;
	groups_options_default(&groups);
	groups.env = env;
	groups.broker = b->broker;
	groups.manual = true;
	CHECK_OK(groups_open(&groups, &b->core.groups, &err), err);
	struct txns_options txns;
	txns_options_default(&txns);
	txns.env = env;
	txns.broker = b->broker;
	txns.groups = b->core.groups;
	txns.manual = true;
	CHECK_OK(txns_open(&txns, &b->core.txns, &err), err);
	struct share_options share;
	share_options_default(&share);
	share.env = env;
	share.broker = b->broker;
	share.groups = b->core.groups;
	share.manual = true;
	CHECK_OK(share_open(&share, &b->core.share, &err), err);
	groups_listen(b->core.groups, on_answered, b);
	txns_listen(b->core.txns, on_answered, b);
	b->core.cluster_id = MR_STR("cluster");
	conn_init(&b->conn, &b->core, bench_on_output);
	b->listener = (struct log_listener){.fn = on_moved, .arg = b};
	log_listen(b->store, &b->listener);
	batch_writer_init(&b->writer, 16 << 20);
}

void bench_open(struct bench *b, size_t pending_bytes_max)
{
	bench_open_in(b, env_linux(), test_folder(), pending_bytes_max);
}

void bench_close(struct bench *b)
{
	conn_release(&b->conn);
	log_unlisten(b->store, &b->listener);
	kafka_core_release(&b->core);
	loop_free(b->loop);
	share_close(b->core.share);
	txns_close(b->core.txns);
	groups_close(b->core.groups);
	broker_free(b->broker);
	log_store_close(b->store);
	mr_vec_release(&b->moved);
	mr_vec_release(&b->answered);
	mr_buf_release(&b->replies);
	arena_release(&b->arena);
	batch_writer_release(&b->writer);
}

int bench_try_commit(struct bench *b)
{
	struct mr_error err;
	int rc = log_store_commit(b->store, &err);
	txns_tick(b->core.txns);
	groups_tick(b->core.groups);
	kafka_core_moved(&b->core, b->moved.items, b->moved.len);
	kafka_core_wake(&b->core, b->answered.items, b->answered.len);
	b->moved.len = b->answered.len = 0;
	conn_pump(&b->conn);
	return rc;
}

void bench_commit(struct bench *b)
{
	CHECK_INT(bench_try_commit(b), 0);
}

/* ---- requests ---- */

mr_str bench_frame(struct bench *b, enum api_index index, int version, const void *request)
{
	const struct api *api = &kafka_apis[index];
	struct mr_buf out = {0};
	struct wire_out body = {0};
	char head[4 + 8 + 6] = {0};
	bool flexible = version >= api->flexible;
	wire_encode(api->request, version, flexible, request, &body);
	mr_put_be16(head + 4, (uint16_t)api->key);
	mr_put_be16(head + 6, (uint16_t)version);
	mr_put_be32(head + 8, (uint32_t)b->correlation++);
	mr_put_be16(head + 12, 4);
	memcpy(head + 14, "test", 4);
	mr_buf_append(&out, head, sizeof head);
	if (flexible)
		mr_buf_char(&out, 0);
	size_t from = 0;
	for (size_t i = 0; i <= body.splices.len; i++) {
		bool last = i == body.splices.len;
		size_t to = last ? body.bytes.len : body.splices.items[i].at;
		mr_buf_str(&out, mr_str_n(body.bytes.ptr + from, to - from));
		if (!last)
			mr_buf_append(&out, body.splices.items[i].piece.bytes,
				      body.splices.items[i].piece.length);
		from = to;
	}
	mr_put_be32(out.ptr, (uint32_t)(out.len - 4));
	mr_str copy = arena_copy(&b->arena, mr_buf_view(&out));
	mr_buf_release(&out);
	wire_out_release(&body);
	return copy;
}

mr_str bench_batch(struct bench *b, int records, size_t value_bytes)
{
	struct mr_error err;
	mr_str out;
	char *value = arena_calloc(&b->arena, 1, value_bytes + 1);
	batch_writer_start(&b->writer);
	for (int i = 0; i < records; i++)
		batch_writer_add(&b->writer, 1000 + i, MR_STR_NULL, mr_str_n(value, value_bytes), NULL, 0);
	CHECK_OK(batch_writer_finish(&b->writer, BATCH_NONE, &out, &err), err);
	return arena_copy(&b->arena, out);
}

struct log_topic *bench_topic(struct bench *b, const char *name)
{
	struct mr_error err;
	struct log_topic *out;
	CHECK_OK(broker_topic_get(b->broker, mr_str_from(name), true, &out, &err), err);
	return out;
}

/* ---- replies ---- */

static void collect(struct bench *b)
{
	struct wire_piece pieces[3];
	char bytes[701];
	while (conn_output(&b->conn, pieces, MR_COUNT(pieces)) > 0) {
		/* An odd number of bytes at a time, as a full socket would take. */
		size_t sent = mr_min_size(pieces[0].length, pieces[0].bytes ? 7 : sizeof bytes);
		if (!pieces[0].bytes)
			CHECK_INT(pread(pieces[0].fd, bytes, sent, pieces[0].position), (ssize_t)sent);
		mr_buf_append(&b->replies, pieces[0].bytes ? pieces[0].bytes : bytes, sent);
		conn_sent(&b->conn, sent);
	}
}

/* The next reply's correlation id, or -1 when there is none; *body without the header. */
int32_t bench_next_reply(struct bench *b, bool flexible, mr_str *body)
{
	collect(b);
	if (b->replies.len == 0)
		return -1;
	CHECK(b->replies.len >= 8);
	size_t size = mr_get_be32(b->replies.ptr);
	CHECK(b->replies.len >= 4 + size);
	int32_t correlation = (int32_t)mr_get_be32(b->replies.ptr + 4);
	mr_str all = arena_copy(&b->arena, mr_str_n(b->replies.ptr + 8, size - 4));
	*body = mr_str_tail(all, flexible ? 1 : 0);
	mr_buf_consume(&b->replies, 4 + size);
	return correlation;
}

void *bench_reply(struct bench *b, enum api_index index, int version)
{
	const struct api *api = &kafka_apis[index];
	struct mr_error err;
	mr_str body;
	bool flexible = version >= api->flexible;
	if (bench_next_reply(b, flexible && index != API_ApiVersions, &body) < 0)
		return NULL;
	void *out = arena_alloc(&b->arena, api->response->size);
	CHECK_OK(wire_decode(api->response, version, flexible, body, &b->arena, out, &err), err);
	return out;
}
