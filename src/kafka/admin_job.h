/* kafka/admin_job.h - administration that waits for the disk, in a thread of its own.
 *
 * A handler checks what the request may, describes what is left as operations, and waits; the
 * worker does them in order. Jobs are done one after the other.
 *
 * A job belongs to its request until it runs; when the connection goes meanwhile, the worker frees
 * it. What the operations point to lives in the job's arena, not in the request's.
 */
#pragma once

#include "broker/admin.h"
#include "kafka/core.h"

enum admin_kind {
	ADMIN_NOTHING, /* it was refused already */
	ADMIN_CREATE_TOPIC,
	ADMIN_DELETE_TOPIC,
	ADMIN_WIDEN_TOPIC,
	ADMIN_CONFIGURE_TOPIC,
	ADMIN_CONFIGURE_BROKER,
	ADMIN_CONFIGURE_GROUP,
	ADMIN_DELETE_RECORDS,
	ADMIN_KINDS
};

struct admin_op {
	enum admin_kind kind;
	mr_str topic;
	int32_t partitions; /* create (-1: the default), widen */
	struct log_partition *partition;
	int64_t offset; /* of deleting records; -1: all */
	struct config_change *changes;
	size_t change_count;
	enum config_source scope;
	bool replace, validate_only;
	/* out */
	int16_t code;
	mr_str message; /* ptr NULL: none */
	struct log_topic_config config;
	int64_t low_watermark;
};

struct admin_job {
	struct arena arena;
	struct admin_op *ops;
	size_t count;
	struct kafka_core *core;
	struct admin_job *next;
	bool running, done, abandoned; /* under the worker's lock */
};

struct admin_worker;

/* wake is called with a job's address when it is done. */
MR_NODISCARD int admin_worker_start(struct kafka_core *core, void (*wake)(void *arg, const void *key),
				    void *arg, struct admin_worker **out, struct mr_error *err);
void admin_worker_stop(struct admin_worker *worker); /* NULL is fine; ends with the job it is at */

/* The request's from now on; its operations are zero. */
struct admin_job *admin_job_new(struct request *r, size_t count);
mr_str admin_job_copy(struct admin_job *job, mr_str s); /* ptr NULL stays */
void admin_refuse(struct admin_op *op, int16_t code, mr_str message);

/* STEP_DONE when every operation has its code; before, the step is to be returned. Without a
 * worker (a core without sockets) they are done at once. */
enum step admin_job_await(struct request *r, struct admin_job *job);
