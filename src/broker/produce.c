/* broker/produce.c - one wire batch through its topic's contract into the log.
 *
 * The first pass looks for an invalid record and mostly finds none: the batch then goes on as it
 * came. Only a batch that must lose records to the dead letters is taken apart, in a second pass.
 */
#include "broker/topic.h"

#include <stdio.h>

#define ROOM_WAIT_MS 5000 /* for room in the log between a batch and its dead letters */

struct inspection {
	struct inspector *inspector;
	struct broker_topic *topic;
	const struct contract *contract;
	struct log_partition *partition;
	mr_str batch;
	struct batch_header header;
	uint32_t valid, invalid;
	enum batch_codec codec;
};

static int pass(struct broker_topic *topic, struct log_partition *partition, mr_str batch, int32_t records,
		struct broker_ack *ack, struct mr_error *err)
{
	int rc = log_append(partition, batch, &ack->main, err);
	if (rc)
		return rc;
	ack->valid = (uint32_t)records;
	if (!ack->main.duplicate)
		broker_topic_count(topic, ack->valid, batch.len, 0);
	return 0;
}

/* 1: *index is the first invalid record and *fault says why; 0: all are valid. */
static int find_invalid(struct inspection *in, int32_t *index, struct json_fault *fault, struct mr_error *err)
{
	struct batch_iter *it = &in->inspector->records;
	int rc = batch_iter_start(it, in->batch, err);
	if (rc)
		return rc;
	struct record record;
	for (*index = 0; (rc = batch_iter_next(it, &record, err)) == 1; ++*index) {
		if (!inspector_valid(in->inspector, in->contract->schema, record.value, fault))
			return 1;
	}
	return rc;
}

static int split_record(struct inspection *in, const struct record *record, bool keep_offsets,
			struct mr_error *err)
{
	struct record_header headers[RECORD_HEADERS_MAX + DEAD_HEADERS];
	size_t count = 0;
	mr_str cursor = record->headers;
	int rc;
	while ((rc = record_header_next(&cursor, &headers[count], err)) == 1) {
		if (++count >= RECORD_HEADERS_MAX)
			return mr_fail(err, MR_ERR_LIMIT, "a record has %d headers or more",
				       RECORD_HEADERS_MAX);
	}
	if (rc)
		return rc;
	struct batch_writer *to = &in->inspector->valid;
	struct json_fault fault;
	char number[16];
	if (inspector_valid(in->inspector, in->contract->schema, record->value, &fault)) {
		in->valid++;
	} else {
		if (keep_offsets)
			batch_writer_skip(to);
		dead_headers(in->topic, log_partition_index(in->partition), &fault, number, &headers[count]);
		count += DEAD_HEADERS;
		to = &in->inspector->dead;
		in->invalid++;
	}
	batch_writer_add(to, record->timestamp, record->key, record->value, headers, count);
	return 0;
}

/* *valid_out is empty when nothing needs to be appended to the topic itself. */
static int split(struct inspection *in, mr_str *valid_out, mr_str *dead_out, struct mr_error *err)
{
	struct inspector *inspector = in->inspector;
	struct batch_iter *it = &inspector->records;
	batch_writer_start(&inspector->valid);
	batch_writer_start(&inspector->dead);
	int rc = batch_iter_start(it, in->batch, err);
	if (rc)
		return rc;
	bool numbered = it->header.producer_id >= 0;
	struct record record;
	while ((rc = batch_iter_next(it, &record, err)) == 1) {
		rc = split_record(in, &record, numbered, err);
		if (rc)
			return rc;
	}
	if (rc)
		return rc;
	*valid_out = MR_STR_NULL;
	if (in->valid || numbered) {
		rc = batch_writer_finish(&inspector->valid, in->codec, valid_out, err);
		if (rc)
			return rc;
		batch_writer_inherit(&inspector->valid, &it->header, *valid_out);
	}
	return batch_writer_finish(&inspector->dead, in->codec, dead_out, err);
}

/* ---- dead letters of a numbered producer's retries ---- */

static bool mark_find(struct inspection *in, int64_t *next_offset)
{
	const struct batch_header *h = &in->header;
	bool found = false;
	pthread_mutex_lock(&in->topic->lock);
	for (size_t i = 0; i < DEAD_MARKS && !found; i++) {
		const struct dead_mark *mark = &in->topic->marks[i];
		found = mark->partition == in->partition && mark->producer_id == h->producer_id &&
			mark->epoch == h->producer_epoch && mark->sequence == h->base_sequence;
		if (found)
			*next_offset = mark->dlq_next_offset;
	}
	pthread_mutex_unlock(&in->topic->lock);
	return found;
}

static void mark_put(struct inspection *in, int64_t next_offset)
{
	const struct batch_header *h = &in->header;
	if (h->producer_id < 0)
		return;
	pthread_mutex_lock(&in->topic->lock);
	in->topic->marks[in->topic->mark_count++ % DEAD_MARKS] = (struct dead_mark){
	    in->partition, h->producer_id, h->producer_epoch, h->base_sequence, next_offset};
	pthread_mutex_unlock(&in->topic->lock);
}

/* The topic's own part is in already, so "busy" is no answer any more: wait for a commit. */
static int append_dead(struct log_partition *dead, struct log_partition *before, int64_t before_next,
		       mr_str batch, struct log_append *out, struct mr_error *err)
{
	int rc = log_append(dead, batch, out, err);
	if (rc != MR_ERR_BUSY || before_next < 0)
		return rc;
	for (int waited = 0; rc == MR_ERR_BUSY && waited < ROOM_WAIT_MS; waited += 100) {
		int state = log_wait_stable(before, before_next, 100, NULL);
		if (state != 0 && state != MR_ERR_TIMEOUT)
			return log_wait_stable(before, before_next, 0, err);
		rc = log_append(dead, batch, out, err);
	}
	return rc == MR_ERR_BUSY ? mr_fail(err, MR_ERR_TIMEOUT, "no room in the log for dead letters") : rc;
}

static int append_both(struct broker *broker, struct inspection *in, mr_str valid, mr_str dead,
		       struct broker_ack *ack, struct mr_error *err)
{
	struct log_partition *to;
	struct log_append append;
	int rc = dead_partition(broker, in->topic, log_partition_topic(in->partition), &to, err);
	if (rc == 0 && valid.len)
		rc = log_append(in->partition, valid, &ack->main, err);
	if (rc)
		return rc;
	bool retried = valid.len && ack->main.duplicate;
	int64_t dead_next;
	if (!retried || !mark_find(in, &dead_next)) {
		rc = append_dead(to, in->partition, ack->main.next_offset, dead, &append, err);
		if (rc)
			return rc;
		dead_next = append.next_offset;
		mark_put(in, dead_next);
		broker_topic_count(broker_topic_of(broker, mr_str_from(in->topic->dead_name)), in->invalid,
				   dead.len, 0);
	}
	if (!retried)
		broker_topic_count(in->topic, in->valid + in->invalid, in->batch.len, in->invalid);
	ack->dlq = to;
	ack->dlq_next_offset = dead_next;
	ack->valid = in->valid;
	ack->invalid = in->invalid;
	return 0;
}

static int reject(struct inspection *in, int32_t index, const struct json_fault *fault,
		  struct broker_ack *ack, struct mr_error *err)
{
	ack->bad_record = index;
	ack->invalid = 1;
	snprintf(ack->reason, sizeof ack->reason, "%s%s%s", fault->pointer, fault->pointer[0] ? " " : "",
		 fault->reason);
	broker_topic_count(in->topic, 0, 0, 1);
	mr_fail(err, BROKER_INVALID_RECORD, "record %d breaks the contract of topic %s: %s", index,
		in->topic->name, ack->reason);
	return BROKER_INVALID_RECORD;
}

static int inspect(struct broker *broker, struct inspection *in, struct broker_ack *ack, struct mr_error *err)
{
	int32_t index = 0;
	struct json_fault fault;
	int rc = find_invalid(in, &index, &fault, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return pass(in->topic, in->partition, in->batch, in->header.record_count, ack, err);
	if (in->contract->on_invalid == ON_INVALID_REJECT)
		return reject(in, index, &fault, ack, err);
	mr_str valid, dead;
	rc = split(in, &valid, &dead, err);
	return rc ? rc : append_both(broker, in, valid, dead, ack, err);
}

/* What Kafka asks of a producer's batch beyond a sound header. */
static int check_producers_batch(const struct batch_header *header, struct mr_error *err)
{
	if (header->attributes & BATCH_CONTROL)
		return mr_fail(err, MR_ERR_INVALID, "a producer may not write control records");
	if (header->record_count == 0 || header->record_count != header->last_offset_delta + 1)
		return mr_fail(err, MR_ERR_INVALID, "a producer's batch has %d records for %lld offsets",
			       header->record_count, (long long)header->last_offset_delta + 1);
	return 0;
}

static int produce(struct broker *broker, struct inspection *in, struct broker_ack *ack, struct mr_error *err)
{
	if (!contract_in_force(in->contract))
		return pass(in->topic, in->partition, in->batch, in->header.record_count, ack, err);
	if (!batch_crc_ok(in->batch))
		return mr_fail(err, MR_ERR_CORRUPT, "a batch for %s-%d fails its CRC-32C", in->topic->name,
			       log_partition_index(in->partition));
	in->inspector = inspector_take(broker);
	int rc = inspect(broker, in, ack, err);
	inspector_give(broker, in->inspector);
	return rc;
}

int broker_produce(struct broker *broker, struct log_partition *partition, mr_str batch,
		   struct broker_ack *ack, struct mr_error *err)
{
	struct broker_ack made = {.main = {.base_offset = -1, .next_offset = -1, .append_time_ms = -1},
				  .partition = partition,
				  .bad_record = -1};
	struct inspection in = {.partition = partition, .batch = batch};
	struct inspector *packed = NULL; /* holds the batch when it was packed anew */
	struct log_topic_config config;
	log_topic_config(log_partition_topic(partition), &config);
	int rc = batch_read_header(batch, &in.header, err);
	if (rc == 0)
		rc = check_producers_batch(&in.header, err);
	if (rc == 0)
		rc = admit_batch(broker, &config, &packed, partition, &in.header, &in.batch, &made, err);
	if (rc == 0) {
		in.topic = broker_topic_of(broker, log_topic_name(log_partition_topic(partition)));
		in.contract = atomic_load(&in.topic->contract);
		in.codec = in.batch.ptr == batch.ptr ? batch_codec_of(&in.header)
						     : (enum batch_codec)config.compression;
		rc = produce(broker, &in, &made, err);
	}
	if (packed)
		inspector_give(broker, packed);
	if (rc >= 0)
		*ack = made;
	return rc;
}

int broker_ack_state(const struct broker_ack *ack, struct mr_error *err)
{
	int main =
	    ack->main.next_offset < 0 ? 0 : log_append_state(ack->partition, ack->main.next_offset, err);
	if (main < 0 || !ack->dlq)
		return main;
	int dead = log_append_state(ack->dlq, ack->dlq_next_offset, err);
	return dead < 0 ? dead : main | dead;
}
