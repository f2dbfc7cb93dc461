/* kafka/group_request.h - what the handlers of groups share: waiting for an answer that a group
 * gives later, and for a write of the group's to be safe. */
#pragma once

#include "kafka/handler.h"
#include "kafka/security.h"

/* The request's ticket is its progress; it goes with the request. */
void request_hold_ticket(struct request *r, struct group_ticket *ticket);
/* STEP_DONE when the ticket is answered and what the answer rests on is safe; *code is the answer. */
enum step request_await_ticket(struct request *r, int16_t *code);

/* For handlers that answer when their write is safe: STEP_DONE with *code KE_NONE or the fault. */
enum step request_await_write(struct request *r, const struct group_write *write, int16_t *code);

static inline bool request_may_group(const struct request *r, enum acl_operation operation, mr_str group)
{
	return request_may(r, operation, ACL_GROUP, group);
}

/* The client's address as Kafka writes it: "/127.0.0.1". */
mr_str request_client_host(struct request *r);
