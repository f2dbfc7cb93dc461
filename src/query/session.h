/* query/session.h - SQL from a person or a program: translate, bind, run.
 *
 * A session owns one connection. Sessions come from a pool with a limit, so that any number
 * of clients cannot take the memory of the flows. One thread at a time per session;
 * session_interrupt from any.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "query/catalog.h"
#include "sql/engine.h"

struct session_pool;
struct session;

MR_NODISCARD int session_pool_new(struct catalog *catalog, size_t sessions_max, struct session_pool **out,
				  struct mr_error *err);
void session_pool_free(struct session_pool *pool); /* all sessions must be back */

/* Waits when all are out. */
MR_NODISCARD int session_take(struct session_pool *pool, struct session **out, struct mr_error *err);
void session_give(struct session_pool *pool, struct session *session);
void session_interrupt(struct session *session);

/* Run the first statement of *text and move *text behind it. 1: *out is its result, to be
 * freed before the next call; 0: nothing but space was left; negative: failed, *text is behind
 * the statement as well. */
MR_NODISCARD int session_run(struct session *session, mr_str *text, struct sql_result **out,
			     struct mr_error *err);
