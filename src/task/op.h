/* task/op.h - the code of operators: one row each in op.c, found by the name in dag/operator.h.
 *
 * An operator of its own process says what to run (command) and what its end means (finish). One of the
 * engine runs (run), or looks whether something is there (poke: a sensor; op_sensor.c does the rest).
 *
 * Everything a call makes lives in its arena. Arguments are rendered and hold the presets.
 */
#pragma once

#include "base/vec.h"
#include "codec/json.h"
#include "task/context.h"
#include "task/task.h"
#include "task/task_log.h"
#include "task/topic_watch.h"

struct op_call {
	const struct task_services *services;
	struct dag_try *try;
	struct arena arena;
	struct task_context context;
	struct json_parser *parser; /* holds args */
	struct json_value args;
	struct task_log log;
	mr_str *secrets;
	size_t secret_count;
	char *folder; /* of the try: DATA/dag/work/<id> */
	/* For those that may take long: how to end it early. Set and cleared with op_interruptible. */
	void *execution;
};

struct op_result {
	enum dag_outcome outcome;
	mr_str reason;
	mr_str xcom_json;       /* of return_value; empty: none */
	struct dag_xcom *xcoms; /* of a process: more, whatever its outcome */
	size_t xcom_count;
	enum dag_follow follow;
	mr_str *follow_ids;
	size_t follow_count;
	struct dag_asset_event *events; /* of a process: beside its outlets', or instead */
	size_t event_count;
	bool retry_delay_given; /* instead of the task's */
	int64_t retry_delay_us;
	bool deferred, reschedule;
	int64_t until_us; /* NO_TIME */
	mr_str event, resume_json;
	int64_t seen; /* of a look with an event: how far its thing was */
};

struct op_command {
	MR_VEC(char *) argv;
	MR_VEC(char *) env; /* K=V, beside what every task gets */
	bool only_env;      /* not the server's own environment */
	const char *cwd;
};

struct op_end { /* of a process */
	int exit_code;
	mr_str line; /* the last that it printed */
	mr_str file; /* what it wrote as its XCom (JSON); empty: nothing */
};

struct task_op {
	const char *name;
	int (*command)(struct op_call *call, struct op_command *out, struct mr_error *err);
	/* exit code and output into outcome, reason, xcom, follow. args are not rendered: see op_own. */
	int (*finish)(struct op_call *call, const struct op_end *end, struct op_result *out,
		      struct mr_error *err);
	int (*run)(struct op_call *call, struct op_result *out, struct mr_error *err);
	/* *found; the error of a look fails the try unless silent_fail. */
	int (*poke)(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err);
	/* Once the scheduler knows that it waits for result->event: see to it that the event comes, also
	 * when the thing happened between the look and now. topics may be NULL. */
	void (*arm)(struct op_call *call, struct topic_watch *topics, const struct op_result *result);
};

const struct task_op *op_find(const char *name); /* NULL when there is no code for it */

/* A call for a try: log open, secrets known; arguments rendered unless `bare`. Release it whatever
 * comes back. */
MR_NODISCARD int op_call_init(struct op_call *call, const struct task_services *services, struct dag_try *try,
			      bool bare, struct mr_error *err);
void op_call_release(struct op_call *call);

/* Arguments; what is not given and has no preset is absent. */
struct json_value op_arg(const struct op_call *call, const char *name);
mr_str op_str(const struct op_call *call, const char *name); /* empty when absent; numbers as text */
bool op_bool(const struct op_call *call, const char *name);  /* true, "true", "True", "1", … */
double op_number(const struct op_call *call, const char *name, double otherwise);
/* A list of strings; one string is a list of one, and JSON in a string is read. */
size_t op_list(struct op_call *call, const char *name, mr_str **out);
/* For what people see of a try outside its log: secrets become ***. */
mr_str op_masked(struct op_call *call, mr_str text);
bool op_text_truth(mr_str text); /* of rendered text: "", False, 0, None, [] and {} are false */

/* What the engine executor does to end a call early; NULL: no more. */
struct session;
void op_interruptible(struct op_call *call, struct session *session);

/* Has the try been cancelled, or timed out? For those that wait in other people's code. */
bool op_stopped(struct op_call *call);

/* Run SQL; is the first cell of the first row something? (op_sql.c) */
MR_NODISCARD int op_query_truth(struct op_call *call, mr_str sql, bool *truth, struct mr_error *err);

/* op_*.c */
int bash_command(struct op_call *, struct op_command *, struct mr_error *);
int bash_finish(struct op_call *, const struct op_end *, struct op_result *, struct mr_error *);
int airflow_command(struct op_call *, struct op_command *, struct mr_error *);
int airflow_finish(struct op_call *, const struct op_end *, struct op_result *, struct mr_error *);
int python_command(struct op_call *, struct op_command *, struct mr_error *);
int python_finish(struct op_call *, const struct op_end *, struct op_result *, struct mr_error *);
int branch_run(struct op_call *, struct op_result *, struct mr_error *);
int short_circuit_run(struct op_call *, struct op_result *, struct mr_error *);
int sql_run(struct op_call *, struct op_result *, struct mr_error *);
int delta_optimize_run(struct op_call *, struct op_result *, struct mr_error *);
int delta_vacuum_run(struct op_call *, struct op_result *, struct mr_error *);
int pipeline_run(struct op_call *, struct op_result *, struct mr_error *);
int http_run(struct op_call *, struct op_result *, struct mr_error *);
int email_run(struct op_call *, struct op_result *, struct mr_error *);
int trigger_dag_run(struct op_call *, struct op_result *, struct mr_error *);
int sensor_run(struct op_call *, const struct task_op *, struct op_result *, struct mr_error *);
int file_poke(struct op_call *, bool *, struct op_result *, struct mr_error *);
int sql_poke(struct op_call *, bool *, struct op_result *, struct mr_error *);
int http_poke(struct op_call *, bool *, struct op_result *, struct mr_error *);
int delta_poke(struct op_call *, bool *, struct op_result *, struct mr_error *);
int topic_poke(struct op_call *, bool *, struct op_result *, struct mr_error *);
void delta_arm(struct op_call *, struct topic_watch *, const struct op_result *);
void topic_arm(struct op_call *, struct topic_watch *, const struct op_result *);
int time_poke(struct op_call *, bool *, struct op_result *, struct mr_error *);
int external_task_poke(struct op_call *, bool *, struct op_result *, struct mr_error *);
