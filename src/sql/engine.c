/* sql/engine.c - the one in-memory database: its settings, its macros, its end. Loading the
 * library takes 10 ms, opening it 30 ms and 10 MB, so that waits for the first connection. */
#include "sql/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The C API is stable within a major line; a library of another line may lay out vectors
 * otherwise, and that must show before the first query and not in the data. */
#define LIBRARY_LINE "v1.5"

#define MEMORY_BYTES_DEFAULT_MAX ((int64_t)2 << 30)

/* Nothing may come from the network, and every time is UTC. Insertion order costs memory and
 * threads; SQL promises none, and a single-threaded source keeps its order anyway. */
static const char *const settings[] = {
    "SET GLOBAL errors_as_json = true",
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL preserve_insertion_order = false",
};

/* Spark's names for what DuckDB has under another one. Those whose meaning depends on the
 * query's text (window, from_json, date patterns) are rewritten by stream/. */
static const char *const macros[] = {
    "nvl(a, b) AS coalesce(a, b)",
    "nvl2(a, b, c) AS CASE WHEN a IS NOT NULL THEN b ELSE c END",
    "size(x) AS coalesce(len(x), -1)",
    "collect_list(x) AS coalesce(list(x) FILTER (WHERE x IS NOT NULL), [])",
    "collect_set(x) AS coalesce(list(DISTINCT x) FILTER (WHERE x IS NOT NULL), [])",
    "get_json_object(j, p) AS json_extract_string(try_cast(j AS JSON), p)",
    "rlike(s, p) AS regexp_matches(s, p)",
    "unix_millis(t) AS epoch_ms(t)",
    "unix_micros(t) AS epoch_us(t)",
    "timestamp_millis(n) AS make_timestamptz(n * 1000)",
    "timestamp_micros(n) AS make_timestamptz(n)",
    "startswith(s, p) AS starts_with(s, p)",
    "endswith(s, p) AS ends_with(s, p)",
};

static int64_t default_memory_bytes(void)
{
	int64_t machine = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	return mr_min_i64(machine / 4, MEMORY_BYTES_DEFAULT_MAX);
}

static int set_option(duckdb_config config, const char *name, const char *value, struct mr_error *err)
{
	if (duckdb_set_config(config, name, value) == DuckDBSuccess)
		return 0;
	return mr_fail(err, MR_ERR_INTERNAL, "this DuckDB does not know the setting %s=%s", name, value);
}

static int configure(duckdb_config config, const struct sql_engine_options *options, struct mr_error *err)
{
	char number[32];
	int64_t memory = options->memory_bytes_max ? options->memory_bytes_max : default_memory_bytes();
	snprintf(number, sizeof number, "%lldB", (long long)memory);
	int rc = set_option(config, "memory_limit", number, err);
	if (rc == 0 && options->threads > 0) {
		snprintf(number, sizeof number, "%d", options->threads);
		rc = set_option(config, "threads", number, err);
	}
	if (rc == 0)
		rc = set_option(config, "temp_directory", options->temp_dir ? options->temp_dir : "", err);
	if (rc == 0)
		rc = set_option(config, "autoinstall_known_extensions", "false", err);
	if (rc == 0)
		rc = set_option(config, "autoload_known_extensions", "false", err);
	if (rc == 0)
		rc = set_option(config, "allow_community_extensions", "false", err);
	return rc;
}

static int open_database(const struct sql_engine_options *options, duckdb_database *out, struct mr_error *err)
{
	duckdb_config config;
	if (duckdb_create_config(&config) != DuckDBSuccess)
		return mr_fail(err, MR_ERR_INTERNAL, "DuckDB gives no configuration");
	int rc = configure(config, options, err);
	char *message = NULL;
	if (rc == 0 && duckdb_open_ext(NULL, out, config, &message) != DuckDBSuccess)
		rc = mr_fail(err, MR_ERR_INTERNAL, "cannot start DuckDB: %s", message ? message : "?");
	duckdb_free(message);
	duckdb_destroy_config(&config);
	return rc;
}

static int run(duckdb_connection handle, const char *sql, struct mr_error *err)
{
	duckdb_result result;
	int rc = 0;
	if (duckdb_query(handle, sql, &result) != DuckDBSuccess)
		rc =
		    mr_fail(err, MR_ERR_INTERNAL, "DuckDB refuses %s: %s", sql, duckdb_result_error(&result));
	duckdb_destroy_result(&result);
	return rc;
}

static int prepare_database(duckdb_connection handle, struct mr_error *err)
{
	for (size_t i = 0; i < MR_COUNT(macros); i++) {
		char *sql = mr_asprintf("CREATE MACRO memory.main.%s", macros[i]);
		int rc = run(handle, sql, err);
		free(sql);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < MR_COUNT(settings); i++) {
		int rc = run(handle, settings[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int sql_engine_open(const struct sql_engine_options *options, struct sql_engine **out, struct mr_error *err)
{
	struct sql_engine *engine = mr_calloc(1, sizeof *engine);
	pthread_mutex_init(&engine->lock, NULL);
	if (options)
		engine->options = *options;
	if (engine->options.temp_dir)
		engine->options.temp_dir = mr_strdup(engine->options.temp_dir);
	*out = engine;
	return 0;
}

static int apply(duckdb_connection admin, const struct sql_setup *step, struct mr_error *err)
{
	if (step->source)
		return sql_source_add(admin, step->source, err);
	if (step->filter)
		return sql_filter_add(admin, step->filter, err);
	return run(admin, step->statements, err);
}

static void forget_setup(struct sql_engine *engine)
{
	for (size_t i = 0; i < engine->setup.len; i++)
		free(engine->setup.items[i].statements);
	mr_vec_release(&engine->setup);
}

static int load_library(struct mr_error *err)
{
	int rc = duckdb_load(err);
	if (rc < 0 || strncmp(duckdb_library_version(), LIBRARY_LINE, strlen(LIBRARY_LINE)) == 0)
		return rc;
	mr_fail(err, MR_ERR_UNSUPPORTED, "libduckdb is %s; this program was built for %s",
		duckdb_library_version(), LIBRARY_LINE);
	mr_hint(err, "run tools/setup.sh, or put the libduckdb.so that came with the program first");
	return MR_ERR_UNSUPPORTED;
}

static int open_and_set_up(struct sql_engine *engine, struct mr_error *err)
{
	int rc = load_library(err);
	if (rc < 0)
		return rc;
	rc = open_database(&engine->options, &engine->db, err);
	if (rc == 0 && duckdb_connect(engine->db, &engine->admin) != DuckDBSuccess)
		rc = mr_fail(err, MR_ERR_INTERNAL, "cannot connect to the DuckDB just started");
	if (rc == 0)
		rc = prepare_database(engine->admin, err);
	for (size_t i = 0; i < engine->setup.len && rc == 0; i++)
		rc = apply(engine->admin, &engine->setup.items[i], err);
	if (rc < 0 && engine->admin)
		duckdb_disconnect(&engine->admin);
	return rc;
}

int sql_engine_ready(struct sql_engine *engine, struct mr_error *err)
{
	pthread_mutex_lock(&engine->lock);
	if (!engine->admin && !engine->failed) {
		engine->failed = open_and_set_up(engine, &engine->failure);
		forget_setup(engine);
	}
	int rc = engine->failed;
	pthread_mutex_unlock(&engine->lock);
	if (rc < 0 && err)
		*err = engine->failure; /* written once, before failed */
	return rc;
}

int sql_engine_apply(struct sql_engine *engine, struct sql_setup step, struct mr_error *err)
{
	if (engine->admin)
		return apply(engine->admin, &step, err);
	if (step.statements)
		step.statements = mr_strdup(step.statements);
	mr_vec_push(&engine->setup, step);
	return 0;
}

int sql_engine_install(struct sql_engine *engine, const char *statements, struct mr_error *err)
{
	pthread_mutex_lock(&engine->lock);
	int rc = sql_engine_apply(engine, (struct sql_setup){.statements = (char *)statements}, err);
	pthread_mutex_unlock(&engine->lock);
	return rc;
}

void sql_engine_close(struct sql_engine *engine)
{
	if (!engine)
		return;
	if (engine->admin)
		duckdb_disconnect(&engine->admin);
	if (engine->db)
		duckdb_close(&engine->db);
	forget_setup(engine);
	sql_sources_free(engine->sources);
	sql_filters_free(engine->filters);
	pthread_mutex_destroy(&engine->lock);
	free((char *)engine->options.temp_dir);
	free(engine);
}

const char *sql_engine_version(struct mr_error *err)
{
	return duckdb_load(err) < 0 ? NULL : duckdb_library_version();
}
