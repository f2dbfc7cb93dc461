/* ingest/topic_source.h - topics for SQL: table functions over the log.
 *
 *   millrace_topic('web', '0:100-200,1:5-9')        any topic, as it is
 *     key VARCHAR, value VARCHAR, headers VARCHAR (JSON: [{"key":...,"value":...}]),
 *     partition INTEGER, "offset" BIGINT, timestamp TIMESTAMPTZ
 *   millrace_topic_raw(...)                          the same with key and value as BLOB
 *   millrace_events('bronze.web', '0:100-200')       records as an ingest's rows
 *
 * Ranges are half-open (ingest/ranges.h). In millrace_topic a byte that is not UTF-8 is shown as
 * U+FFFD. In millrace_events a record that does not decode is left out, as it will be from
 * the table. Columns that nobody asks for are not made; records are decoded all the same, because
 * which of them are rows must not depend on it.
 *
 * The engine keeps the functions until it closes, so the source is freed after the engine.
 * Threading: topic_source_add_ingest and queries from any thread.
 */
#pragma once

#include "base/error.h"
#include "broker/broker.h"
#include "sql/engine.h"

struct ingest;
struct topic_source;

MR_NODISCARD int topic_source_register(struct sql_engine *engine, struct broker *broker,
				       struct topic_source **out, struct mr_error *err);
void topic_source_free(struct topic_source *source); /* NULL is fine */

/* Let millrace_events name the ingest's table, and the ingest write by it: before the first
 * ingest_step. The ingest stays until no query can run any more. */
void topic_source_add_ingest(struct topic_source *source, struct ingest *ingest);
