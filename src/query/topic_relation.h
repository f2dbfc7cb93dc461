/* query/topic_relation.h - a topic as a relation, from its start to its stable offset now.
 *
 *   key, value, headers, partition, offset, timestamp
 *
 * and, when the topic has a contract, a column for each of its properties, typed as an ingest would
 * type it (NULL where a value does not fit). A property that has the name of a column above is
 * called event_<name>.
 */
#pragma once

#include "base/buf.h"
#include "codec/jsonschema.h"
#include "log/log.h"

/* Appends "(SELECT ...)". schema may be NULL. */
void topic_relation(struct log_topic *topic, const struct json_schema *schema, struct mr_buf *out);
