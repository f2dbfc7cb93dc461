/* dag/load.h - DAG files (YAML below dags/, in dag-factory's shape) as struct dag.
 *
 * A file is a mapping of DAG ids to DAGs, with two keys that are none: `default` (keys and
 * default_args for the DAGs of the file) and `pools`. Everything that can be wrong is found here,
 * with file:line:column and the nearest name: keys, operators and their arguments, cron, time
 * zones, dates, templates, dependencies, cycles, pools, params. A DAG that has a fault is left
 * out; the others go on.
 *
 * Values as dag-factory writes them: {__type__: datetime.timedelta, hours: 2}, __args__, __or__,
 * __and__, dotted class names, "+task" and "task.output" for what another task returned.
 *
 * Threading: one thread a call; what comes out is immutable.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"
#include "base/vec.h"
#include "dag/dag.h"
#include "env/disk.h"

struct dag_pool_file { /* of a file's `pools` */
	mr_str name;
	int32_t slots;
	mr_str description;
};

struct dag_fault {
	char *file;
	char *dag_id; /* "" when the file cannot be read at all */
	struct mr_error error;
};

struct dag_set {
	struct arena arena;
	MR_VEC(struct dag *) dags; /* a reference each; sorted by id */
	MR_VEC(struct dag_pool_file) pools;
	MR_VEC(struct dag_fault) faults;
};

struct dag_load_options {
	struct mr_disk *disk; /* for time zones and files */
	/* Is this text a good template of this task, of which id, operator and expand are known? NULL: not
	 * checked. Sets message and, when it can, hint. */
	int (*check_template)(void *arg, const struct dag_task *task, mr_str text, struct mr_error *err);
	/* A pool that no file names but that exists; NULL: none does but default_pool. */
	bool (*pool_exists)(void *arg, mr_str name);
	void *arg;
	/* What the scripts (.py below the folder that mention Airflow and a DAG) hold: a line of JSON for
	 * each,
	 * {"file", "dags": a DAG file of ours, "faults": [{"dag_id", "line", "message"}]}. NULL: scripts are
	 * not looked at. */
	int (*read_scripts)(void *scripts_arg, const char *folder, char *const *files, size_t count,
			    struct mr_buf *lines, struct mr_error *err);
	void *scripts_arg;
	/* Not empty: this DAG alone, as if it had no schedule: to be run by hand. */
	mr_str only;
};

/* One file's text into the set; what is wrong is in set->faults. Call dag_set_finish at the end. */
void dag_load_text(const struct dag_load_options *options, const char *file, mr_str text,
		   struct dag_set *set);
/* All .yml and .yaml files below the folder, sorted by path, then the scripts. A folder that is not there is
 * no DAG. */
MR_NODISCARD int dag_load_folder(const struct dag_load_options *options, const char *folder,
				 struct dag_set *set, struct mr_error *err);
/* Changes when a DAG file of the folder does: a hash of names, sizes and times. */
uint64_t dag_folder_mark(struct mr_disk *disk, const char *folder);
/* What spans files: pools, ids given twice. */
void dag_set_finish(const struct dag_load_options *options, struct dag_set *set);
void dag_set_release(struct dag_set *set); /* zero-initialised is empty */

struct dag *dag_set_find(const struct dag_set *set, mr_str dag_id); /* borrowed; NULL */
