/* DescribeCluster (60), versions 0-2: one broker, which is its own controller's face.
 *
 * From version 1 a client may ask for the controllers' endpoints (type 2): this port has none.
 */
#include "kafka/handler.h"
#include "kafka/security.h"

enum { ENDPOINT_BROKERS = 1 };

enum step describe_cluster_step(struct request *r)
{
	const struct describe_cluster_request *in = r->in;
	struct describe_cluster_response *out = r->out;
	if (in->endpoint_type != ENDPOINT_BROKERS) {
		out->error_code = request_code(r, KE_MISMATCHED_ENDPOINT_TYPE);
		out->error_message = MR_STR("this is a broker's port");
		return STEP_DONE;
	}
	out->cluster_authorized_operations =
	    request_operations(r, in->include_cluster_authorized_operations, ACL_CLUSTER, ACL_CLUSTER_NAME);
	out->cluster_id = request_core(r)->cluster_id;
	out->controller_id = KAFKA_NODE_ID;
	request_array(r, &out->brokers, 1);
	out->brokers.items[0] = (struct describe_cluster_broker){
	    .broker_id = KAFKA_NODE_ID,
	    .host = conn_broker_host(r->conn),
	    .port = conn_broker_port(r->conn),
	};
	return STEP_DONE;
}
