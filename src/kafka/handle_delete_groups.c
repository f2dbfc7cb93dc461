/* DeleteGroups (42), versions 0-2: groups of any kind without
 * members, with their offsets. Durable when answered. */
#include "kafka/group_request.h"

struct deletion {
	struct group_write write;
	int code;
	bool asked;
	bool refused;
};

static enum step delete_one(struct request *r, mr_str name, struct deletion *d)
{
	d->refused = !request_may_group(r, ACL_DELETE, name);
	if (d->refused)
		return STEP_DONE;
	if (!d->asked) {
		d->code = share_group_exists(request_core(r)->share, name)
			      ? share_group_delete(request_core(r)->share, name, &d->write, NULL)
			      : groups_delete(request_core(r)->groups, name, &d->write, NULL);
		if (d->code == MR_ERR_BUSY)
			return STEP_BUSY;
		d->asked = true;
	}
	int16_t fault;
	enum step step = request_await_write(r, &d->write, &fault);
	if (step == STEP_DONE && fault != KE_NONE)
		d->code = GROUP_NOT_AVAILABLE;
	return step;
}

enum step delete_groups_step(struct request *r)
{
	const struct delete_groups_request *in = r->in;
	struct delete_groups_response *out = r->out;
	if (!r->progress)
		r->progress =
		    arena_calloc(&r->arena, (size_t)in->groups_names.count + 1, sizeof(struct deletion));
	struct deletion *all = r->progress;
	for (int32_t i = 0; i < in->groups_names.count; i++) {
		enum step step = delete_one(r, in->groups_names.items[i], &all[i]);
		if (step != STEP_DONE)
			return step;
	}
	request_array(r, &out->results, in->groups_names.count);
	for (int32_t i = 0; i < in->groups_names.count; i++)
		out->results.items[i] = (struct delete_groups_result){
		    in->groups_names.items[i],
		    request_code(r, all[i].refused ? KE_GROUP_AUTHORIZATION_FAILED
						   : kafka_group_error(all[i].code)),
		};
	return STEP_DONE;
}
