/* ShareFetch (78), versions 1-2: records for a member of a share group, and what became of earlier ones.
 *
 * First the acknowledgements that come with it are applied and safe, then records are acquired for
 * the partitions of the share session, each request beginning with another one. When none can be
 * had the request waits, on the lists of its partitions and of the group's view of them (released
 * records, locks whose time is up), at most max_wait_ms; min_bytes above one is taken for one.
 *
 * Whole batches are sent, as they lie in the log; acquired_records says what in them is the member's.
 * Markers of transactions, and what an aborted one wrote if the group reads committed records only,
 * are never acquired. Version 2: renewing locks (is_renew_ack: then nothing is fetched), and acquire
 * mode 1, no more records than max_records.
 */
#include "kafka/share_request.h"
#include "log/transactions.h"
#include "log/view.h"

#include <stdlib.h>

#define READ_BYTES_MAX ((size_t)1 << 20) /* of a partition at a time */
#define BATCHES_MAX 4096                 /* of those, how many are looked at */
#define LOOKS_MAX 16                     /* past stretches without records, in one step */

enum { ACQUIRE_BATCHES, ACQUIRE_STRICT };

struct share_read { /* of one partition, with something acquired */
	struct share_part *part;
	struct log_view view;
	size_t from, length; /* what of the view is sent */
	struct share_ranges acquired;
};

struct share_fetching {
	struct share_work work;
	MR_VEC(struct share_read) reads;
	int64_t records;
	size_t bytes;
	bool waits;
};

static void fetching_release(struct request *r)
{
	struct share_fetching *p = r->progress;
	for (size_t i = 0; i < p->reads.len; i++) {
		log_view_release(&p->reads.items[i].view);
		mr_vec_release(&p->reads.items[i].acquired);
	}
	mr_vec_release(&p->reads);
}

/* ---- reading ---- */

struct batch_list {
	struct share_span *spans; /* those with records for readers */
	size_t *at, *size;        /* where they lie */
	size_t count;
};

static bool was_aborted(const struct log_aborted *aborted, size_t count, const struct batch_header *h)
{
	for (size_t i = 0; i < count; i++) {
		if (aborted[i].producer_id == h->producer_id && h->base_offset >= aborted[i].first_offset &&
		    h->base_offset <= aborted[i].last_offset)
			return true;
	}
	return false;
}

/* The batches of a view that is in memory, without those that hold nothing for readers. */
static int list_batches(struct request *r, const struct share_read *read, const struct share_plan *plan,
			struct batch_list *out)
{
	struct log_aborted *aborted = NULL;
	size_t aborted_count = 0;
	mr_str rest = mr_str_n(read->view.bytes, read->view.length);
	if (plan->committed)
		aborted_count =
		    log_aborted(share_part_log(read->part), plan->from, read->view.next_offset, &aborted);
	out->spans = arena_calloc(&r->arena, BATCHES_MAX, sizeof *out->spans);
	out->at = arena_calloc(&r->arena, BATCHES_MAX, sizeof *out->at);
	out->size = arena_calloc(&r->arena, BATCHES_MAX, sizeof *out->size);
	out->count = 0;
	int rc = 0;
	while (rc == 0 && rest.len && out->count < BATCHES_MAX) {
		struct batch_header h;
		int64_t size = batch_size(rest, NULL);
		if (size <= 0)
			break;
		rc = batch_read_header(mr_str_n(rest.ptr, (size_t)size), &h, NULL);
		bool empty = (h.attributes & BATCH_CONTROL) || ((h.attributes & BATCH_TRANSACTIONAL) &&
								was_aborted(aborted, aborted_count, &h));
		if (rc == 0 && !empty) {
			out->spans[out->count] =
			    (struct share_span){h.base_offset, h.base_offset + h.last_offset_delta};
			out->at[out->count] = (size_t)(rest.ptr - read->view.bytes);
			out->size[out->count++] = (size_t)size;
		}
		rest = mr_str_tail(rest, (size_t)size);
	}
	free(aborted);
	return rc;
}

/* Send the batches from the first to the last acquired record. */
static void cut(struct share_read *read, const struct batch_list *batches)
{
	int64_t first = read->acquired.items[0].first;
	int64_t last = read->acquired.items[read->acquired.len - 1].last;
	size_t end = 0;
	bool found = false;
	for (size_t i = 0; i < batches->count; i++) {
		if (batches->spans[i].last < first || batches->spans[i].first > last)
			continue;
		if (!found)
			read->from = batches->at[i];
		found = true;
		end = batches->at[i] + batches->size[i];
	}
	read->length = end - read->from;
}

/* 1: something was acquired; 0: nothing is there; 2: only what holds no records was, look again. */
static int read_once(struct request *r, struct share_fetching *p, struct share_read *read, int16_t *code)
{
	const struct share_fetch_request *in = r->in;
	struct share *share = request_core(r)->share;
	struct share_plan plan;
	struct batch_list batches;
	int rc = share_part_plan(share, read->part, &plan, NULL);
	if (rc == 0 && plan.from < 0)
		return 0;
	size_t room = (size_t)mr_max_i64(in->max_bytes, 1) - mr_min_size(p->bytes, (size_t)in->max_bytes);
	struct log_view_request request = {
	    .offset = plan.from,
	    .until = plan.until,
	    .max_bytes = mr_min_size(room, READ_BYTES_MAX),
	    .min_one = p->bytes == 0,
	    .in_memory = true,
	};
	if (rc == 0)
		rc = log_view(share_part_log(read->part), &request, &read->view, NULL);
	if (rc == 0 && read->view.length)
		rc = list_batches(r, read, &plan, &batches);
	if (rc < 0) {
		*code = kafka_error_of(rc, ON_READ);
		return 0;
	}
	if (!read->view.length || !batches.count) {
		struct share_span nothing = {plan.from, read->view.next_offset - 1};
		share_part_archive(share, read->part, &nothing, nothing.last >= nothing.first);
		return nothing.last >= nothing.first ? 2 : 0;
	}
	struct share_acquire acquire = {
	    .owner = p->work.session.owner,
	    .from = plan.from,
	    .batches = batches.spans,
	    .batch_count = batches.count,
	    .records_max = in->max_records - p->records,
	    .strict = in->share_acquire_mode == ACQUIRE_STRICT,
	};
	int64_t got = share_part_acquire(share, read->part, &acquire, &read->acquired);
	if (!got)
		return 0;
	cut(read, &batches);
	p->records += got;
	p->bytes += read->length;
	return 1;
}

static int16_t read_part(struct request *r, struct share_fetching *p, struct share_part *part)
{
	struct share_read read = {.part = part};
	int16_t code = KE_NONE;
	int found = 2;
	for (int i = 0; i < LOOKS_MAX && found == 2; i++) {
		log_view_release(&read.view);
		found = read_once(r, p, &read, &code);
	}
	if (found == 1)
		mr_vec_push(&p->reads, read);
	else
		log_view_release(&read.view);
	return code;
}

static bool wants_records(const struct request *r, const struct share_fetching *p)
{
	const struct share_fetch_request *in = r->in;
	return !p->work.session.closing && !in->is_renew_ack && in->max_records > 0 && in->max_bytes > 0;
}

/* What cannot be read now is said by its absence: the next request tries again. */
static void read_all(struct request *r, struct share_fetching *p)
{
	const struct share_fetch_request *in = r->in;
	const struct share_session *session = &p->work.session;
	for (size_t i = 0; i < session->part_count; i++) {
		if (p->records >= in->max_records || p->bytes >= (size_t)in->max_bytes)
			return;
		(void)read_part(r, p, session->parts[i]);
	}
}

static void wait_for_records(struct request *r, struct share_fetching *p)
{
	const struct share_fetch_request *in = r->in;
	const struct share_session *session = &p->work.session;
	const void **keys = arena_alloc(&r->arena, (2 * session->part_count + 1) * sizeof *keys);
	for (size_t i = 0; i < session->part_count; i++) {
		keys[2 * i] = session->parts[i];
		keys[2 * i + 1] = share_part_log(session->parts[i]);
	}
	request_wait_keys(r, keys, 2 * session->part_count);
	request_deadline(r, in->max_wait_ms * 1000LL);
	p->waits = true;
}

/* ---- answering ---- */

static struct share_fetch_partition_reply *reply_for(struct request *r, struct share_fetching *p,
						     const uint8_t id[16], int32_t index)
{
	struct share_fetch_response *out = r->out;
	size_t most = p->work.count + p->reads.len;
	struct share_fetch_topic_reply *topic = NULL;
	for (int32_t i = 0; i < out->responses.count && !topic; i++) {
		if (memcmp(out->responses.items[i].topic_id, id, 16) == 0)
			topic = &out->responses.items[i];
	}
	if (!topic) {
		topic = &out->responses.items[out->responses.count++];
		memcpy(topic->topic_id, id, 16);
		request_array(r, &topic->partitions, most);
		topic->partitions.count = 0;
	}
	for (int32_t i = 0; i < topic->partitions.count; i++) {
		if (topic->partitions.items[i].partition_index == index)
			return &topic->partitions.items[i];
	}
	struct share_fetch_partition_reply *reply = &topic->partitions.items[topic->partitions.count++];
	*reply = (struct share_fetch_partition_reply){
	    .partition_index = index,
	    .error_message = MR_STR_NULL,
	    .acknowledge_error_message = MR_STR_NULL,
	    .current_leader = {KAFKA_NODE_ID, KAFKA_LEADER_EPOCH},
	};
	return reply;
}

/* Neighbours of one delivery count are told as one, up to the size that the client prefers. */
static void tell_acquired(struct request *r, const struct share_read *read,
			  struct share_fetch_partition_reply *out)
{
	const struct share_fetch_request *in = r->in;
	struct share_acquired_records *last = NULL;
	request_array(r, &out->acquired_records, read->acquired.len);
	out->acquired_records.count = 0;
	for (size_t i = 0; i < read->acquired.len; i++) {
		const struct share_range *range = &read->acquired.items[i];
		bool joins = last && last->last_offset + 1 == range->first &&
			     last->delivery_count == range->deliveries &&
			     range->last - last->first_offset < mr_max_i64(in->batch_size, 1);
		if (joins) {
			last->last_offset = range->last;
			continue;
		}
		last = &out->acquired_records.items[out->acquired_records.count++];
		*last = (struct share_acquired_records){range->first, range->last, range->deliveries};
	}
}

static void tell_read(struct request *r, struct share_fetching *p, const struct share_read *read)
{
	uint8_t id[16];
	struct log_partition *log = share_part_log(read->part);
	log_topic_id(log_partition_topic(log), id);
	struct share_fetch_partition_reply *out = reply_for(r, p, id, log_partition_index(log));
	tell_acquired(r, read, out);
	request_array(r, &out->records, 1);
	out->records.items[0] = (struct wire_piece){read->view.bytes + read->from, -1, 0, read->length};
	out->records.bytes = read->length;
}

static enum step answer(struct request *r, struct share_fetching *p)
{
	const struct share_fetch_request *in = r->in;
	struct share_fetch_response *out = r->out;
	out->throttle_time_ms = request_throttle(r, QUOTA_CONSUME, p->bytes);
	out->acquisition_lock_timeout_ms = p->work.session.lock_ms;
	request_array(r, &out->responses, p->work.count + p->reads.len);
	out->responses.count = 0;
	for (size_t i = 0; i < p->work.count; i++) {
		const struct share_acked *acked = &p->work.all[i];
		if (!acked->in->acknowledgement_batches.count && acked->code == KE_NONE)
			continue;
		struct share_fetch_partition_reply *reply =
		    reply_for(r, p, acked->topic->topic_id, acked->in->partition_index);
		reply->error_code = request_code(r, acked->code);
		reply->acknowledge_error_code = request_code(r, acked->ack_code);
	}
	for (size_t i = 0; i < p->reads.len; i++)
		tell_read(r, p, &p->reads.items[i]);
	if (p->work.session.closing)
		share_session_close(request_core(r)->share, in->group_id, in->member_id);
	return STEP_DONE;
}

static size_t find_forgotten(struct request *r, struct share_partition_ref **out)
{
	const struct share_fetch_request *in = r->in;
	size_t most = 0, count = 0;
	for (int32_t i = 0; i < in->forgotten_topics_data.count; i++)
		most += (size_t)in->forgotten_topics_data.items[i].partitions.count;
	*out = arena_calloc(&r->arena, most + 1, sizeof **out);
	for (int32_t i = 0; i < in->forgotten_topics_data.count; i++) {
		const struct consumer_topic_partitions *t = &in->forgotten_topics_data.items[i];
		struct log_topic *topic = kafka_topic_by_id(request_core(r), t->topic_id);
		for (int32_t k = 0; topic && k < t->partitions.count; k++)
			(*out)[count++] = (struct share_partition_ref){topic, t->partitions.items[k]};
	}
	return count;
}

static int16_t begin(struct request *r, struct share_fetching *p)
{
	const struct share_fetch_request *in = r->in;
	struct share_partition_ref *forget;
	struct share_ask ask = {
	    .group = in->group_id, .member_id = in->member_id, .epoch = in->share_session_epoch};
	ask.forget_count = find_forgotten(r, &forget);
	ask.forget = forget;
	if (in->is_renew_ack && (in->max_bytes || in->min_bytes || in->max_records || in->max_wait_ms)) {
		struct share_fetch_response *out = r->out;
		out->error_message =
		    MR_STR("max_bytes, min_bytes, max_records and max_wait_ms are 0 in a request "
			   "that renews locks");
		return KE_INVALID_REQUEST;
	}
	return share_work_begin(r, &ask, in->topics.items, in->topics.count, in->is_renew_ack, &p->work);
}

enum step share_fetch_step(struct request *r)
{
	const struct share_fetch_request *in = r->in;
	struct share_fetch_response *out = r->out;
	struct share_fetching *p = r->progress;
	if (!p) {
		p = r->progress = arena_calloc(&r->arena, 1, sizeof *p);
		r->release = fetching_release;
		out->error_message = MR_STR_NULL;
		out->error_code = request_code(r, begin(r, p));
		if (out->error_code != KE_NONE)
			return STEP_DONE;
	}
	enum step step = p->waits ? STEP_DONE : share_work_settle(r, &p->work);
	if (step != STEP_DONE)
		return step;
	if (!wants_records(r, p))
		return answer(r, p);
	read_all(r, p);
	if (p->records || r->expired || in->max_wait_ms <= 0 || !p->work.session.part_count)
		return answer(r, p);
	if (!p->waits)
		wait_for_records(r, p);
	return STEP_WAIT;
}
