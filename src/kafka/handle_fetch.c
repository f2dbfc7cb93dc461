/* Fetch (1), versions 4-18: whole stable batches, and a wait when there are too few.
 *
 * The reply is sent when min_bytes are there, when a partition has an error, or when max_wait
 * is over. A waiting Fetch is on the lists of its partitions and costs nothing until one of
 * them moves; then it is read anew, so that each partition's batches lie together.
 *
 * No record is copied on its way: the reply holds views of the log (log/view.h), of the tail's
 * memory or of segments, until it is sent. A short stretch of a file is read instead, which costs
 * less than another call to send it; so is every one while KAFKA_FILE_VIEWS_MAX of them are on
 * their way, since each may keep a file open.
 *
 * max_bytes and partition_max_bytes are honoured but for the first batch of the first partition
 * that has any, so that a large batch cannot stop a consumer (KIP-74). The batch that holds the
 * offset comes whole. A Fetch that belongs to a session (fetch_session.h) is read as all that its
 * session holds, and only partitions with news are answered.
 *
 * read_committed is given what lies below the last stable offset, with the list of the aborted
 * transactions in it, by first offset; the client leaves them out. read_uncommitted gets no list.
 *
 * Versions below 10 know no zstd: a partition whose next batch uses it answers
 * UNSUPPORTED_COMPRESSION_TYPE.
 */
#include "kafka/handler.h"
#include "kafka/security.h"
#include "log/transactions.h"
#include "log/view.h"

#include <stdlib.h>

struct fetch_part {
	const struct fetch_partition *in;
	struct fetch_partition_reply *out;
	struct log_partition *partition;
	size_t view_at, view_count; /* in the progress's views */
	size_t bytes;               /* theirs */
	int64_t next;
};

#define SEND_FILE_LEAST ((size_t)16 << 10)

enum { READ_COMMITTED = 1, ATTRIBUTES_AT = 21 };

struct fetch_progress {
	struct fetch_session_ref session;
	struct fetch_part *parts;
	size_t count;
	size_t least, most;            /* bytes */
	MR_VEC(struct log_view) views; /* of all parts, in their order */
	size_t bytes, file_views;      /* theirs */
};

static void plan_part(struct request *r, struct fetch_part *part, struct log_topic *topic, bool may)
{
	int32_t epoch = part->in->current_leader_epoch;
	*part->out = (struct fetch_partition_reply){
	    .partition = part->in->partition,
	    .high_watermark = -1,
	    .last_stable_offset = -1,
	    .log_start_offset = -1,
	    .diverging_epoch = {-1, -1},
	    .current_leader = {-1, -1},
	    .snapshot_id = {-1, -1},
	    .aborted_transactions = {NULL, -1},
	    .preferred_read_replica = -1,
	};
	part->partition = topic ? log_partition_at(topic, part->in->partition) : NULL;
	if (!may)
		part->out->error_code = request_code(r, KE_TOPIC_AUTHORIZATION_FAILED);
	else if (!part->partition)
		part->out->error_code =
		    request_code(r, r->header.version >= 13 && !topic ? KE_UNKNOWN_TOPIC_ID
								      : KE_UNKNOWN_TOPIC_OR_PARTITION);
	else if (epoch != -1 && epoch != KAFKA_LEADER_EPOCH)
		part->out->error_code = request_code(r, KE_UNKNOWN_LEADER_EPOCH);
}

static struct fetch_progress *plan(struct request *r)
{
	const struct fetch_request *in = r->in;
	struct fetch_response *out = r->out;
	struct fetch_progress *p = arena_calloc(&r->arena, 1, sizeof *p);
	p->least = (size_t)mr_max_i64(in->min_bytes, 0);
	p->most = (size_t)mr_min_i64(mr_max_i64(in->max_bytes, 0), KAFKA_FETCH_BYTES_MAX);
	p->least = mr_min_size(p->least, p->most);
	for (int32_t i = 0; i < in->topics.count; i++)
		p->count += (size_t)in->topics.items[i].partitions.count;
	p->parts = arena_calloc(&r->arena, mr_max_size(p->count, 1), sizeof *p->parts);
	request_array(r, &out->topics, in->topics.count);
	struct fetch_part *part = p->parts;
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct fetch_topic *t = &in->topics.items[i];
		struct fetch_topic_reply *reply = &out->topics.items[i];
		struct log_topic *topic =
		    kafka_topic_of(request_core(r), t->topic, t->topic_id, r->header.version >= 13);
		bool may = request_may_topic(r, ACL_READ, topic ? log_topic_name(topic) : t->topic);
		reply->topic = t->topic;
		memcpy(reply->topic_id, t->topic_id, 16);
		request_array(r, &reply->partitions, t->partitions.count);
		for (int32_t k = 0; k < t->partitions.count; k++, part++) {
			part->in = &t->partitions.items[k];
			part->out = &reply->partitions.items[k];
			plan_part(r, part, topic, may);
		}
	}
	return p;
}

static void drop_views(struct request *r, struct fetch_progress *p)
{
	for (size_t i = 0; i < p->views.len; i++)
		log_view_release(&p->views.items[i]);
	p->views.len = 0;
	request_core(r)->file_views -= p->file_views;
	p->bytes = p->file_views = 0;
}

static void fetch_release(struct request *r)
{
	struct fetch_progress *p = r->progress;
	drop_views(r, p);
	mr_vec_release(&p->views);
}

static bool reads_committed(const struct request *r)
{
	const struct fetch_request *in = r->in;
	return in->isolation_level == READ_COMMITTED;
}

/* 0, 1 when a batch of the view uses zstd, negative when it cannot be known. */
static int has_zstd(const struct log_view *view)
{
	char header[BATCH_HEADER_SIZE];
	size_t at = 0;
	int rc;
	while ((rc = log_view_header(view, &at, header, NULL)) == 0) {
		if ((mr_get_be16(header + ATTRIBUTES_AT) & BATCH_CODEC_MASK) == BATCH_ZSTD)
			return 1;
	}
	return rc < 0 ? rc : 0;
}

/* Make the view one of the part's. A Kafka code; but for KE_NONE the view is released. */
static int16_t take_view(struct request *r, struct fetch_progress *p, struct fetch_part *part,
			 struct log_view *view)
{
	struct kafka_core *core = request_core(r);
	int zstd = r->header.version < 10 ? has_zstd(view) : 0;
	int rc = zstd < 0 ? zstd : 0;
	if (zstd == 0 && (view->length < SEND_FILE_LEAST || core->file_views >= KAFKA_FILE_VIEWS_MAX))
		rc = log_view_load(view, NULL);
	if (rc < 0 || zstd) {
		log_view_release(view);
		return rc < 0 ? kafka_error_of(rc, ON_READ) : KE_UNSUPPORTED_COMPRESSION_TYPE;
	}
	core->file_views += view->fd >= 0;
	p->file_views += view->fd >= 0;
	p->bytes += view->length;
	part->bytes += view->length;
	part->view_count++;
	part->next = view->next_offset;
	mr_vec_push(&p->views, *view);
	return KE_NONE;
}

/* Views of the part's batches, up to `limit` bytes. An error behind good batches is left to the next
 * Fetch, which begins with it. */
static int16_t view_part(struct request *r, struct fetch_progress *p, struct fetch_part *part, size_t limit,
			 bool min_one)
{
	for (;;) {
		struct log_view view;
		struct log_view_request request = {
		    .offset = part->next,
		    .max_bytes = limit - mr_min_size(part->bytes, limit),
		    .min_one = min_one && part->bytes == 0,
		    .decided = reads_committed(r),
		};
		int rc = log_view(part->partition, &request, &view, NULL);
		int16_t code = kafka_error_of(rc, ON_READ);
		if (rc == 0 && view.length == 0) {
			part->next = view.next_offset; /* past what compaction took */
			return KE_NONE;
		}
		if (rc == 0)
			code = take_view(r, p, part, &view);
		if (code != KE_NONE)
			return part->bytes ? KE_NONE : code;
		if (part->bytes >= limit)
			return KE_NONE;
	}
}

static void read_part(struct request *r, struct fetch_progress *p, struct fetch_part *part)
{
	struct fetch_partition_reply *out = part->out;
	size_t room = p->most - mr_min_size(p->bytes, p->most);
	/* Taken before the read: what is read is never beyond the watermark that is told. */
	out->log_start_offset = log_start_offset(part->partition);
	part->view_at = p->views.len;
	part->view_count = part->bytes = 0;
	part->next = part->in->fetch_offset;
	size_t limit = mr_min_size(room, (size_t)mr_max_i64(part->in->partition_max_bytes, 0));
	int16_t code = view_part(r, p, part, limit, p->bytes == 0);
	out->last_stable_offset = log_last_stable_offset(part->partition);
	out->high_watermark = log_stable_offset(part->partition);
	if (code != KE_NONE)
		out->error_code = request_code(r, code);
}

/* Read every partition; true when any has an error. */
static bool read_all(struct request *r, struct fetch_progress *p)
{
	bool error = false;
	drop_views(r, p);
	for (size_t i = 0; i < p->count; i++) {
		struct fetch_part *part = &p->parts[i];
		if (part->out->error_code == KE_NONE)
			read_part(r, p, part);
		error = error || part->out->error_code != KE_NONE;
	}
	return error;
}

static bool any_moved(const struct request *r, const struct fetch_progress *p)
{
	int64_t (*end_of)(const struct log_partition *) =
	    reads_committed(r) ? log_last_stable_offset : log_stable_offset;
	for (size_t i = 0; i < p->count; i++) {
		if (end_of(p->parts[i].partition) > p->parts[i].next)
			return true;
	}
	return false;
}

static void list_aborted(struct request *r, struct fetch_part *part)
{
	struct log_aborted *found;
	size_t count = log_aborted(part->partition, part->in->fetch_offset, part->next, &found);
	request_array(r, &part->out->aborted_transactions, count);
	for (size_t i = 0; i < count; i++)
		part->out->aborted_transactions.items[i] =
		    (struct fetch_aborted){found[i].producer_id, found[i].first_offset};
	free(found);
}

/* Leave out what the session has told before; what stays keeps its order. */
static void leave_out_known(struct request *r, struct fetch_session_ref session)
{
	struct fetch_response *out = r->out;
	int32_t topics = 0;
	out->session_id = session.id;
	for (int32_t i = 0; session.id && i < out->topics.count; i++) {
		struct fetch_topic_reply *t = &out->topics.items[i];
		int32_t kept = 0;
		for (int32_t k = 0; k < t->partitions.count; k++) {
			if (fetch_session_tell(&request_core(r)->fetch_sessions, session, t,
					       &t->partitions.items[k]))
				t->partitions.items[kept++] = t->partitions.items[k];
		}
		t->partitions.count = kept;
		if (kept)
			out->topics.items[topics++] = *t;
	}
	if (session.id)
		out->topics.count = topics;
}

static void tell_records(struct request *r, struct fetch_progress *p, struct fetch_part *part)
{
	struct wire_pieces *records = &part->out->records;
	request_array(r, records, part->view_count);
	records->bytes = part->bytes;
	for (size_t i = 0; i < part->view_count; i++) {
		const struct log_view *view = &p->views.items[part->view_at + i];
		records->items[i] = (struct wire_piece){view->bytes, view->fd, view->position, view->length};
	}
}

static enum step answer(struct request *r, struct fetch_progress *p)
{
	struct fetch_response *out = r->out;
	out->throttle_time_ms = request_throttle(r, QUOTA_CONSUME, p->bytes);
	for (size_t i = 0; i < p->count; i++) {
		struct fetch_part *part = &p->parts[i];
		tell_records(r, p, part);
		if (part->out->error_code == KE_NONE && reads_committed(r))
			list_aborted(r, part);
	}
	leave_out_known(r, p->session);
	return STEP_DONE;
}

static void wait_for_more(struct request *r, struct fetch_progress *p)
{
	const struct fetch_request *in = r->in;
	struct log_partition **waited = arena_alloc(&r->arena, (p->count + 1) * sizeof *waited);
	for (size_t i = 0; i < p->count; i++)
		waited[i] = p->parts[i].partition;
	request_wait(r, waited, p->count);
	request_deadline(r, mr_max_i64(in->max_wait_ms, 0) * 1000);
}

/* The session's word on this Fetch: a Kafka code. On KE_NONE the request names all it wants. */
static int16_t enter_session(struct request *r, struct fetch_session_ref *session)
{
	static const int16_t codes[] = {
	    [FETCH_SESSION_OK] = KE_NONE,
	    [FETCH_SESSION_UNKNOWN] = KE_FETCH_SESSION_ID_NOT_FOUND,
	    [FETCH_SESSION_BAD_EPOCH] = KE_INVALID_FETCH_SESSION_EPOCH,
	    [FETCH_SESSION_NAMING] = KE_FETCH_SESSION_TOPIC_ID_ERROR,
	};
	struct kafka_core *core = request_core(r);
	struct fetch_sessions *sessions = &core->fetch_sessions;
	int32_t fresh_id = (int32_t)rng_below(core->env->rng, INT32_MAX) + 1;
	enum fetch_session_outcome outcome = fetch_sessions_begin(
	    sessions, r->in, r->header.version >= 13, fresh_id, clock_mono_us(core->env->clock), session);
	if (outcome == FETCH_SESSION_OK)
		fetch_session_expand(sessions, *session, &r->arena, r->in);
	return codes[outcome];
}

enum step fetch_step(struct request *r)
{
	const struct fetch_request *in = r->in;
	struct fetch_response *out = r->out;
	struct fetch_progress *p = r->progress;
	bool first = !p;
	if (first) {
		struct fetch_session_ref session = {0};
		out->error_code = request_code(r, enter_session(r, &session));
		if (out->error_code != KE_NONE)
			return STEP_DONE;
		p = r->progress = plan(r);
		p->session = session;
		r->release = fetch_release;
	} else if (!r->expired && !any_moved(r, p))
		return STEP_WAIT;
	bool error = read_all(r, p);
	/* expired: what was there at the last look is answered */
	if (error || p->bytes >= p->least || r->expired || in->max_wait_ms <= 0)
		return answer(r, p);
	drop_views(r, p); /* what waits keeps nothing of the log alive */
	if (first)
		wait_for_more(r, p);
	return STEP_WAIT;
}
