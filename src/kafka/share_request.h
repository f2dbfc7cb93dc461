/* kafka/share_request.h - what ShareFetch and ShareAcknowledge share: the session that a request belongs
 * to, and the acknowledgements it brings. */
#pragma once

#include "kafka/group_request.h"
#include "share/share.h"

struct share_acked { /* one partition that a request names */
	const struct share_request_topic *topic;
	const struct share_request_partition *in;
	struct share_partition_ref ref; /* topic NULL: there is none, or it may not be read */
	struct share_part *part;
	struct group_write write;
	int16_t code, ack_code;
	bool applied, settled; /* its acknowledgements are in the log; and safe */
};

struct share_work {
	struct share_session session;
	bool may_renew; /* the request says that it renews locks */
	struct share_acked *all;
	size_t count;
};

/* Check the request, enter the session, look up its partitions: a Kafka code. */
int16_t share_work_begin(struct request *r, const struct share_ask *ask,
			 const struct share_request_topic *topics, int32_t topic_count, bool may_renew,
			 struct share_work *out);
/* Apply the acknowledgements and wait until they are safe: STEP_DONE then, with all codes known. */
enum step share_work_settle(struct request *r, struct share_work *work);
