/* log/replay.h - a whole topic's records in order: how an internal topic becomes state again.
 *
 * Read once, at start, before anything else appends to the topic: what is stable then is all
 * there is. One batch is in memory at a time, besides what one read brings.
 */
#pragma once

#include "codec/batch.h"
#include "log/log.h"

/* One record, and the header of its batch (transactional, control, the producer): both are views
 * that end with the call. Negative ends the replay. */
typedef int (*log_replay_fn)(void *arg, const struct batch_header *batch, const struct record *record,
			     struct mr_error *err);

/* Every stable record, partition after partition; nothing for topic NULL. The first negative answer
 * of `apply`, or MR_ERR_CORRUPT, MR_ERR_IO: *err then names the topic. In the caller's thread. */
MR_NODISCARD int log_replay(struct log_topic *topic, log_replay_fn apply, void *arg, struct mr_error *err);
