/* conf/keys_dags.c - the `dags` key of the project file. */
#include "conf/keys.h"
#include "conf/project.h"
#include "conf/values.h"

static int read_metadata(const struct option_place *place, const struct option *option, void *to,
			 struct mr_error *err)
{
	(void)option;
	mr_str url = *(const mr_str *)to;
	if (!url.len || mr_str_starts(url, MR_STR("postgresql://")) ||
	    mr_str_starts(url, MR_STR("postgres://")))
		return 0;
	/* Without a place that the line would be shown of: it may hold a password. */
	mr_fail(err, MR_ERR_INVALID, "%s, line %d: %s is not postgresql://…", place->reader->file,
		(int)place->node->line, place->path.ptr);
	return mr_hint(err, "postgresql://USER@HOST/DATABASE, or leave it out for SQLite in the data folder");
}

static const struct option dags_options[] = {
    {.key = "folder",
     .type = OPTION_CUSTOM,
     AT(struct conf_dags, folder),
     .preset = "dags",
     .read = conf_read_path,
     .shown_type = "path",
     .help = "Where the DAG files are. Read again when they change."},
    {.key = "parallelism",
     .type = OPTION_INT32,
     AT(struct conf_dags, parallelism),
     .preset = "32",
     .min = 1,
     .max = 10000,
     .help = "Tasks that run at a time, over all DAGs."},
    {.key = "executor",
     .type = OPTION_STR,
     AT(struct conf_dags, executor),
     .preset = "local",
     .shown_type = "name",
     .help = "Who runs tasks that do not say it and have a process of their own: `local` or `slurm`."},
    {.key = "metadata",
     .type = OPTION_STR,
     AT(struct conf_dags, metadata),
     .read = read_metadata,
     .shown_type = "URL",
     .shown_default = "a file of the data folder",
     .help = "Where runs and tasks are kept: `postgresql://USER@HOST/DATABASE`, with a password there or in "
	     "`~/.pgpass`. Servers that share one stand by for each other."},
    {.key = "lease",
     .type = OPTION_DURATION,
     AT(struct conf_dags, lease_ms),
     .preset = "10s",
     .min = 1000,
     .max = 3600000,
     .help = "A leader that was not heard of for this long is replaced by one that stands by."},
};
const struct option_table conf_dags_table = OPTION_TABLE(struct conf_dags, dags_options);
