/* tests/unit/dag/store_rows.h - what tests put into the scheduler's store, and a PostgreSQL to have it in. */
#pragma once

#include "dag/store.h"
#include "env/rng.h"

#define STORE_ROWS_DAGS 4

/* DAGs d0 … d3 as a file would have them. */
extern const char store_rows_yaml[];

/* A batch with rows of every kind: `runs` new runs from run_no on, their tasks, tries, XComs and what else
 * there is. Some rows replace those of an earlier batch. The same seed gives the same batch. */
struct store_batch *store_rows(struct mr_rng *rng, uint64_t epoch, uint64_t number, int64_t run_no, int runs);

/* Every table of the store as text, rows in the order of their keys. */
void store_rows_dump(struct dag_store *store, struct mr_buf *out);

/* tests/postgres.sh: a server of this test; the URL lives as long as the test. */
const char *test_postgres_start(const char *folder);
void test_postgres_run(const char *folder, const char *sql); /* without quotes in it */
void test_postgres_stop(const char *folder, const char *mode);
