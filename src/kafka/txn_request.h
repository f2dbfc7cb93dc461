/* kafka/txn_request.h - what the handlers of transactions share: waiting for the coordinator's answer. */
#pragma once

#include "kafka/handler.h"
#include "kafka/security.h"

/* How long a reply waits for the markers once the decision is safe. */
#define TXN_MARKERS_WAIT_MS 5000

/* The request's ticket is its progress; it goes with the request. */
void request_hold_txn(struct request *r, struct txn_ticket *ticket);
/* STEP_DONE when the ticket is answered; *code is the answer. */
enum step request_await_txn(struct request *r, struct txn_ticket *ticket, int16_t *code);

/* One result for every partition of the request's topics. */
#define txn_answer_topics(r, in_topics, out_topics, code) \
	txn_answer_topics_((r), (in_topics)->items, (in_topics)->count, \
			   (request_array((r), (out_topics), (in_topics)->count), (out_topics)->items), \
			   (code))
void txn_answer_topics_(struct request *r, const struct txn_topic *in, int32_t count,
			struct txn_topic_result *out, int16_t code);
