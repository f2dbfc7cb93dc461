/* flow/batch.h - one batch of one flow: from its table's position to its sources' newest
 * versions. Runs in the caller's thread, over the caller's connection. */
#pragma once

#include "base/error.h"
#include "query/catalog.h"
#include "sql/engine.h"

struct flow_batch_result {
	int64_t rows;
	int64_t version; /* committed */
};

/* 1: a batch was committed; 0: nothing to do (also: a source does not exist yet). */
MR_NODISCARD int flow_batch(struct catalog *catalog, struct catalog_entry *entry, struct sql_conn *conn,
			    struct flow_batch_result *result, struct mr_error *err);
