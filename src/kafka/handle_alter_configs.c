/* AlterConfigs (33), versions 0-2: the configurations of a topic or a broker are those that are given,
 * and no others: what is not named goes back to its default. Durable when answered. */
#include "kafka/config_request.h"

static void plan(struct request *r, struct admin_job *job, int32_t at)
{
	const struct alter_configs_request *in = r->in;
	const struct alter_configs_resource *resource = &in->resources.items[at];
	struct admin_op *op = &job->ops[at];
	config_plan(r, job, op, resource->resource_type, resource->resource_name, in->validate_only);
	op->replace = true;
	op->change_count = (size_t)resource->configs.count;
	op->changes = arena_calloc(&job->arena, op->change_count + 1, sizeof *op->changes);
	for (int32_t i = 0; i < resource->configs.count; i++)
		op->changes[i] = (struct config_change){
		    admin_job_copy(job, resource->configs.items[i].name),
		    CONFIG_SET,
		    admin_job_copy(job, resource->configs.items[i].value),
		};
}

enum step alter_configs_step(struct request *r)
{
	const struct alter_configs_request *in = r->in;
	struct alter_configs_response *out = r->out;
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
