/* IncrementalAlterConfigs (44), versions 0-1: set and delete configurations of a topic or a broker,
 * append to lists and take from them (KIP-339). Of one resource all or nothing. Durable when answered. */
#include "kafka/config_request.h"

static bool is_twice(const struct incremental_alter_configs_resource *resource, int32_t at)
{
	for (int32_t i = 0; i < at; i++) {
		if (mr_str_eq(resource->configs.items[i].name, resource->configs.items[at].name))
			return true;
	}
	return false;
}

static void plan(struct request *r, struct admin_job *job, int32_t at)
{
	const struct incremental_alter_configs_request *in = r->in;
	const struct incremental_alter_configs_resource *resource = &in->resources.items[at];
	struct admin_op *op = &job->ops[at];
	config_plan(r, job, op, resource->resource_type, resource->resource_name, in->validate_only);
	op->change_count = (size_t)resource->configs.count;
	op->changes = arena_calloc(&job->arena, op->change_count + 1, sizeof *op->changes);
	for (int32_t i = 0; i < resource->configs.count; i++) {
		const struct incremental_alter_configs_config *c = &resource->configs.items[i];
		op->changes[i] = (struct config_change){
		    admin_job_copy(job, c->name),
		    (enum config_op)c->config_operation,
		    admin_job_copy(job, c->value),
		};
		if (c->config_operation < CONFIG_SET || c->config_operation > CONFIG_SUBTRACT)
			admin_refuse(op, KE_INVALID_REQUEST,
				     MR_STR("there is no such operation on a configuration"));
		else if (c->config_operation != CONFIG_DELETE && !c->value.ptr)
			admin_refuse(op, KE_INVALID_REQUEST,
				     arena_printf(&job->arena, "Null value not supported for : %.*s",
						  MR_FMT(c->name)));
		else if (is_twice(resource, i))
			admin_refuse(op, KE_INVALID_REQUEST, MR_STR("Error due to duplicate config keys"));
	}
}

enum step incremental_alter_configs_step(struct request *r)
{
	const struct incremental_alter_configs_request *in = r->in;
	struct incremental_alter_configs_response *out = r->out;
	struct admin_job *job = r->progress;
	if (!job) {
		job = admin_job_new(r, (size_t)in->resources.count);
		for (int32_t i = 0; i < in->resources.count; i++)
			plan(r, job, i);
	}
	enum step step = admin_job_await(r, job);
	if (step != STEP_DONE)
		return step;
	request_array(r, &out->responses, job->count);
	for (size_t i = 0; i < job->count; i++)
		config_answer(r, &job->ops[i], in->resources.items[i].resource_type,
			      in->resources.items[i].resource_name, &out->responses.items[i]);
	return STEP_DONE;
}
