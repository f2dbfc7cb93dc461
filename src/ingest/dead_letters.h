/* ingest/dead_letters.h - records that are no rows, kept in "<topic>.dlq" with the reason.
 *
 * A letter has the record's key, value and headers as they were, and in front of these the
 * headers dlq.reason, dlq.topic, dlq.partition, dlq.offset. Records already handed over by this object are
 * not handed over again: a step that is tried twice writes its letters once.
 *
 * One thread at a time.
 */
#pragma once

#include "base/error.h"
#include "broker/broker.h"
#include "codec/batch.h"

struct dead_letters;

/* manual: the store has no threads; draining makes the commit rounds itself. */
MR_NODISCARD int dead_letters_new(struct broker *broker, struct log_topic *topic, bool manual,
				  struct dead_letters **out, struct mr_error *err);
void dead_letters_free(struct dead_letters *letters); /* NULL is fine */

/* Copied. The topic is made when it is not there. */
MR_NODISCARD int dead_letters_add(struct dead_letters *letters, int32_t partition,
				  const struct record *record, const char *reason, struct mr_error *err);
/* All that were added are safe on return. */
MR_NODISCARD int dead_letters_drain(struct dead_letters *letters, struct mr_error *err);
uint64_t dead_letters_count(const struct dead_letters *letters); /* handed over since it was made */
