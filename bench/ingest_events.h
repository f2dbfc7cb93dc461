/* bench/ingest_events.h - web-request events of about 230 bytes, the same for the same seed.
 *
 * Fields: id (uuid), ts (ISO 8601, milliseconds, UTC), method, path, status, bytes, referer, agent.
 * Times rise evenly over the span. Paths and sizes are skewed, as real traffic is.
 */
#pragma once

#include "base/buf.h"
#include "env/rng.h"

struct event_maker {
	struct mr_rng rng;
	int64_t start_ms, span_ms;
	uint64_t count; /* over which the span is spread */
	uint64_t made;
};

void event_maker_init(struct event_maker *maker, uint64_t seed, uint64_t count);
/* The next event's JSON replaces what is in out. Returns its path, within out. */
mr_str event_maker_next(struct event_maker *maker, struct mr_buf *out);

/* The contract that such events meet, as JSON Schema. */
const char *event_schema_json(void);
