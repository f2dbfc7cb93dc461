/* broker/admit.c - what a topic's configuration asks of a batch before it is appended.
 *
 * max_timestamp is in the batch's header; keys, and timestamps far in the past, are only in the
 * records: those are looked at when the configuration asks for it. compression.type: a batch in
 * another codec is packed anew, with its producer's numbers, offsets and timestamps.
 */
#include "broker/topic.h"

#include <stdio.h>

static int refuse(struct broker_ack *ack, int code, int32_t index, const char *reason, struct mr_error *err)
{
	ack->bad_record = index;
	ack->invalid = 1;
	snprintf(ack->reason, sizeof ack->reason, "%s", reason);
	mr_fail(err, code, "%s", reason);
	return code;
}

static int refuse_time(struct broker_ack *ack, int32_t index, int64_t timestamp, int64_t from, int64_t to,
		       struct mr_error *err)
{
	char reason[160];
	snprintf(reason, sizeof reason,
		 "Timestamp %lld of message with offset %d is out of range. The timestamp should be within "
		 "[%lld, %lld]",
		 (long long)timestamp, (int)index, (long long)from, (long long)to);
	return refuse(ack, BROKER_INVALID_TIMESTAMP, index, reason, err);
}

struct admission {
	bool keys;        /* every record must have one */
	int64_t from, to; /* what its timestamp must be within */
};

static int check_record(const struct admission *want, struct log_partition *partition, int32_t index,
			const struct record *record, struct broker_ack *ack, struct mr_error *err)
{
	if (record->timestamp < want->from || record->timestamp > want->to)
		return refuse_time(ack, index, record->timestamp, want->from, want->to, err);
	if (!want->keys || record->key.ptr)
		return 0;
	char reason[LOG_TOPIC_NAME_MAX + 96];
	snprintf(reason, sizeof reason,
		 "Compacted topic cannot accept message without key in topic partition %s-%d.",
		 log_topic_name(log_partition_topic(partition)).ptr, (int)log_partition_index(partition));
	return refuse(ack, BROKER_INVALID_RECORD, index, reason, err);
}

static int check_records(const struct admission *want, struct inspector *inspector,
			 struct log_partition *partition, mr_str batch, struct broker_ack *ack,
			 struct mr_error *err)
{
	struct batch_iter *it = &inspector->records;
	struct record record;
	int rc = batch_iter_start(it, batch, err);
	for (int32_t index = 0; rc == 0; index++) {
		int more = batch_iter_next(it, &record, err);
		if (more <= 0)
			return more;
		rc = check_record(want, partition, index, &record, ack, err);
	}
	return rc;
}

static int copy_record(struct batch_writer *to, const struct record *record, struct mr_error *err)
{
	struct record_header headers[RECORD_HEADERS_MAX];
	size_t count = 0;
	mr_str cursor = record->headers;
	int rc;
	while ((rc = record_header_next(&cursor, &headers[count], err)) == 1) {
		if (++count >= RECORD_HEADERS_MAX)
			return mr_fail(err, MR_ERR_LIMIT, "a record has %d headers or more",
				       RECORD_HEADERS_MAX);
	}
	if (rc == 0)
		batch_writer_add(to, record->timestamp, record->key, record->value, headers, count);
	return rc;
}

/* *batch becomes a view into the inspector. */
static int pack_anew(struct inspector *inspector, enum batch_codec codec, mr_str *batch, struct mr_error *err)
{
	struct batch_iter *it = &inspector->records;
	struct batch_writer *to = &inspector->repacked;
	struct record record;
	batch_writer_start(to);
	int more = 0, rc = batch_iter_start(it, *batch, err);
	while (rc == 0 && (more = batch_iter_next(it, &record, err)) == 1)
		rc = copy_record(to, &record, err);
	if (rc < 0 || more < 0)
		return rc < 0 ? rc : more;
	mr_str made;
	rc = batch_writer_finish(to, codec, &made, err);
	if (rc < 0)
		return rc;
	batch_writer_inherit(to, &it->header, made);
	*batch = made;
	return 0;
}

int admit_batch(struct broker *broker, const struct log_topic_config *config, struct inspector **inspector,
		struct log_partition *partition, const struct batch_header *header, mr_str *batch,
		struct broker_ack *ack, struct mr_error *err)
{
	int64_t now = clock_wall_ms(broker->env->clock);
	bool theirs = !config->log_append_time; /* the producer's clock stamps */
	struct admission want = {config->cleanup_policy & LOG_CLEANUP_COMPACT, INT64_MIN, INT64_MAX};
	if (theirs && config->timestamp_before_max_ms < now)
		want.from = now - config->timestamp_before_max_ms;
	if (theirs && config->timestamp_after_max_ms < INT64_MAX - now)
		want.to = now + config->timestamp_after_max_ms;
	bool repack = config->compression != LOG_COMPRESSION_PRODUCER &&
		      (enum batch_codec)config->compression != batch_codec_of(header);
	bool look = want.keys || want.from != INT64_MIN || header->max_timestamp > want.to;
	if (!look && !repack)
		return 0;
	if (!batch_crc_ok(*batch))
		return mr_fail(err, MR_ERR_CORRUPT, "a batch for %s-%d fails its CRC-32C",
			       log_topic_name(log_partition_topic(partition)).ptr,
			       (int)log_partition_index(partition));
	*inspector = inspector_take(broker);
	int rc = look ? check_records(&want, *inspector, partition, *batch, ack, err) : 0;
	return rc == 0 && repack ? pack_anew(*inspector, (enum batch_codec)config->compression, batch, err)
				 : rc;
}
