/* admin/admin.h - what operators do to topics, groups, users and ACLs: `millrace topic`, `group`, `user`,
 * `acl`.
 *
 * A verb ("group.seek") with a JSON object of arguments gives a JSON object. The same for a server, over
 * HTTP, and for a command that works on the project's folder itself. The verbs are the table in admin.c;
 * what each takes and gives stands above its function.
 *
 * Everything is durable when it returns. Threading: safe from any thread.
 */
#pragma once

#include "auth/auth.h"
#include "broker/broker.h"
#include "group/group.h"

struct admin {
	const struct env *env;
	struct broker *broker;
	struct groups *groups;
	struct auth *auth;
};

/* The answer is appended to out; nothing is on failure. MR_ERR_NOT_FOUND for an unknown verb. */
MR_NODISCARD int admin_call(const struct admin *admin, mr_str verb, mr_str body, struct mr_buf *out,
			    struct mr_error *err);
