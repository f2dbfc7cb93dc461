/* flow/batch.h - one batch of one flow: from its table's position to its sources' newest
 * versions. Runs in the caller's thread, over the caller's connection. */
#pragma once

#include "base/error.h"
#include "query/catalog.h"
#include "sql/engine.h"

struct flow_batch_result {
	int64_t rows;
	int64_t version; /* committed */
	bool more;       /* the batch's limit was reached: there is another */
};

/* What a run of a flow holds on to between batches. Starts as zeros. */
struct flow_memory {
	char *schema; /* its stream's schemaString when the run began; NULL: not seen yet */
};
void flow_memory_release(struct flow_memory *memory); /* as new */

/* MR_ERR_CONFLICT, DELTA_SCHEMA_CHANGED_WITH_VERSION, once the stream's columns are others than those that
 * the run began with: a new run goes on with them. `memory` may be NULL: a run of its own.
 * 1: a batch was committed; 0: nothing to do (also: a source does not exist yet). */
MR_NODISCARD int flow_batch(struct catalog *catalog, struct catalog_entry *entry, struct sql_conn *conn,
			    struct flow_memory *memory, struct flow_batch_result *result,
			    struct mr_error *err);
