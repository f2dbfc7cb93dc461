/* conf/keys_maintenance.c - the `maintenance` key of the project file. */
#include "conf/keys.h"
#include "conf/project.h"

#define OF(member) AT(struct conf_maintenance, member)
#define DAY_MS ((int64_t)24 * 3600 * 1000)

static int check_table(const struct option_place *place, void *item, struct mr_error *err)
{
	struct conf_maintenance *maintenance = item;
	maintenance->table = place->key->text;
	if (mr_str_is(maintenance->table, "*") || memchr(maintenance->table.ptr, '.', maintenance->table.len))
		return 0;
	return option_fail(place, err, "%s: expected schema.table such as bronze.events, or \"*\"",
			   place->path.ptr);
}

static const struct option maintenance_options[] = {
    {.key = "target_file_size",
     .type = OPTION_SIZE,
     OF(target_file_bytes),
     .preset = "128MiB",
     .min = 1024,
     .max = (int64_t)1 << 40,
     .help = "Size that small files are packed into."},
    {.key = "optimize_at",
     .type = OPTION_INT32,
     OF(optimize_at),
     .preset = "50",
     .min = 0,
     .max = 1000000,
     .help = "Pack when so many files are below half of it; 0: never."},
    {.key = "vacuum_every",
     .type = OPTION_DURATION,
     OF(vacuum_every_ms),
     .preset = "1d",
     .min = -1,
     .max = 3650 * DAY_MS,
     .help = "Remove files that no version needs, once in this time; `forever`: never."},
    {.key = "retain",
     .type = OPTION_DURATION,
     OF(retain_ms),
     .max = 3650 * DAY_MS,
     .shown_default = "the table's, 7d",
     .help = "delta.deletedFileRetentionDuration: how long removed files are kept."},
    {.key = "log_retention",
     .type = OPTION_DURATION,
     OF(log_retention_ms),
     .max = 3650 * DAY_MS,
     .shown_default = "the table's, 30d",
     .help = "delta.logRetentionDuration: how far back time travel goes."},
    {.key = "checkpoint_every",
     .type = OPTION_INT32,
     OF(checkpoint_every),
     .max = 1000000,
     .shown_default = "the table's, 10",
     .help = "delta.checkpointInterval: commits from one checkpoint to the next."},
};
const struct option_table conf_maintenance_table =
    OPTION_TABLE(struct conf_maintenance, maintenance_options, .check = check_table);

struct conf_maintenance project_maintenance(const struct project *project, mr_str table)
{
	struct conf_maintenance found = {
	    .target_file_bytes = (int64_t)128 << 20, .optimize_at = 50, .vacuum_every_ms = DAY_MS};
	bool named = false;
	for (size_t i = 0; i < project->maintenance_count; i++) {
		const struct conf_maintenance *one = &project->maintenance[i];
		bool exact = mr_str_eq(one->table, table);
		if (exact || (!named && mr_str_is(one->table, "*")))
			found = *one;
		named |= exact;
	}
	return found;
}
