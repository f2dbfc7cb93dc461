/* dag/load_internal.h - what the loader's files share. */
#pragma once

#include "codec/json.h"
#include "conf/yaml.h"
#include "dag/load.h"
#include "dag/tz.h"

#define RETURN_VALUE "return_value"

/* One DAG being built. Everything of `dag` goes to its arena; `scratch` is the file's. */
struct build {
	const struct dag_load_options *options;
	const char *file;
	struct arena *scratch;
	struct dag *dag;
	struct arena *arena;                  /* &dag->arena */
	const struct yaml_node *default_args; /* of the DAG, may be NULL */
	const struct yaml_node *file_default_args;
	struct dep_list *deps; /* by task index */
	const struct yaml_node *tasks;
	struct tz *zone; /* the DAG's; the timetable takes it */
};

/* What a task or group says it comes after. */
struct dep_list {
	MR_VEC(const struct yaml_node *) names;
	const struct yaml_node *group; /* task_group_name */
};

/* A failure at a node: MR_ERR_INVALID with file:line:column. */
int load_fail(const struct build *b, const struct yaml_node *at, struct mr_error *err, const char *fmt, ...)
    MR_PRINTF(4, 5);

/* load_value.c: one value each. */
enum value_kind {
	VALUE_STR,
	VALUE_BOOL,
	VALUE_INT,
	VALUE_NUMBER,
	VALUE_DURATION,
	VALUE_TIME,
	VALUE_CUSTOM,
	VALUE_IGNORED
};

struct key {
	const char *name;
	enum value_kind kind;
	size_t offset; /* in the struct: mr_str, bool, int32_t, double, int64_t (us) */
	int32_t least; /* of VALUE_INT */
	int (*read)(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err);
};

int load_value(struct build *b, const struct key *key, const struct yaml_node *node, void *to,
	       struct mr_error *err);
const struct key *load_key(const struct key *keys, size_t count, mr_str name);
int load_unknown_key(const struct build *b, const struct yaml_node *key, const char *what,
		     const struct key *keys, size_t count, const char *nearest_too, struct mr_error *err);
/* The class of {__type__: a.b.Class}, or empty. */
mr_str load_type(const struct yaml_node *node);
int load_duration(struct build *b, const struct yaml_node *node, int64_t *us, struct mr_error *err);
int load_time(struct build *b, const struct yaml_node *node, int64_t *us, struct mr_error *err);
int load_names(struct build *b, const struct yaml_node *node, mr_str **names, size_t *count,
	       struct mr_error *err);
int load_json(struct build *b, const struct yaml_node *node, mr_str *json, struct mr_error *err);
int load_callbacks(struct build *b, const struct yaml_node *node, struct dag_callback **out, size_t *count,
		   struct mr_error *err);

/* load_schedule.c: timetable and assets, from `schedule` and `timetable`. */
int load_schedule(struct build *b, const struct yaml_node *schedule, const struct yaml_node *timetable,
		  struct mr_error *err);
/* load_calendar.c: on which days the timetable, which is there already, may fire. NULL: each. */
int load_calendar(struct build *b, const struct yaml_node *calendar, struct mr_error *err);
/* load_params.c */
int load_params(struct build *b, const struct yaml_node *node, struct mr_error *err);
/* load_task.c: dag->tasks and b->deps from the tasks' keys. */
int load_tasks(struct build *b, const struct yaml_node *tasks, struct mr_error *err);
bool load_task_key_known(mr_str name);
/* load_graph.c: groups, dependencies, order, weights. */
int load_graph(struct build *b, const struct yaml_node *groups, struct mr_error *err);
/* load.c */
void load_fault(struct dag_set *set, const char *file, mr_str dag_id, const struct mr_error *err);
/* load_python.c: the DAGs of the scripts, read by options->read_scripts. */
void load_scripts(const struct dag_load_options *options, const char *folder, char *const *files,
		  size_t count, struct dag_set *set);
