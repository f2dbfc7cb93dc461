/* task/topic_watch.h - who waits for a topic to grow, told when it has.
 *
 * A wait is an event's name and how many records there must be; it is dropped once the event was sent.
 * While nobody waits, a commit round costs one atomic load.
 *
 * Waits are a hint: a sensor has a timer too, so the oldest are forgotten past TOPIC_WAITS_MAX.
 *
 * Threading: any; the log's committer does the telling, and dag_sink_event does not wait.
 */
#pragma once

#include "dag/executor.h"
#include "log/log.h"

#define TOPIC_WAITS_MAX 10000

struct topic_watch;

struct topic_watch *topic_watch_new(struct log_store *store, struct dag_sink *sink);
void topic_watch_free(struct topic_watch *watch); /* NULL is fine; no event comes after it returns */

/* Send the event once the topic (partition -1: all of its partitions, added up) has `records` stable
 * ones: at once when it has. The topic may be made later. A second wait for the same event is the
 * same wait. */
void topic_watch_add(struct topic_watch *watch, mr_str topic, int32_t partition, int64_t records,
		     mr_str event);
/* Stable records of a topic, or of one partition; 0 when there is no such. */
int64_t topic_records(struct log_store *store, mr_str topic, int32_t partition);
