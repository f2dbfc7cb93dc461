/* ingest/ingest_internal.h - what the files of ingest/ share of an ingest. */
#pragma once

#include "ingest/event_scan.h"
#include "ingest/ingest.h"
#include "ingest/layout.h"
#include "ingest/positions.h"

#include "base/vec.h"

#include <pthread.h>

#define INGEST_WRITE_FUNCTION "millrace_ingest"

struct dead_letters;

/* What the runner knows of a partition without asking the log. */
struct ingest_seen {
	int64_t committed, stable;
};

struct ingest {
	struct ingest_options options;
	struct conf_ingest conf;
	struct ingest_writer writer;
	struct event_layout *layout;
	struct log_topic *topic;
	struct delta_table *table;
	struct sql_conn *conn;
	struct dead_letters *dead_letters;
	struct event_rejects rejects;
	uint64_t rejected_earlier; /* dead letters of a topic of this name that is no more */
	uint64_t bytes_read;       /* by the step at work */
	int64_t step_us;           /* when it began; monotonic */

	pthread_mutex_t lock; /* guards what follows; nothing of the log is called under it */
	pthread_cond_t moved; /* monotonic clock */
	struct ingest_stats stats;
	struct mr_error loss;            /* what stands in stats.error when nothing worse does */
	MR_VEC(struct ingest_seen) seen; /* by partition */
	uint64_t waiting;                /* records stable and not committed: the sum over seen */
	uint64_t enough;                 /* wake the runner when so many wait */
	int64_t first_us;                /* since when any wait; monotonic */
	bool stopping;
	bool running;
	pthread_t thread;
	struct log_listener listener;
};

/* ingest_step.c: a table that is ahead of its log goes on from the log's end. */
int ingest_rewind(struct ingest *ingest, struct mr_error *err);
/* ingest_run.c */
void ingest_note_positions(struct ingest *ingest, const struct ingest_positions *at);
void ingest_moved(void *arg, struct log_partition *const *moved, size_t count);
uint64_t ingest_records_in(const struct ingest *ingest, uint64_t bytes);
