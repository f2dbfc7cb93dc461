/* tests/unit/api/test_api_postgres.c - every question of /api/v2 has the same answer from SQLite and from a
 * real PostgreSQL that hold the same rows. */
#include "test.h"

#include "api/call.h"
#include "base/mem.h"
#include "dag/store_rows.h"

#include <stdlib.h>

static struct dags *open_with(const struct env *env, const char *folder, const char *metadata)
{
	struct mr_error err;
	struct dags *dags;
	const char *data = test_path("%s/data", folder), *files = test_path("%s/dags", folder);
	CHECK_OK(disk_mkdir_all(env_linux()->disk, data, &err), err);
	CHECK_OK(disk_mkdir_all(env_linux()->disk, files, &err), err);
	CHECK_OK(disk_replace_file(env_linux()->disk, test_path("%s/x.yml", files),
				   mr_str_from(store_rows_yaml), &err),
		 err);
	struct dags_options options = {
	    .env = env, .data = data, .folder = files, .parallelism = 4, .metadata = metadata};
	CHECK_OK(dags_open(&options, &dags, &err), err);
	return dags;
}

static void fill(struct dags *dags)
{
	struct dag_store *store = dags_store(dags);
	struct mr_error err;
	struct mr_rng rng;
	uint64_t epoch;
	rng_seed(&rng, 9);
	CHECK_OK(store->ops->claim(store, MR_STR("test"), NULL, &epoch, &err), err);
	for (int64_t i = 0; i < 10; i++) {
		struct store_batch *batch = store_rows(&rng, epoch, (uint64_t)i + 1, 1 + i * 3, 3);
		CHECK_OK(store->ops->apply(store, batch, &err), err);
		store_batch_free(batch);
	}
}

static void ask(struct dags *dags, const char *target, struct mr_buf *out)
{
	struct api_reply reply = {0};
	api_handle_target(dags, "GET", target, MR_STR(""), &reply);
	mr_buf_printf(out, "%d ", reply.status);
	mr_buf_str(out, mr_buf_view(&reply.body));
	mr_buf_release(&reply.body);
}

static void same(struct dags *sqlite, struct dags *postgres, const char *target, struct mr_buf *out)
{
	struct mr_buf other = {0};
	mr_buf_clear(out);
	ask(sqlite, target, out);
	ask(postgres, target, &other);
	if (strcmp(out->ptr, other.ptr) != 0)
		test_fail(__FILE__, __LINE__, "%s\nSQLite:     %.1500s\nPostgreSQL: %.1500s", target,
			  out->ptr, other.ptr);
	CHECK(strncmp(out->ptr, "500", 3) != 0);
	mr_buf_release(&other);
}

#define RUN "run%201%2B%25_'x"

static const char *const plain[] = {
    "/dags/d0",
    "/dags/d0/details",
    "/dags/d1/dagVersions",
    "/dags/nope",
    "/dagSources/d1",
    "/dags/d2/assets/queuedEvents",
    "/dagTags",
    "/dagStats",
    "/dagStats?dag_ids=d0&dag_ids=d2",
    "/dags/~/dagRuns/" RUN,
    "/dags/d0/dagRuns/nope",
    "/dags/~/dagRuns/" RUN "/taskInstances/t0",
    "/dags/~/dagRuns/" RUN "/taskInstances/t0/tries",
    "/dags/~/dagRuns/" RUN "/taskInstances/t0/tries/1",
    "/dags/~/dagRuns/" RUN "/taskInstances/t0/tries/x",
    "/dags/~/dagRuns/" RUN "/taskInstances/t2/listMapped",
    "/dags/~/dagRuns/" RUN "/taskInstances/t2/1",
    "/dags/~/dagRuns/" RUN "/taskInstances/t2/9999999999999999999",
    "/dags/~/dagRuns/" RUN "/taskInstances/t2/-",
    "/dags/~/dagRuns/~/taskInstances/~/xcomEntries",
    "/dags/~/dagRuns/" RUN "/taskInstances/t0/xcomEntries/k1",
    "/dags/~/dagRuns/" RUN "/taskInstances/t0/xcomEntries/k1?map_index=z",
    "/assets",
    "/assets/1",
    "/backfills/1",
    "/backfills/x",
    "/eventLogs/1",
    "/eventLogs/99999999999999999999",
    "/pools/p0",
    "/pools/nope",
    "/grid?dag_id=d0",
    "/grid?dag_id=d1&limit=3",
    "/recentRuns",
    "/recentRuns?limit=2",
    "/dags?paused=true",
    "/dags?paused=false&exclude_stale=false",
    "/dags?dag_id_pattern=D",
    "/dags?dag_id_pattern=%5C",
    "/dags?last_dag_run_state=failed&exclude_stale=false",
    "/dags?order_by=next_dagrun",
    "/dags?order_by=-next_dagrun&exclude_stale=false",
    "/dags?order_by=-last_run_state",
    "/dags?order_by=last_run_start_date&exclude_stale=false",
    "/dags?order_by=-last_run_start_date&exclude_stale=false",
    "/dags/~/dagRuns?state=failed&state=queued",
    "/dags/~/dagRuns?run_id_pattern=_%25",
    "/dags/~/dagRuns?run_id_pattern=%5C",
    "/dags/~/dagRuns?conf_contains=X",
    "/dags/~/dagRuns?start_date_gte=2026-01-05T00:00:00Z",
    "/dags/~/dagRuns?duration_gt=100&duration_lte=1e6",
    "/dags/~/dagRuns?updated_at_lt=2026-01-10",
    "/dags/~/dagRuns?limit=3&offset=5",
    "/dags/~/dagRuns/~/taskInstances?map_index=1&map_index=x",
    "/dags/~/dagRuns/~/taskInstances?try_number=99999999999999999999",
    "/dags/~/dagRuns/~/taskInstances?state=none&pool=p0",
    "/dags/~/dagRuns/~/taskInstances?operator=BashOperator",
    "/dags/~/dagRuns?run_id_pattern=a%00b",
    "/dags/~/dagRuns?run_id_pattern=%FF",
    "/dags/%FF/dagRuns",
};

/* Ordered by every member that they show, up and down; those that cannot be are refused alike. */
static const char *const lists[] = {
    "/dags/~/dagRuns",
    "/dags/~/dagRuns/~/taskInstances",
    "/dags/~/dagRuns/~/taskInstances/~/xcomEntries",
    "/assets/events",
    "/backfills",
    "/pools",
    "/eventLogs",
    "/dags",
};

static void check_orders(struct dags *sqlite, struct dags *postgres, const char *target)
{
	struct json_parser *parser = json_parser_new();
	struct mr_buf first = {0}, out = {0};
	struct json_value v;
	struct mr_error err;
	same(sqlite, postgres, target, &first);
	CHECK_OK(json_parse(parser, mr_str_tail(mr_buf_view(&first), 4), &v, &err), err);
	struct json_iter members = json_iter(v);
	CHECK(json_next(&members));
	if (!json_present(json_at(members.value, 0)))
		test_fail(__FILE__, __LINE__, "%s is empty: %s", target, first.ptr);
	struct json_iter item = json_iter(json_at(members.value, 0));
	while (json_next(&item)) {
		same(sqlite, postgres, test_path("%s?order_by=%.*s&limit=1000", target, MR_FMT(item.key)),
		     &out);
		same(sqlite, postgres, test_path("%s?order_by=-%.*s&limit=7", target, MR_FMT(item.key)),
		     &out);
	}
	json_parser_free(parser);
	mr_buf_release(&first);
	mr_buf_release(&out);
}

TEST(api_answers_the_same_from_postgres)
{
	struct mr_buf out = {0};
	const char *folder = test_path("%s/pg", test_folder());
	const char *url = test_postgres_start(folder);
	struct sim_clock clock;
	struct env env = *env_linux();
	sim_clock_init(&clock, INT64_C(1767268800000000));
	env.clock = &clock.base;
	struct dags *sqlite = open_with(&env, test_path("%s/a", test_folder()), NULL);
	struct dags *postgres = open_with(&env, test_path("%s/b", test_folder()), url);
	fill(sqlite);
	fill(postgres);
	for (size_t i = 0; i < MR_COUNT(plain); i++)
		same(sqlite, postgres, plain[i], &out);
	for (size_t i = 0; i < MR_COUNT(lists); i++)
		check_orders(sqlite, postgres, lists[i]);
	dags_free(sqlite);
	dags_free(postgres);
	test_postgres_stop(folder, "fast");
	mr_buf_release(&out);
}
