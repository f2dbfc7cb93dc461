/* broker/producer.c - the in-process producer.
 *
 * Records gather in parcels, one open parcel per partition that has any. All parcels hang in one
 * list by the time they were opened; tokens do not fall, so the first parcel that is not stable
 * holds the least token that is not safe. A parcel is open (takes records), sealed (its batch is
 * made), sent (in the log), and goes when it is stable; one that a fault took back is sent again.
 * Parcels of one partition are sent in the order of the list.
 */
#include "base/mem.h"
#include "broker/partitioner.h"
#include "broker/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_BYTES ((size_t)256 << 10)
#define HELD_BYTES_MAX ((size_t)64 << 20) /* in all parcels */
#define HEADERS_MAX 64                    /* of one record */
#define SPARE_MAX 64                      /* parcels kept for reuse */
#define FAULT_LOOK_MS 100                 /* while draining: a fault that takes appends back wakes nobody */

enum parcel_state { PARCEL_OPEN, PARCEL_SEALED, PARCEL_SENT };

struct outlet;

struct parcel {
	struct parcel *next;
	struct outlet *outlet;
	int32_t lane;
	enum parcel_state state;
	struct batch_writer writer;
	mr_str wire;
	uint64_t first_token;
	int64_t opened_us;
	struct log_partition *partition; /* where it was sent */
	int64_t next_offset;
	size_t held; /* its part of producer->held */
};

/* One partition of an outlet. */
struct lane {
	struct parcel *open;
	uint64_t blocked; /* the sending pass in which a parcel of it failed */
};

/* One topic, as this producer sees it. */
struct outlet {
	struct broker_topic *topic;
	struct log_topic *log;
	struct outlet *dead; /* of its dead letters; made when first needed */
	struct lane *lanes;
	int32_t lane_count; /* never falls: parcels name their lane by number */
	int32_t partitions;
	int32_t sticky; /* where records without a key go now */
	size_t record_max;
	size_t batch_max;
};

struct producer {
	struct broker *broker;
	size_t batch_bytes;
	int64_t linger_us;
	enum batch_codec codec;
	struct mr_map outlets;
	struct outlet *last; /* most calls are for the same topic as the one before */
	struct inspector *inspector;
	struct parcel *first, **end;
	struct parcel *spare;
	size_t spare_count;
	size_t held;
	uint64_t pass;
	uint64_t last_token, safe_token;
	struct log_listener listener;
	_Atomic bool moved;   /* set by the committer: something became stable */
	pthread_mutex_t lock; /* of the wait for it */
	pthread_cond_t committed;
};

static void on_commit(void *arg, struct log_partition *const *moved, size_t count)
{
	struct producer *producer = arg;
	pthread_mutex_lock(&producer->lock);
	atomic_store_explicit(&producer->moved, true, memory_order_release);
	pthread_cond_signal(&producer->committed);
	pthread_mutex_unlock(&producer->lock);
}

int producer_new(struct broker *broker, const struct producer_options *options, struct producer **out,
		 struct mr_error *err)
{
	struct producer *producer = mr_calloc(1, sizeof *producer);
	producer->broker = broker;
	producer->batch_bytes = options->batch_bytes ? options->batch_bytes : BATCH_BYTES;
	producer->linger_us = options->linger_us;
	producer->codec = options->codec;
	producer->inspector = inspector_take(broker);
	producer->end = &producer->first;
	pthread_mutex_init(&producer->lock, NULL);
	pthread_cond_init(&producer->committed, NULL);
	producer->listener = (struct log_listener){.fn = on_commit, .arg = producer};
	log_listen(broker->store, &producer->listener);
	*out = producer;
	return 0;
}

static void parcel_free(struct parcel *parcel)
{
	batch_writer_release(&parcel->writer);
	free(parcel);
}

static void parcels_free(struct parcel *parcel)
{
	while (parcel) {
		struct parcel *next = parcel->next;
		parcel_free(parcel);
		parcel = next;
	}
}

void producer_free(struct producer *producer)
{
	if (!producer)
		return;
	log_unlisten(producer->broker->store, &producer->listener);
	parcels_free(producer->first);
	parcels_free(producer->spare);
	mr_map_each (&producer->outlets, entry) {
		struct outlet *outlet = entry->value;
		free(outlet->lanes);
		free(outlet);
	}
	mr_map_release(&producer->outlets);
	inspector_give(producer->broker, producer->inspector);
	pthread_mutex_destroy(&producer->lock);
	pthread_cond_destroy(&producer->committed);
	free(producer);
}

/* ---- outlets ---- */

/* (Re)read what the topic says now: it may have been altered. */
static void outlet_refresh(struct producer *producer, struct outlet *outlet)
{
	struct log_topic_config config;
	log_topic_config(outlet->log, &config);
	outlet->record_max = (size_t)config.max_message_bytes - BATCH_HEADER_SIZE;
	outlet->batch_max = mr_min_size(producer->batch_bytes, (size_t)config.max_message_bytes);
	outlet->partitions = config.partitions;
	if (config.partitions <= outlet->lane_count)
		return;
	outlet->lanes = mr_realloc(outlet->lanes, (size_t)config.partitions * sizeof *outlet->lanes);
	memset(outlet->lanes + outlet->lane_count, 0,
	       (size_t)(config.partitions - outlet->lane_count) * sizeof *outlet->lanes);
	outlet->lane_count = config.partitions;
}

static int outlet_of(struct producer *producer, mr_str name, struct outlet **out, struct mr_error *err)
{
	struct outlet *outlet = producer->last;
	if (outlet && mr_str_is(name, outlet->topic->name)) {
		*out = outlet;
		return 0;
	}
	outlet = mr_map_get(&producer->outlets, name);
	if (!outlet) {
		struct log_topic *log;
		int rc = broker_topic_get(producer->broker, name, true, &log, err);
		if (rc)
			return rc;
		outlet = mr_calloc(1, sizeof *outlet);
		outlet->topic = broker_topic_of(producer->broker, name);
		outlet->log = log;
		outlet_refresh(producer, outlet);
		outlet->sticky = (int32_t)rng_below(producer->broker->env->rng, (uint64_t)outlet->partitions);
		mr_map_put(&producer->outlets, name, outlet);
	}
	producer->last = outlet;
	*out = outlet;
	return 0;
}

static int outlet_dead(struct producer *producer, struct outlet *outlet, struct outlet **out,
		       struct mr_error *err)
{
	if (!outlet->dead) {
		struct log_partition *ignored;
		int rc = dead_partition(producer->broker, outlet->topic, outlet->log, &ignored, err);
		if (rc == 0)
			rc = outlet_of(producer, mr_str_from(outlet->topic->dead_name), &outlet->dead, err);
		if (rc)
			return rc;
		producer->last = outlet;
	}
	*out = outlet->dead;
	return 0;
}

/* ---- parcels ---- */

static struct parcel *parcel_open(struct producer *producer, struct outlet *outlet, int32_t lane,
				  uint64_t token)
{
	struct parcel *parcel = producer->spare;
	if (parcel) {
		producer->spare = parcel->next;
		producer->spare_count--;
		batch_writer_start(&parcel->writer);
	} else {
		parcel = mr_calloc(1, sizeof *parcel);
		batch_writer_init(&parcel->writer, 0);
	}
	parcel->next = NULL;
	parcel->outlet = outlet;
	parcel->lane = lane;
	parcel->state = PARCEL_OPEN;
	parcel->first_token = token;
	parcel->opened_us = clock_mono_us(producer->broker->env->clock);
	parcel->held = 0;
	*producer->end = parcel;
	producer->end = &parcel->next;
	outlet->lanes[lane].open = parcel;
	return parcel;
}

static int parcel_seal(struct producer *producer, struct parcel *parcel, struct mr_error *err)
{
	struct outlet *outlet = parcel->outlet;
	int rc = batch_writer_finish(&parcel->writer, producer->codec, &parcel->wire, err);
	if (rc)
		return rc;
	parcel->state = PARCEL_SEALED;
	outlet->lanes[parcel->lane].open = NULL;
	outlet_refresh(producer, outlet);
	if (outlet->sticky == parcel->lane)
		outlet->sticky = (outlet->sticky + 1) % outlet->partitions;
	return 0;
}

static int parcel_append(struct parcel *parcel, struct mr_error *err)
{
	struct outlet *outlet = parcel->outlet;
	/* A topic deleted and made again may have fewer partitions than before. */
	int32_t lane = parcel->lane % log_topic_partition_count(outlet->log);
	struct log_append append;
	parcel->partition = log_partition_at(outlet->log, lane);
	int rc = log_append(parcel->partition, parcel->wire, &append, err);
	if (rc == 0) {
		parcel->next_offset = append.next_offset;
		parcel->state = PARCEL_SENT;
	}
	return rc;
}

static int parcel_send(struct producer *producer, struct parcel *parcel, struct mr_error *err)
{
	int rc = parcel_append(parcel, err);
	if (rc != MR_ERR_NOT_FOUND)
		return rc;
	/* The topic was deleted; it may exist again, or be made. */
	struct outlet *outlet = parcel->outlet;
	rc = broker_topic_get(producer->broker, mr_str_from(outlet->topic->name), true, &outlet->log, err);
	if (rc)
		return rc;
	outlet_refresh(producer, outlet);
	return parcel_append(parcel, err);
}

#define ANY_AGE INT64_MIN
#define SEALED_ONLY INT64_MAX

/* Send, in order, what is sealed, and open parcels of at least that age. */
static int send_parcels(struct producer *producer, int64_t age_us, struct mr_error *err)
{
	int64_t now_us = clock_mono_us(producer->broker->env->clock);
	int first_rc = 0;
	producer->pass++;
	for (struct parcel *parcel = producer->first; parcel; parcel = parcel->next) {
		if (parcel->state == PARCEL_SENT ||
		    parcel->outlet->lanes[parcel->lane].blocked == producer->pass)
			continue;
		if (parcel->state == PARCEL_OPEN && now_us - parcel->opened_us < age_us)
			continue;
		struct mr_error why;
		int rc = parcel->state == PARCEL_OPEN ? parcel_seal(producer, parcel, &why) : 0;
		if (rc == 0)
			rc = parcel_send(producer, parcel, &why);
		if (rc == 0)
			continue;
		if (first_rc == 0 && err)
			*err = why;
		first_rc = first_rc ? first_rc : rc;
		if (rc == MR_ERR_BUSY) /* the whole log's answer */
			break;
		parcel->outlet->lanes[parcel->lane].blocked = producer->pass;
	}
	return first_rc > 0 ? MR_ERR_INTERNAL : first_rc; /* no producer id: no sequence to be wrong */
}

static void parcel_give_back(struct producer *producer, struct parcel *parcel)
{
	producer->held -= parcel->held;
	if (producer->spare_count >= SPARE_MAX) {
		parcel_free(parcel);
		return;
	}
	parcel->next = producer->spare;
	producer->spare = parcel;
	producer->spare_count++;
}

/* Let go of what is stable; what a fault took back is to be sent again. */
static void reap(struct producer *producer)
{
	for (struct parcel **at = &producer->first; *at;) {
		struct parcel *parcel = *at;
		int state = parcel->state == PARCEL_SENT
				? log_append_state(parcel->partition, parcel->next_offset, NULL)
				: 1;
		if (state < 0)
			parcel->state = PARCEL_SEALED;
		if (state != 0) {
			at = &parcel->next;
			continue;
		}
		*at = parcel->next;
		if (producer->end == &parcel->next)
			producer->end = at;
		parcel_give_back(producer, parcel);
	}
	uint64_t safe = producer->first ? producer->first->first_token - 1 : producer->last_token;
	if (safe > producer->safe_token)
		producer->safe_token = safe;
}

/* ---- adding ---- */

struct addition {
	mr_str key, value;
	const struct record_header *headers;
	size_t header_count;
	int64_t timestamp_ms;
	uint64_t token;
};

static int make_room(struct producer *producer, size_t size, struct mr_error *err)
{
	if (producer->held + size <= HELD_BYTES_MAX)
		return 0;
	int rc = send_parcels(producer, ANY_AGE, err);
	reap(producer);
	if (producer->held + size <= HELD_BYTES_MAX)
		return 0;
	return rc < 0 ? rc
		      : mr_fail(err, MR_ERR_BUSY, "%zu MB of records wait for the log", HELD_BYTES_MAX >> 20);
}

static int32_t pick_lane(const struct outlet *outlet, mr_str key)
{
	return key.ptr ? partitioner_pick(key, outlet->partitions) : outlet->sticky;
}

static int add_to(struct producer *producer, struct outlet *outlet, int32_t lane, const struct addition *a,
		  struct mr_error *err)
{
	size_t size = batch_record_size_max(a->key, a->value, a->headers, a->header_count);
	if (size > outlet->record_max)
		return mr_fail(err, MR_ERR_LIMIT, "a record of %zu bytes is larger than topic %s takes (%zu)",
			       size, outlet->topic->name, outlet->record_max);
	int rc = make_room(producer, size, err);
	if (rc)
		return rc;
	struct parcel *parcel = outlet->lanes[lane].open;
	if (parcel && batch_writer_size(&parcel->writer) + size > outlet->batch_max) {
		rc = parcel_seal(producer, parcel, err);
		if (rc)
			return rc;
		send_parcels(producer, SEALED_ONLY, NULL); /* what is not taken now stays sealed */
		if (!a->key.ptr)
			lane = outlet->sticky;
		parcel = outlet->lanes[lane].open;
	}
	if (!parcel)
		parcel = parcel_open(producer, outlet, lane, a->token);
	size_t before = batch_writer_size(&parcel->writer);
	batch_writer_add(&parcel->writer, a->timestamp_ms, a->key, a->value, a->headers, a->header_count);
	size_t grown = batch_writer_size(&parcel->writer) - before;
	parcel->held += grown;
	producer->held += grown;
	producer->last_token = a->token;
	return 0;
}

static int add_dead(struct producer *producer, struct outlet *outlet, int32_t lane, struct addition *a,
		    const struct json_fault *fault, struct mr_error *err)
{
	struct record_header headers[HEADERS_MAX + DEAD_HEADERS];
	char number[16];
	struct outlet *dead;
	int rc = outlet_dead(producer, outlet, &dead, err);
	if (rc)
		return rc;
	if (a->header_count)
		memcpy(headers, a->headers, a->header_count * sizeof headers[0]);
	dead_headers(outlet->topic, lane, fault, number, &headers[a->header_count]);
	a->headers = headers;
	a->header_count += DEAD_HEADERS;
	rc = add_to(producer, dead, 0, a, err);
	if (rc == 0)
		broker_topic_count(dead->topic, 1, a->key.len + a->value.len, 0);
	return rc;
}

static int refuse(struct outlet *outlet, const struct json_fault *fault, struct mr_error *err)
{
	broker_topic_count(outlet->topic, 0, 0, 1);
	mr_fail(err, BROKER_INVALID_RECORD, "the record breaks the contract of topic %s: %s%s%s",
		outlet->topic->name, fault->pointer, fault->pointer[0] ? " " : "", fault->reason);
	return BROKER_INVALID_RECORD;
}

int producer_add(struct producer *producer, mr_str topic, mr_str key, mr_str value,
		 const struct record_header *headers, size_t header_count, int64_t timestamp_ms,
		 uint64_t token, struct mr_error *err)
{
	MR_ASSERT(token >= producer->last_token && token > 0);
	struct outlet *outlet;
	if (header_count > HEADERS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a record has more than %d headers", HEADERS_MAX);
	int rc = outlet_of(producer, topic, &outlet, err);
	if (rc)
		return rc;
	if (timestamp_ms == -1)
		timestamp_ms = clock_wall_ms(producer->broker->env->clock);
	struct addition a = {key, value, headers, header_count, timestamp_ms, token};
	int32_t lane = pick_lane(outlet, key);
	const struct contract *contract = atomic_load(&outlet->topic->contract);
	struct json_fault fault;
	bool invalid = contract_in_force(contract) &&
		       !inspector_valid(producer->inspector, contract->schema, value, &fault);
	if (invalid && contract->on_invalid == ON_INVALID_REJECT)
		return refuse(outlet, &fault, err);
	rc = invalid ? add_dead(producer, outlet, lane, &a, &fault, err)
		     : add_to(producer, outlet, lane, &a, err);
	if (rc == 0)
		broker_topic_count(outlet->topic, 1, key.len + value.len, invalid);
	return rc;
}

int producer_flush(struct producer *producer, struct mr_error *err)
{
	return send_parcels(producer, ANY_AGE, err);
}

int producer_poll(struct producer *producer, struct mr_error *err)
{
	reap(producer); /* a fault that took appends back is no commit */
	return send_parcels(producer, producer->linger_us, err);
}

uint64_t producer_safe_token(struct producer *producer)
{
	if (atomic_exchange_explicit(&producer->moved, false, memory_order_acquire))
		reap(producer);
	return producer->safe_token;
}

/* Until a commit, at most so long. */
static void wait_for_commit(struct producer *producer, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&producer->lock);
	while (!atomic_load(&producer->moved)) {
		if (pthread_cond_timedwait(&producer->committed, &producer->lock, &until))
			break;
	}
	pthread_mutex_unlock(&producer->lock);
}

int producer_drain(struct producer *producer, int64_t timeout_ms, struct mr_error *err)
{
	struct mr_clock *clock = producer->broker->env->clock;
	int64_t until_ms = clock_mono_ms(clock) + timeout_ms;
	for (;;) {
		atomic_store(&producer->moved, false);
		int rc = send_parcels(producer, ANY_AGE, err);
		reap(producer);
		if (!producer->first)
			return 0;
		if (rc < 0 && rc != MR_ERR_BUSY)
			return rc;
		int64_t left_ms = until_ms - clock_mono_ms(clock);
		if (left_ms <= 0)
			return mr_fail(err, MR_ERR_TIMEOUT, "the log did not commit in %lld ms",
				       (long long)timeout_ms);
		wait_for_commit(producer, mr_min_i64(left_ms, FAULT_LOOK_MS));
	}
}
