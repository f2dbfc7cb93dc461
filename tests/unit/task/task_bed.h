/* tests/unit/task/task_bed.h - the two executors with a sink that keeps what it hears, over a real folder
 * and a real keeper. */
#pragma once

#include "dag/load.h"
#include "task/task.h"

#include <pthread.h>

struct task_bed { /* a scheduler's ear that keeps what it hears */
	struct dag_sink sink;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct mr_buf heard; /* a line a report */
	struct task_services services;
	struct dag_executor *process, *engine;
	struct dag_set set;
	char *folder;
	int64_t pid;
	int next_id;
};

/* The first DAG of the text is the one that tries are of. */
void task_bed_open(struct task_bed *bed, const char *dags);
/* With catalogue, sessions and the rest of these services. */
void task_bed_open_with(struct task_bed *bed, const char *dags, const struct task_services *more);
void task_bed_close(struct task_bed *bed);
void task_bed_start(struct task_bed *bed); /* the executors alone: as a server that comes back */
void task_bed_stop(struct task_bed *bed);

struct dag_try *task_bed_try(struct task_bed *bed, const char *task_id, const char *map_json);
void task_bed_submit(struct task_bed *bed, struct dag_try *try);
/* What was reported last of a try: "finished success return_value=1". Waits 20 s at most. */
const char *task_bed_wait(struct task_bed *bed, const char *id);
const char *task_bed_run(struct task_bed *bed, const char *task_id, const char *map_json);
bool task_bed_heard(struct task_bed *bed, const char *line); /* within 5 s */
mr_str task_bed_log(struct task_bed *bed, const char *task_id, int map_index);
void check_has(mr_str text, const char *what);
