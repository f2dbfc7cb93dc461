/* kafka/connection.c - frames in, replies out, in the order of the requests; no sockets.
 *
 * A frame is an int32 size and that many bytes. Produce is handled where its frame lies in the
 * input buffer, since the log copies the batches at once; other requests may wait, so they
 * get a copy of their (small) frame. Requests run as soon as they are read, not only when
 * those before them are answered: pipelined Produces share a commit.
 *
 * A connection has an input buffer only while it holds part of a frame. In between the core keeps
 * it, warm, for whichever connection is next: an idle one costs no buffer, and a busy one does not
 * fault in fresh pages for each frame. A large frame is read up to its end and no further, so
 * nothing behind it has to be moved to the front.
 */
#include "base/varint.h"
#include "kafka/core.h"
#include "kafka/request.h"
#include "kafka/security.h"

#include <stdlib.h>

#define READ_SIZE ((size_t)64 << 10)

/* ---- input buffers ---- */

static void borrow_buffer(struct conn *conn)
{
	struct kafka_core *core = conn->core;
	if (core->inputs.len == 0)
		return;
	conn->in = core->inputs.items[--core->inputs.len];
	core->inputs_bytes -= conn->in.cap;
}

/* The buffer holds nothing more. */
static void return_buffer(struct conn *conn)
{
	struct kafka_core *core = conn->core;
	conn->in_at = 0;
	mr_buf_clear(&conn->in);
	if (core->inputs_bytes + conn->in.cap > KAFKA_SPARE_INPUT_MAX) {
		mr_buf_release(&conn->in);
	} else if (conn->in.cap) {
		core->inputs_bytes += conn->in.cap;
		mr_vec_push(&core->inputs, conn->in);
		conn->in = (struct mr_buf){0};
	}
}

/* ---- connections ---- */

void conn_init(struct conn *conn, struct kafka_core *core, void (*output)(struct conn *conn))
{
	*conn = (struct conn){.core = core,
			      .output = output,
			      .identity.mechanism = -1,
			      .opened_ms = clock_wall_ms(core->env->clock)};
}

void conn_release(struct conn *conn)
{
	if (conn->shares)
		share_connection_gone(conn->core->share, conn);
	while (conn->first) {
		struct request *r = conn->first;
		conn->first = r->next;
		request_drop(r);
	}
	for (size_t i = 0; conn->listed && i < conn->core->busy.len; i++) {
		if (conn->core->busy.items[i] == conn) {
			mr_vec_remove(&conn->core->busy, i);
			break;
		}
	}
	return_buffer(conn);
	conn_identity_release(conn);
}

/* ---- input ---- */

static size_t unread(const struct conn *conn)
{
	return conn->in.len - conn->in_at;
}

/* How much to read now: to the end of a large frame, else what comes. */
static size_t wanted(const struct conn *conn)
{
	if (unread(conn) < 4)
		return READ_SIZE;
	size_t frame = 4 + (size_t)mr_get_be32(conn->in.ptr + conn->in_at);
	return frame > READ_SIZE ? frame - unread(conn) : READ_SIZE;
}

char *conn_room(struct conn *conn, size_t *room)
{
	MR_ASSERT(!conn->busy); /* its request points into the buffer */
	if (conn->in.cap == 0)
		borrow_buffer(conn);
	if (conn->in_at >= READ_SIZE) {
		mr_buf_consume(&conn->in, conn->in_at);
		conn->in_at = 0;
	}
	/* The buffer doubles as bytes come, so a frame that lies about its size costs nothing. */
	size_t most = mr_min_size(wanted(conn), mr_max_size(READ_SIZE, unread(conn)));
	mr_buf_reserve(&conn->in, most);
	*room = mr_min_size(wanted(conn), conn->in.cap - conn->in.len - 1);
	return conn->in.ptr + conn->in.len;
}

void conn_received(struct conn *conn, size_t len)
{
	conn->in.len += len;
	atomic_fetch_add_explicit(&conn->core->bytes_in, len, memory_order_relaxed);
	atomic_fetch_add_explicit(&conn->bytes_in, len, memory_order_relaxed);
	if (conn->in.len == 0)
		return_buffer(conn);
	else
		conn_pump(conn);
}

void conn_feed(struct conn *conn, mr_str bytes)
{
	while (bytes.len) {
		size_t room;
		char *to = conn_room(conn, &room);
		size_t n = mr_min_size(room, bytes.len);
		memcpy(to, bytes.ptr, n);
		conn_received(conn, n);
		bytes = mr_str_tail(bytes, n);
	}
}

bool conn_is_muted(const struct conn *conn)
{
	return conn->muted_until_us && clock_mono_us(conn->core->env->clock) < conn->muted_until_us;
}

bool conn_wants_input(const struct conn *conn)
{
	return !conn->broken && !conn->busy && conn->queued < KAFKA_IN_FLIGHT_MAX &&
	       conn->unsent_bytes < KAFKA_UNSENT_BYTES_MAX && !conn_is_muted(conn);
}

/* 1: *frame is the next one, without its size; 0: not all there yet; negative: impossible. */
static int next_frame(struct conn *conn, mr_str *frame)
{
	if (unread(conn) < 4)
		return 0;
	const char *at = conn->in.ptr + conn->in_at;
	int32_t size = (int32_t)mr_get_be32(at);
	int32_t least = conn->identity.raw ? 0 : 8;
	if (size < least || (size_t)size > conn->core->request_bytes_max)
		return MR_ERR_LIMIT;
	if (unread(conn) - 4 < (size_t)size)
		return 0;
	*frame = mr_str_n(at + 4, (size_t)size);
	return 1;
}

static void frame_consumed(struct conn *conn)
{
	conn->in_at += 4 + mr_get_be32(conn->in.ptr + conn->in_at);
	if (conn->in_at == conn->in.len)
		return_buffer(conn);
}

static int decode_request(struct request *r, mr_str frame, struct mr_error *err)
{
	int rc = wire_read_header_start(frame, &r->header, err);
	if (rc < 0)
		return rc;
	r->api = kafka_api_find(r->header.api_key);
	if (!r->api)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "API key %d is not served", r->header.api_key);
	r->out = arena_alloc(&r->arena, r->api->response->size);
	wire_defaults(r->api->response, r->out);
	if (r->header.version < r->api->min || r->header.version > r->api->max) {
		/* A newer client finds out what is spoken here by version 0 and error 35 (KIP-511). */
		if (r->api != &kafka_apis[API_ApiVersions])
			return mr_fail(err, MR_ERR_UNSUPPORTED, "%s version %d is not served", r->api->name,
				       r->header.version);
		r->header.version = 0;
		r->failed = true;
		return 0;
	}
	if (r->api != &kafka_apis[API_Produce])
		frame = arena_copy(&r->arena, frame);
	bool flexible = r->header.version >= r->api->flexible;
	mr_str body;
	rc = wire_read_header(frame, flexible, &r->header, &body, err);
	if (rc < 0)
		return rc;
	r->in = arena_alloc(&r->arena, r->api->request->size);
	return wire_decode(r->api->request, r->header.version, flexible, body, &r->arena, r->in, err);
}

static void enqueue(struct conn *conn, struct request *r)
{
	if (conn->last)
		conn->last->next = r;
	else
		conn->first = r;
	conn->last = r;
	conn->queued++;
}

static void refuse_input(struct conn *conn)
{
	conn->broken = true;
	atomic_fetch_add_explicit(&conn->core->bad_frames, 1, memory_order_relaxed);
	conn->output(conn);
}

/* A bare SASL token, answered by a bare one; there is no way to say why one is refused. */
static void pump_token(struct conn *conn, mr_str token)
{
	struct request *r = request_new(conn);
	enqueue(conn, r);
	mr_buf_append(&r->reply.bytes, "\0\0\0", 4);
	conn->broken = conn_sasl_token(conn, token, &r->reply.bytes, NULL) != KE_NONE;
	if (conn->broken)
		wire_out_clear(&r->reply);
	else
		mr_put_be32(r->reply.bytes.ptr, (uint32_t)(r->reply.bytes.len - 4));
	r->done = true;
	conn->unsent_bytes += request_reply_bytes(r);
	frame_consumed(conn);
	conn->output(conn);
}

bool conn_pump(struct conn *conn)
{
	bool any = false;
	while (conn_wants_input(conn)) {
		mr_str frame;
		int rc = next_frame(conn, &frame);
		if (rc == 0)
			return any;
		if (rc > 0 && conn->identity.raw) {
			pump_token(conn, frame);
			any = true;
			continue;
		}
		struct request *r = rc > 0 ? request_new(conn) : NULL;
		if (r && decode_request(r, frame, NULL) < 0) {
			request_drop(r);
			r = NULL;
		}
		if (!r) {
			refuse_input(conn);
			return any;
		}
		any = true;
		conn_label_request(conn, r);
		enqueue(conn, r);
		conn->busy = r; /* until the step says otherwise */
		request_step(r);
		if (conn->busy && !conn->listed) {
			conn->listed = true;
			mr_vec_push(&conn->core->busy, conn);
		}
	}
	return any;
}

void conn_end_polls(struct conn *conn)
{
	for (struct request *r = conn->first; r; r = r->next) {
		if (!r->done && r->api == &kafka_apis[API_Fetch]) {
			r->expired = true;
			request_step(r);
		}
	}
}

void conn_step_ended(struct conn *conn, struct request *r, bool busy)
{
	if (conn->busy != r || busy)
		return;
	conn->busy = NULL;
	frame_consumed(conn);
	conn->output(conn);
}

/* ---- output ---- */

static void pop_first(struct conn *conn)
{
	struct request *r = conn->first;
	conn->first = r->next;
	if (!conn->first)
		conn->last = NULL;
	conn->queued--;
	conn->unsent_bytes -= request_reply_bytes(r);
	conn->sent = 0;
	request_drop(r);
}

void conn_request_done(struct conn *conn)
{
	conn->output(conn);
}

/* Appends what is left of a piece behind `*skip` bytes, which count down. */
static size_t take_piece(const struct wire_piece *piece, size_t *skip, struct wire_piece *out)
{
	size_t drop = mr_min_size(*skip, piece->length);
	*skip -= drop;
	if (piece->length == drop)
		return 0;
	*out = (struct wire_piece){
	    .bytes = piece->bytes ? piece->bytes + drop : NULL,
	    .fd = piece->fd,
	    .position = piece->position + (int64_t)drop,
	    .length = piece->length - drop,
	};
	return 1;
}

/* The pieces of one reply from byte `skip` on: stretches of its bytes with splices between. */
static size_t reply_pieces(const struct request *r, size_t skip, struct wire_piece *pieces, size_t max)
{
	const struct wire_out *reply = &r->reply;
	size_t n = 0, from = 0;
	for (size_t i = 0; i <= reply->splices.len && n < max; i++) {
		const struct wire_splice *splice = i < reply->splices.len ? &reply->splices.items[i] : NULL;
		size_t to = splice ? splice->at : reply->bytes.len;
		struct wire_piece between = {.bytes = reply->bytes.ptr + from, .fd = -1, .length = to - from};
		n += take_piece(&between, &skip, &pieces[n]);
		if (splice && n < max)
			n += take_piece(&splice->piece, &skip, &pieces[n]);
		from = to;
	}
	return n;
}

size_t conn_output(struct conn *conn, struct wire_piece *pieces, size_t max)
{
	while (conn->first && conn->first->done && request_reply_bytes(conn->first) == 0)
		pop_first(conn);
	size_t n = 0, skip = conn->sent;
	for (struct request *r = conn->first; r && r->done && n < max; r = r->next) {
		n += reply_pieces(r, skip, pieces + n, max - n);
		skip = 0;
	}
	return n;
}

void conn_sent(struct conn *conn, size_t len)
{
	atomic_fetch_add_explicit(&conn->core->bytes_out, len, memory_order_relaxed);
	atomic_fetch_add_explicit(&conn->bytes_out, len, memory_order_relaxed);
	conn->sent += len;
	while (conn->first && conn->first->done) {
		size_t whole = request_reply_bytes(conn->first), sent = conn->sent;
		if (sent < whole)
			return;
		pop_first(conn);
		conn->sent = sent - whole;
	}
}

bool conn_moved(struct conn *conn)
{
	bool owed = conn->first && !conn->first->done;
	uint64_t requests = atomic_load_explicit(&conn->requests, memory_order_relaxed);
	uint64_t out = atomic_load_explicit(&conn->bytes_out, memory_order_relaxed);
	uint64_t in = atomic_load_explicit(&conn->bytes_in, memory_order_relaxed);
	bool moved = owed || requests != conn->seen.requests || out != conn->seen.out ||
		     in - conn->seen.in >= READ_SIZE;
	conn->seen.requests = requests;
	conn->seen.out = out;
	conn->seen.in = in;
	return moved;
}

bool conn_finished(const struct conn *conn)
{
	return conn->broken && !conn->first;
}

mr_str conn_broker_host(const struct conn *conn)
{
	return conn->advertised_host.len ? conn->advertised_host : mr_str_from(conn->host);
}

int conn_broker_port(const struct conn *conn)
{
	return conn->advertised_host.len ? conn->advertised_port : conn->port;
}
