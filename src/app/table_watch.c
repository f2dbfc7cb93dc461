#include "app/table_watch.h"

#include "base/mem.h"
#include "base/vec.h"

#include <stdatomic.h>
#include <stdlib.h>

struct watched {
	struct table_watch *watch;
	struct upkeep_table table;
	size_t index; /* in the upkeep's tables */
};

struct table_watch {
	struct runner *runner;
	struct upkeep *upkeep;
	_Atomic bool stopped;
	MR_VEC(struct watched *) tables;
};

static void table_moved(void *arg)
{
	const struct watched *watched = arg;
	struct table_watch *watch = watched->watch;
	if (atomic_load(&watch->stopped))
		return;
	runner_table_moved(watch->runner, mr_str_from(watched->table.name));
	upkeep_table_moved(watch->upkeep, watched->index);
}

static void add(struct table_watch *watch, const struct project *project, const char *name,
		struct delta_table *table, bool derived)
{
	struct conf_maintenance conf = project_maintenance(project, mr_str_from(name));
	struct watched *watched = mr_alloc(sizeof *watched);
	*watched = (struct watched){
	    .watch = watch,
	    .table = {.name = name,
		      .table = table,
		      .derived = derived,
		      .policy = {.target_file_bytes = conf.target_file_bytes,
				 .optimize_at = conf.optimize_at,
				 .vacuum_every_ms = conf.vacuum_every_ms,
				 .retain_ms = conf.retain_ms,
				 .log_retention_ms = conf.log_retention_ms,
				 .checkpoint_every = conf.checkpoint_every}},
	    .index = watch->tables.len,
	};
	mr_vec_push(&watch->tables, watched);
}

static void add_entries(struct table_watch *watch, const struct table_watch_options *options)
{
	struct catalog_entry *const *entries;
	size_t count = catalog_entries(options->catalog, &entries);
	for (size_t i = 0; i < count; i++) {
		const struct catalog_entry *entry = entries[i];
		bool derived = entry->kind == CATALOG_FLOW && entry->flow->kind == FLOW_MATERIALIZED_VIEW;
		if (entry->table)
			add(watch, options->project, entry->name, entry->table, derived);
	}
}

/* Tables that CREATE TABLE made are looked after when the project names them. */
static void add_named(struct table_watch *watch, const struct table_watch_options *options)
{
	for (size_t i = 0; i < options->project->maintenance_count; i++) {
		mr_str name = options->project->maintenance[i].table;
		struct delta_table *table;
		if (!mr_str_is(name, "*") && !catalog_find(options->catalog, name) &&
		    lake_find(catalog_lake(options->catalog), name, &table, NULL) == 0)
			add(watch, options->project, name.ptr, table, false);
	}
}

void table_watch_new(const struct table_watch_options *options, struct table_watch **out)
{
	struct table_watch *watch = mr_calloc(1, sizeof *watch);
	watch->runner = options->runner;
	add_entries(watch, options);
	add_named(watch, options);
	struct upkeep_table *tables = mr_calloc(watch->tables.len + 1, sizeof *tables);
	for (size_t i = 0; i < watch->tables.len; i++)
		tables[i] = watch->tables.items[i]->table;
	char *temp = mr_asprintf("%s/tmp", options->project->data);
	struct upkeep_options upkeep = {.env = options->env,
					.lake = catalog_lake(options->catalog),
					.temp_dir = temp,
					.tables = tables,
					.table_count = watch->tables.len};
	upkeep_new(&upkeep, &watch->upkeep);
	for (size_t i = 0; i < watch->tables.len; i++)
		delta_on_commit(tables[i].table, table_moved, watch->tables.items[i]);
	free(temp);
	free(tables);
	*out = watch;
}

void table_watch_stop(struct table_watch *watch)
{
	if (!watch)
		return;
	atomic_store(&watch->stopped, true);
	upkeep_stop(watch->upkeep);
}

void table_watch_free(struct table_watch *watch)
{
	if (!watch)
		return;
	table_watch_stop(watch);
	upkeep_free(watch->upkeep);
	for (size_t i = 0; i < watch->tables.len; i++)
		free(watch->tables.items[i]);
	mr_vec_release(&watch->tables);
	free(watch);
}

struct upkeep *table_watch_upkeep(struct table_watch *watch)
{
	return watch->upkeep;
}
