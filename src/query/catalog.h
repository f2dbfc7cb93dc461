/* query/catalog.h - every name that SQL can see, and what stands behind it.
 *
 *   bronze.access_log   an ingest's Delta table, plus the tail of its topic
 *   silver.page_views   a streaming table, plus its query over what it has not consumed
 *   gold.per_minute     a materialized view: as of its last refresh
 *   default.t           a table that CREATE TABLE made (lake/)
 *   logs-access         a topic: key, value, headers, partition, offset, timestamp (and typed
 *                       columns when it has a contract)
 *
 * Entries are added while the program starts and live as long as the catalogue; topics are
 * looked up in the log as they come and go. Threading: after start, safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "broker/broker.h"
#include "delta/delta.h"
#include "ingest/ingest.h"
#include "lake/lake.h"
#include "query/system.h"
#include "sql/engine.h"
#include "stream/pipeline.h"

enum catalog_kind { CATALOG_INGEST, CATALOG_FLOW };

struct catalog_entry {
	enum catalog_kind kind;
	const char *name;          /* "silver.page_views" */
	int rank;                  /* a reader's is above that of all it reads */
	struct delta_table *table; /* NULL for a temporary view */
	struct ingest *ingest;     /* CATALOG_INGEST */
	const struct flow *flow;   /* CATALOG_FLOW */
};

struct catalog;

struct catalog_options {
	const struct env *env;
	struct sql_engine *engine;
	struct broker *broker;              /* NULL: no topics */
	const struct system_tables *system; /* NULL: no system.* */
	const char *tables_dir; /* DATA/tables: flow tables are tables_dir/<schema>/<table>; NULL: none */
};

MR_NODISCARD int catalog_new(const struct catalog_options *options, struct catalog **out,
			     struct mr_error *err);
void catalog_free(struct catalog *catalog); /* closes the flows' tables; ingests are their owners' */

MR_NODISCARD int catalog_add_ingest(struct catalog *catalog, struct ingest *ingest, struct mr_error *err);
/* Flows in dependency order; the pipeline outlives the catalogue. */
MR_NODISCARD int catalog_add_flow(struct catalog *catalog, const struct flow *flow, struct mr_error *err);

struct catalog_entry *catalog_find(struct catalog *catalog, mr_str name); /* NULL when absent; not topics */
size_t catalog_entries(struct catalog *catalog, struct catalog_entry *const **out);
const struct env *catalog_env(const struct catalog *catalog);
struct sql_engine *catalog_engine(struct catalog *catalog);
const struct system_tables *catalog_system(struct catalog *catalog); /* may be NULL */
struct broker *catalog_broker(struct catalog *catalog);              /* may be NULL */
struct lake *catalog_lake(struct catalog *catalog);
