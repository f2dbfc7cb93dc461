/* conf/keys_dags.c - the `dags` key of the project file. */
#include "conf/keys.h"
#include "conf/project.h"
#include "conf/values.h"

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
};
const struct option_table conf_dags_table = OPTION_TABLE(struct conf_dags, dags_options);
