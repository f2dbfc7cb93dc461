/* ingest/positions.h - where a table stands in its topic: the snapshot's word against the log's. */
#pragma once

#include "base/mem.h"
#include "delta/delta.h"
#include "log/log.h"

struct ingest_position {     /* of one partition */
	int64_t in_snapshot; /* what the snapshot says; -1: nothing */
	int64_t in_table;    /* the same; -1 when it speaks of an earlier topic of this name */
	int64_t from;        /* the first offset that is to be ingested */
	int64_t stable;      /* and the end of those that may be; never below from */
	int64_t lost;        /* records between in_table and from that the log no longer has */
	bool ahead;          /* in_table is past what the log ever held: from is the log's end */
};

struct ingest_positions {
	struct ingest_position *items; /* by partition */
	size_t count;
	int64_t id;          /* tells this topic from an earlier one of the same name */
	int64_t id_in_table; /* -1: none */
};

/* "millrace-ingest/<topic>/<partition>", or ".../id" for partition -1. */
mr_str ingest_app_id(mr_str topic, int32_t partition, struct arena *arena);

/* items live in arena. The stable offsets are read after the snapshot was taken, so they are not
 * behind it. */
void ingest_positions_read(const struct delta_snapshot *snapshot, struct log_topic *topic,
			   struct arena *arena, struct ingest_positions *out);
