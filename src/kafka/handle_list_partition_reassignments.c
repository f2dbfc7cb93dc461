/* ListPartitionReassignments (46), version 0: partitions do not move between brokers when there is
 * one, so none is ever on its way. */
#include "kafka/handler.h"
#include "kafka/security.h"

enum step list_partition_reassignments_step(struct request *r)
{
	struct list_partition_reassignments_response *out = r->out;
	if (!request_may_cluster(r, ACL_DESCRIBE)) {
		out->error_code = request_code(r, KE_CLUSTER_AUTHORIZATION_FAILED);
		out->error_message = MR_STR("Cluster authorization failed.");
	}
	return STEP_DONE;
}
