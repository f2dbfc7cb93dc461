/* dag/executor.h - what the scheduler asks of those who run tasks, and what they tell it.
 *
 * A *try* is one attempt at one task instance, or one stretch of it between two deferrals. Its
 * uuid is stored before it is submitted and is the name of its process, job or pod everywhere:
 * submit with an id that the executor knows already does nothing, so that a scheduler that died
 * between "stored" and "submitted" may submit again.
 *
 * Every try that was submitted, or asked after with reattach, is answered by exactly one report
 * that ends it: FINISHED, DEFERRED or LOST; STARTED before it, when it began. LOST promises that
 * it does not run and never will.
 *
 * Threading: the scheduler calls an executor from one thread and expects no waiting: what takes
 * time goes to the executor's own threads. Executors call dag_sink functions from any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "dag/dag.h"

#include <stdatomic.h>

#define DAG_UUID_BYTES 37
#define DAG_XCOM_BYTES_MAX ((size_t)8 << 20)

/* What templates and operators see of the run. Strings of the try's arena. */
struct dag_run_context {
	mr_str run_id;   /* "scheduled__2026-01-01T00:00:00+00:00" */
	mr_str run_type; /* manual, scheduled, backfill, asset_triggered */
	int64_t logical_date_us;
	int64_t data_interval_start_us, data_interval_end_us;
	int64_t run_after_us, start_date_us;
	mr_str conf_json;         /* {} */
	mr_str params_json;       /* the DAG's defaults overlaid with conf */
	mr_str asset_events_json; /* {"delta://lake/reads": [{"timestamp": …, "extra": {…}}, …]} */
};

struct dag_try {
	struct arena arena;
	_Atomic int32_t refs;
	char id[DAG_UUID_BYTES];
	struct dag *dag; /* a reference: the version that the run began with */
	const struct dag_task *task;
	struct dag_run_context run;
	int64_t run_no;     /* the number of the run in the store */
	int32_t map_index;  /* -1: not mapped */
	mr_str map_json;    /* of a mapped one: its own arguments, {"part": "a.parquet"}; else empty */
	int32_t try_number; /* from 1; a deferral keeps it */
	int32_t max_tries;
	int32_t poke;                /* of a sensor or deferred task: how often it was resumed */
	int64_t first_start_us;      /* when the first stretch of the first try began: sensor time-outs */
	int64_t deadline_us;         /* of a sensor, over all pokes and tries; NO_TIME */
	int64_t previous_success_us; /* logical date of the DAG's last successful run; NO_TIME */
	mr_str resume_json;          /* what the last DEFERRED report left; empty at first */
	mr_str executor; /* its name, as in dag_executor_of; stays when the configuration changes */
};

struct dag_try *dag_try_ref(struct dag_try *try);
void dag_try_unref(struct dag_try *try); /* NULL is fine */

enum dag_report_kind {
	DAG_REPORT_STARTED,  /* host, pid */
	DAG_REPORT_FINISHED, /* outcome and what belongs to it */
	DAG_REPORT_DEFERRED, /* until and/or event, resume_json */
	DAG_REPORT_LOST,     /* reason */
};

enum dag_outcome {
	DAG_SUCCEEDED,
	DAG_FAILED,       /* retried when tries are left */
	DAG_FAILED_FINAL, /* not retried: a sensor's time-out, AirflowFailException */
	DAG_SKIPPED,
};

/* Whom a branch or a short circuit leaves standing. */
enum dag_follow {
	DAG_FOLLOW_ALL,
	DAG_FOLLOW_ONLY, /* those in follow_ids and what is below them; the other children are skipped */
	DAG_FOLLOW_NONE, /* direct children are skipped */
	DAG_FOLLOW_NOTHING_BELOW, /* everything downstream is skipped, whatever its rule */
};

struct dag_xcom {
	mr_str key; /* "return_value" */
	mr_str json;
};

struct dag_asset_event {
	mr_str uri;
	mr_str extra_json; /* {} */
};

/* Everything is borrowed for the call. */
struct dag_report {
	enum dag_report_kind kind;
	const char *id; /* the try's */
	int64_t at_us;  /* wall clock; NO_TIME: now */

	mr_str host; /* STARTED */
	int64_t pid;

	enum dag_outcome outcome; /* FINISHED */
	int exit_code;            /* of a process; 0 */
	int signal;               /* that ended it; 0 */
	mr_str reason; /* for people: "exit code 3", "out of memory (512 MiB)", "timed out after 30m" */
	enum dag_follow follow;
	const mr_str *follow_ids;
	size_t follow_count;
	const struct dag_asset_event *asset_events; /* more than the task's outlets say */
	size_t asset_event_count;
	bool retry_delay_given; /* instead of the task's retry_delay */
	int64_t retry_delay_us;

	const struct dag_xcom *xcoms; /* FINISHED and DEFERRED */
	size_t xcom_count;

	int64_t until_us;   /* DEFERRED: resume at this time; NO_TIME: when the event comes */
	mr_str event;       /* DEFERRED: resume when dag_sink_event is called with it; empty: none */
	mr_str resume_json; /* DEFERRED: given to the next stretch */
	bool reschedule;    /* DEFERRED: a sensor's poke found nothing: up_for_reschedule */
};

/* The scheduler's ear. */
struct dag_sink;
struct dag_sink_ops {
	void (*report)(struct dag_sink *, const struct dag_report *);
	void (*event)(struct dag_sink *, mr_str event, mr_str payload_json);
	int (*xcom_get)(struct dag_sink *, const struct dag_try *, mr_str task_id, int32_t map_index,
			mr_str key, struct mr_buf *json_out, struct mr_error *);
};
struct dag_sink {
	const struct dag_sink_ops *ops;
};

static inline void dag_sink_report(struct dag_sink *sink, const struct dag_report *report)
{
	sink->ops->report(sink, report);
}

/* Something happened outside that deferred tasks may wait for ("delta:lake.reads"). */
static inline void dag_sink_event(struct dag_sink *sink, mr_str event, mr_str payload_json)
{
	sink->ops->event(sink, event, payload_json);
}

/* A value that a task of the same run pushed, as JSON, appended; 1 when there is none. map_index -1:
 * of a task that is not mapped, and the list of all instances' values of one that is. */
MR_NODISCARD static inline int dag_sink_xcom(struct dag_sink *sink, const struct dag_try *try, mr_str task_id,
					     int32_t map_index, mr_str key, struct mr_buf *json_out,
					     struct mr_error *err)
{
	return sink->ops->xcom_get(sink, try, task_id, map_index, key, json_out, err);
}

enum dag_cancel { DAG_CANCEL_CLEARED, DAG_CANCEL_MARKED, DAG_CANCEL_TIMEOUT };

struct dag_executor;
struct dag_executor_ops {
	/* Run it. The executor takes its own reference. A failure here is a LOST. */
	int (*submit)(struct dag_executor *, struct dag_try *, struct mr_error *);
	/* Stop it: SIGTERM, then SIGKILL. Its end is reported as always. Unknown ids: nothing. */
	void (*cancel)(struct dag_executor *, const char *id, enum dag_cancel why);
	/* Once, before anything is submitted: all tries that were queued or running when the last scheduler
	 * ended, perhaps none. Each is answered: STARTED when it runs, FINISHED when it ended meanwhile, LOST
	 * when it is not known. What else the last scheduler left running is stopped: it was cleared or
	 * marked. */
	int (*reattach)(struct dag_executor *, struct dag_try *const *tries, size_t count, struct mr_error *);
	void (*free)(struct dag_executor *); /* no report comes after it returns */
};

struct dag_executor {
	const struct dag_executor_ops *ops;
	const char *name; /* "process", "engine" */
	int32_t slots;    /* tries at a time (parallelism) */
};

/* What `executor:` of a task may say:
 *
 *   local        this server, wherever the operator runs (Airflow's LocalExecutor too)
 *   process      a process of its own beside this server
 *   engine       a thread of this server
 *   slurm        a job of the Slurm cluster: operators of a process of their own
 *
 * Airflow's class names and dotted paths mean the same. Pure; from any thread. */
bool dag_executor_known(mr_str name); /* or empty */
/* The name in the left column, static; "" for an empty name, NULL when it is not known. */
const char *dag_executor_canonical(mr_str name);
/* Known, and fits the operator (NULL: any). Else MR_ERR_INVALID with the way out as hint. */
MR_NODISCARD int dag_executor_check(mr_str name, const struct operator* op, struct mr_error *err);
/* Who gets a task's tries: what it says, else `preset` when that runs its operator, else nobody by name
 * (empty): the server itself. */
mr_str dag_executor_of(const struct dag_task *task, mr_str preset);
