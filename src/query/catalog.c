#include "query/catalog.h"

#include "base/map.h"
#include "base/vec.h"

#include <ctype.h>

struct catalog {
	struct catalog_options options;
	char *tables_dir;
	struct lake *lake;
	MR_VEC(struct catalog_entry *) entries;
	struct mr_map by_name;
};

static struct delta_table *find_table(void *arg, mr_str name, bool *derived)
{
	struct catalog_entry *entry = catalog_find(arg, name);
	*derived = entry && entry->kind == CATALOG_FLOW && entry->flow->kind == FLOW_MATERIALIZED_VIEW;
	return entry ? entry->table : NULL;
}

int catalog_new(const struct catalog_options *options, struct catalog **out, struct mr_error *err)
{
	(void)err;
	struct catalog *catalog = mr_calloc(1, sizeof *catalog);
	catalog->options = *options;
	catalog->tables_dir = options->tables_dir ? mr_strdup(options->tables_dir) : NULL;
	struct lake_options lake = {.env = options->env,
				    .engine = options->engine,
				    .tables_dir = options->tables_dir,
				    .find = find_table,
				    .find_arg = catalog};
	lake_new(&lake, &catalog->lake);
	*out = catalog;
	return 0;
}

void catalog_free(struct catalog *catalog)
{
	if (!catalog)
		return;
	for (size_t i = 0; i < catalog->entries.len; i++) {
		struct catalog_entry *entry = catalog->entries.items[i];
		if (entry->kind == CATALOG_FLOW && entry->table)
			delta_close(entry->table);
		free((char *)entry->name);
		free(entry);
	}
	lake_free(catalog->lake);
	mr_vec_release(&catalog->entries);
	mr_map_release(&catalog->by_name);
	free(catalog->tables_dir);
	free(catalog);
}

/* Names are compared as SQL compares them: without case. */
static mr_str folded(mr_str name, char buffer[512])
{
	size_t n = mr_min_size(name.len, 511);
	for (size_t i = 0; i < n; i++)
		buffer[i] = (char)tolower((unsigned char)name.ptr[i]);
	return mr_str_n(buffer, n);
}

static int catalog_add(struct catalog *catalog, struct catalog_entry entry, mr_str name, struct mr_error *err)
{
	if (entry.flow && entry.flow->source_count > FLOW_SOURCES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "%.*s reads %zu tables, more than %d", MR_FMT(name),
			       entry.flow->source_count, FLOW_SOURCES_MAX);
	if (catalog_find(catalog, name))
		return mr_fail(err, MR_ERR_EXISTS, "two definitions of table %.*s", MR_FMT(name));
	char buffer[512];
	struct catalog_entry *kept = mr_alloc(sizeof *kept);
	*kept = entry;
	kept->name = mr_strndup(name);
	mr_vec_push(&catalog->entries, kept);
	mr_map_put(&catalog->by_name, folded(name, buffer), kept);
	return 0;
}

int catalog_add_ingest(struct catalog *catalog, struct ingest *ingest, struct mr_error *err)
{
	struct catalog_entry entry = {
	    .kind = CATALOG_INGEST, .ingest = ingest, .table = ingest_table(ingest)};
	return catalog_add(catalog, entry, ingest_table_name(ingest), err);
}

int catalog_add_flow(struct catalog *catalog, const struct flow *flow, struct mr_error *err)
{
	struct catalog_entry entry = {.kind = CATALOG_FLOW, .flow = flow, .rank = 1};
	for (size_t i = 0; i < flow->source_count; i++) {
		struct catalog_entry *source = catalog_find(catalog, flow->sources[i].name);
		if (source && source->rank >= entry.rank)
			entry.rank = source->rank + 1;
	}
	if (flow->kind == FLOW_TEMPORARY_VIEW)
		return catalog_add(catalog, entry, flow->name, err);

	const char *dot = memchr(flow->name.ptr, '.', flow->name.len);
	mr_str schema = dot ? mr_str_n(flow->name.ptr, (size_t)(dot - flow->name.ptr)) : MR_STR("default");
	mr_str table = dot ? mr_str_tail(flow->name, schema.len + 1) : flow->name;
	char *path = mr_asprintf("%s/%.*s/%.*s", catalog->tables_dir, MR_FMT(schema), MR_FMT(table));
	int rc = delta_open(catalog->options.env, catalog->options.engine, path, &entry.table, err);
	free(path);
	if (rc == 0)
		rc = catalog_add(catalog, entry, flow->name, err);
	if (rc < 0)
		delta_close(entry.table);
	return rc;
}

struct catalog_entry *catalog_find(struct catalog *catalog, mr_str name)
{
	char buffer[512];
	return mr_map_get(&catalog->by_name, folded(name, buffer));
}

size_t catalog_entries(struct catalog *catalog, struct catalog_entry *const **out)
{
	*out = catalog->entries.items;
	return catalog->entries.len;
}

const struct env *catalog_env(const struct catalog *catalog)
{
	return catalog->options.env;
}

struct sql_engine *catalog_engine(struct catalog *catalog)
{
	return catalog->options.engine;
}

struct broker *catalog_broker(struct catalog *catalog)
{
	return catalog->options.broker;
}

struct lake *catalog_lake(struct catalog *catalog)
{
	return catalog->lake;
}

const struct system_tables *catalog_system(struct catalog *catalog)
{
	return catalog->options.system;
}
