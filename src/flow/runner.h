/* flow/runner.h - keeps streaming tables and materialized views up to date.
 *
 * A flow's position is in its own table: one txn action per source, whose version is the
 * source's Delta version that has been consumed, in the same commit as the rows. A batch is
 * a pure function of (flow, versions from, versions to), so a crash at any point repeats it
 * to the same end, and a second runner of the same flow fails its expectation and stands back.
 *
 *   streaming table         append the query over the files added since; one commit
 *   materialized view       overwrite with the query over the sources; one commit
 *
 * Threads: one per flow, asleep until one of its sources moved (runner_table_moved) and its
 * interval is over. Errors are kept in the status and retried with back-off; other flows go on.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "env/env.h"
#include "query/catalog.h"

struct runner;

struct runner_options {
	const struct env *env;
	struct catalog *catalog;
	int64_t stream_every_ms;      /* least time between batches of a streaming table */
	int64_t materialize_every_ms; /* and between refreshes of a view */
};

enum flow_state { FLOW_IDLE, FLOW_RUNNING, FLOW_FAILED, FLOW_STOPPED };
const char *flow_state_name(enum flow_state state);

struct flow_status {
	const char *name;
	enum flow_kind kind;
	enum flow_state state;
	uint64_t batches;
	int64_t rows;           /* written since start */
	int64_t last_commit_ms; /* wall clock; 0: none since start */
	int64_t last_duration_us;
	int64_t version;       /* of its table; -1 when there is none yet */
	struct mr_error error; /* code 0 when the last batch went well */
};

/* Takes the flows of the catalogue. */
MR_NODISCARD int runner_new(const struct runner_options *options, struct runner **out, struct mr_error *err);
void runner_start(struct runner *runner);
void runner_stop(struct runner *runner); /* waits for the batches under way; may be started again */
void runner_free(struct runner *runner); /* stops first */

/* A table has a new version: wake the flows that read it. Any thread; cheap. */
void runner_table_moved(struct runner *runner, mr_str table);

/* With the threads stopped: run every flow, in order, until none has anything to do. */
MR_NODISCARD int runner_drain(struct runner *runner, struct mr_error *err);

size_t runner_status(struct runner *runner, struct flow_status *out, size_t max);
size_t runner_flow_count(const struct runner *runner);
