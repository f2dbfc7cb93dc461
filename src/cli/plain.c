#include "cli/plain.h"

#include "base/mem.h"
#include "cli/stores.h"
#include "stream/spark_macros.h"

#include <stdlib.h>
#include <unistd.h>

struct plain {
	struct stores stores;
	struct sql_engine *engine;
	struct catalog *catalog;
	struct session_pool *sessions;
};

/* DuckDB makes the folder when it spills, and removes it. */
static char *spill_folder(void)
{
	const char *temp = getenv("TMPDIR");
	return mr_asprintf("%s/millrace-%ld", temp && *temp ? temp : "/tmp", (long)getpid());
}

int plain_open(const char *tables_dir, struct plain **out, struct mr_error *err)
{
	struct plain *plain = mr_calloc(1, sizeof *plain);
	stores_init(&plain->stores);
	char *temp = spill_folder();
	struct sql_engine_options options = {.temp_dir = temp};
	int rc = sql_engine_open(&options, &plain->engine, err);
	free(temp);
	if (rc == 0)
		rc = sql_engine_install(plain->engine, spark_macros(), err);
	struct catalog_options catalog = {
	    .env = &plain->stores.env, .engine = plain->engine, .tables_dir = tables_dir};
	if (rc == 0)
		rc = catalog_new(&catalog, &plain->catalog, err);
	if (rc == 0)
		rc = session_pool_new(plain->catalog, 1, &plain->sessions, err);
	if (rc < 0) {
		plain_close(plain);
		return rc;
	}
	*out = plain;
	return 0;
}

void plain_close(struct plain *plain)
{
	if (!plain)
		return;
	session_pool_free(plain->sessions);
	catalog_free(plain->catalog);
	sql_engine_close(plain->engine);
	stores_release(&plain->stores);
	free(plain);
}

int plain_sql(struct plain *plain, mr_str sql, const char *format, int width, render_put_fn put, void *arg,
	      struct mr_error *err)
{
	return script_run(plain->sessions, sql, format, width, put, arg, err);
}
