#include "kafka/config_request.h"

bool config_scope_of(mr_str name, enum config_source *out)
{
	*out = name.len ? CONFIG_FROM_BROKER : CONFIG_FROM_CLUSTER;
	return name.len == 0 || mr_str_is(name, "1");
}

void config_plan(struct request *r, struct admin_job *job, struct admin_op *op, int8_t type, mr_str name,
		 bool validate_only)
{
	op->validate_only = validate_only;
	op->topic = admin_job_copy(job, name);
	op->kind = type == RESOURCE_TOPIC   ? ADMIN_CONFIGURE_TOPIC
		   : type == RESOURCE_GROUP ? ADMIN_CONFIGURE_GROUP
					    : ADMIN_CONFIGURE_BROKER;
	if (type == RESOURCE_TOPIC && !request_may_topic(r, ACL_ALTER_CONFIGS, name))
		admin_refuse(op, KE_TOPIC_AUTHORIZATION_FAILED, MR_STR("Topic authorization failed."));
	else if (type == RESOURCE_BROKER && !request_may_cluster(r, ACL_ALTER_CONFIGS))
		admin_refuse(op, KE_CLUSTER_AUTHORIZATION_FAILED, MR_STR("Cluster authorization failed."));
	else if (type == RESOURCE_BROKER && !config_scope_of(name, &op->scope))
		admin_refuse(op, KE_INVALID_REQUEST,
			     arena_printf(&job->arena, "Unexpected broker id, expected 1, but received %.*s",
					  MR_FMT(name)));
	else if (type == RESOURCE_GROUP && !request_may(r, ACL_ALTER_CONFIGS, ACL_GROUP, name))
		admin_refuse(op, KE_GROUP_AUTHORIZATION_FAILED, MR_STR("Group authorization failed."));
	else if (type != RESOURCE_TOPIC && type != RESOURCE_BROKER && type != RESOURCE_GROUP)
		admin_refuse(op, KE_INVALID_REQUEST,
			     MR_STR("configurations are altered of topics, of brokers and of groups"));
}

void config_answer(struct request *r, const struct admin_op *op, int8_t type, mr_str name,
		   struct alter_configs_result *out)
{
	*out = (struct alter_configs_result){
	    .error_code = request_code(r, op->code),
	    .error_message = op->message,
	    .resource_type = type,
	    .resource_name = name,
	};
}
