/* tests/unit/ingest/bed.h - everything an ingest stands on, over a real folder. */
#pragma once

#include "ingest_kit.h"

#include "ingest/ingest.h"
#include "ingest/topic_source.h"

struct bed {
	const char *dir;
	struct log_store *store;
	struct broker *broker;
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct topic_source *source;
	struct conf_ingest conf;
	struct ingest *ingest;
	struct mr_error err;
};

#define BED_SCHEMA \
	"{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}," \
	"\"ts\":{\"type\":\"string\",\"format\":\"date-time\"},\"tags\":{\"type\":\"array\"}}}"

/* Topic "t" with so many partitions; schema NULL: without a contract. Table bronze.t by date. */
void bed_open(struct bed *bed, const char *dir, int32_t partitions, const char *schema);
void bed_open_ingest(struct bed *bed);
/* crash: the log store is abandoned as by kill -9. */
void bed_close(struct bed *bed, bool crash);
/* {"n":from}, ... one batch. */
void bed_put(struct bed *bed, int32_t partition, int from, int count);
/* The first value of a query in which %s is the table as it is committed. */
char *bed_query(struct bed *bed, const char *query);

#define CHECK_QUERY(bed, query, want) \
	do { \
		char *value_ = bed_query((bed), (query)); \
		CHECK_STR(mr_str_from(value_), (want)); \
		free(value_); \
	} while (0)
