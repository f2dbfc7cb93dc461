#include "ingest/dead_letters.h"

#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>

#define DRAIN_MS 30000
#define HEADERS_MAX 1000    /* of the record's own */
#define ENVELOPE_BYTES 4096 /* what a letter adds to its record, with room to spare */

struct dead_letters {
	struct broker *broker;
	struct log_topic *source;
	struct producer *producer;
	char *topic; /* "<topic>.dlq" */
	bool manual;
	uint64_t count;
	MR_VEC(int64_t) handed; /* by partition: offsets below it are in the producer's care */
	MR_VEC(struct record_header) headers;
};

int dead_letters_new(struct broker *broker, struct log_topic *topic, bool manual, struct dead_letters **out,
		     struct mr_error *err)
{
	struct producer *producer;
	struct producer_options options = {.codec = BATCH_NONE};
	int rc = producer_new(broker, &options, &producer, err);
	if (rc < 0)
		return rc;
	struct dead_letters *letters = mr_calloc(1, sizeof *letters);
	letters->broker = broker;
	letters->source = topic;
	letters->producer = producer;
	letters->topic = mr_asprintf("%.*s.dlq", MR_FMT(log_topic_name(topic)));
	letters->manual = manual;
	*out = letters;
	return 0;
}

void dead_letters_free(struct dead_letters *letters)
{
	if (!letters)
		return;
	producer_free(letters->producer);
	mr_vec_release(&letters->handed);
	mr_vec_release(&letters->headers);
	free(letters->topic);
	free(letters);
}

uint64_t dead_letters_count(const struct dead_letters *letters)
{
	return letters->count;
}

static int32_t letter_bytes_max(int32_t record_bytes_max)
{
	return record_bytes_max > INT32_MAX - ENVELOPE_BYTES ? INT32_MAX : record_bytes_max + ENVELOPE_BYTES;
}

/* One partition, as durable as the topic, with room for its largest record. */
static int make_topic(struct dead_letters *letters, struct mr_error *err)
{
	struct log_topic_config config;
	log_topic_config(letters->source, &config);
	config.partitions = 1;
	config.max_message_bytes = letter_bytes_max(config.max_message_bytes);
	config.cleanup_policy = LOG_CLEANUP_DELETE;
	config.settings = NULL; /* the source's own */
	struct log_topic *made;
	int rc =
	    log_topic_create(broker_store(letters->broker), mr_str_from(letters->topic), &config, &made, err);
	return rc == MR_ERR_EXISTS ? 0 : rc;
}

/* The topic was there, with a lower limit than this record needs. */
static int widen_topic(struct dead_letters *letters, size_t record_bytes, struct mr_error *err)
{
	struct log_topic *topic = log_topic_find(broker_store(letters->broker), mr_str_from(letters->topic));
	if (!topic || record_bytes > INT32_MAX / 2)
		return mr_fail(err, MR_ERR_LIMIT, "a record of %zu bytes does not fit into topic %s",
			       record_bytes, letters->topic);
	struct log_topic_config config;
	log_topic_config(topic, &config);
	int32_t needed = letter_bytes_max((int32_t)record_bytes);
	config.max_message_bytes = needed > config.max_message_bytes ? needed : config.max_message_bytes;
	config.settings = NULL; /* the fields say it all */
	return log_topic_alter(topic, &config, err);
}

static int add_headers(struct dead_letters *letters, const struct record *record, struct mr_error *err)
{
	mr_str cursor = record->headers;
	struct record_header header;
	int rc = 0;
	for (int i = 0; i < HEADERS_MAX && (rc = record_header_next(&cursor, &header, err)) == 1; i++)
		mr_vec_push(&letters->headers, header);
	return rc < 0 ? rc : 0;
}

static int hand_over(struct dead_letters *letters, const struct record *record, struct mr_error *err)
{
	struct mr_error first;
	for (int tries = 0;; tries++) {
		int rc = producer_add(letters->producer, mr_str_from(letters->topic), record->key,
				      record->value, letters->headers.items, letters->headers.len,
				      record->timestamp, letters->count + 1, &first);
		if (rc < 0 && tries < 3 && rc == MR_ERR_NOT_FOUND)
			rc = make_topic(letters, &first);
		else if (rc < 0 && tries < 3 && rc == MR_ERR_BUSY)
			rc = dead_letters_drain(letters, &first);
		else if (rc < 0 && tries < 3 && rc == MR_ERR_LIMIT)
			rc = widen_topic(letters, record->key.len + record->value.len + record->headers.len,
					 &first);
		else if (rc == 0)
			return 0;
		if (rc < 0 || tries == 3) {
			if (err)
				*err = first;
			return mr_error_wrap(err, rc < 0 ? rc : first.code, "dead letter for %s",
					     letters->topic);
		}
	}
}

int dead_letters_add(struct dead_letters *letters, int32_t partition, const struct record *record,
		     const char *reason, struct mr_error *err)
{
	while (letters->handed.len <= (size_t)partition)
		mr_vec_push(&letters->handed, -1);
	if (record->offset <= letters->handed.items[partition])
		return 0;
	char number[2][24];
	snprintf(number[0], sizeof number[0], "%d", partition);
	snprintf(number[1], sizeof number[1], "%lld", (long long)record->offset);
	letters->headers.len = 0;
	mr_vec_push(&letters->headers, (struct record_header){MR_STR("dlq.reason"), mr_str_from(reason)});
	mr_vec_push(&letters->headers,
		    (struct record_header){MR_STR("dlq.topic"), log_topic_name(letters->source)});
	mr_vec_push(&letters->headers,
		    (struct record_header){MR_STR("dlq.partition"), mr_str_from(number[0])});
	mr_vec_push(&letters->headers, (struct record_header){MR_STR("dlq.offset"), mr_str_from(number[1])});
	int rc = add_headers(letters, record, err);
	if (rc == 0)
		rc = hand_over(letters, record, err);
	if (rc < 0)
		return rc;
	letters->count++;
	letters->handed.items[partition] = record->offset;
	return 0;
}

int dead_letters_drain(struct dead_letters *letters, struct mr_error *err)
{
	if (producer_safe_token(letters->producer) >= letters->count)
		return 0;
	if (!letters->manual)
		return producer_drain(letters->producer, DRAIN_MS, err);
	int rc = producer_flush(letters->producer, err);
	if (rc == MR_ERR_BUSY) {
		rc = log_store_commit(broker_store(letters->broker), err);
		if (rc == 0)
			rc = producer_flush(letters->producer, err);
	}
	if (rc == 0)
		rc = log_store_commit(broker_store(letters->broker), err);
	if (rc == 0 && producer_safe_token(letters->producer) < letters->count)
		rc = mr_fail(err, MR_ERR_IO, "dead letters of %s are not safe yet", letters->topic);
	return rc;
}
