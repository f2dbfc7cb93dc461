/* service/intake.h - what the gateway's listeners hand their lines to: rules, producer, and the
 * account of what is not safe yet.
 *
 * A line that was taken is in the producer, which keeps its copy until the log has it safe;
 * `forwarded` and `dead` count it then. At most INTAKE_BYTES_MAX are on that way: beyond it, or
 * when the log is full, a line is not taken (MR_ERR_BUSY) and the caller stops reading until
 * intake_progress says that there is room.
 *
 * One thread; only intake_stats is safe from any.
 */
#pragma once

#include "service/gateway.h"

struct intake;

#define INTAKE_BYTES_MAX ((size_t)16 << 20) /* also what a crash of the process can lose */
#define DEAD_TOPIC "gateway.dlq"
#define DEAD_BYTES_MAX ((size_t)512 << 10) /* a dead letter keeps that much of its line */

MR_NODISCARD int intake_new(const struct env *env, struct broker *broker, const struct conf_gateway *conf,
			    struct intake **out, struct mr_error *err);
void intake_free(struct intake *intake);

/* The wall clock is read here, not for each line. */
void intake_start_burst(struct intake *intake);

/* 0: taken. MR_ERR_BUSY: not taken; offer it again when intake_progress says so. */
MR_NODISCARD int intake_line(struct intake *intake, mr_str line, mr_str peer);
/* A line that cannot be one: too long, cut off. The same answers. */
MR_NODISCARD int intake_dead(struct intake *intake, mr_str line, mr_str peer, bool too_long,
			     const char *reason);

/* Hand what was taken to the log. */
void intake_flush(struct intake *intake);
/* After a commit: count what became safe, send what waits. True when there is room for more. */
bool intake_progress(struct intake *intake);
bool intake_idle(const struct intake *intake);        /* nothing is on the way */
uint64_t intake_waiting(const struct intake *intake); /* lines on the way */

void intake_connection(struct intake *intake, int change); /* +1 opened, -1 closed */
void intake_stats(struct intake *intake, struct gateway_stats *out);
