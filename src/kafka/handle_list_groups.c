/* ListGroups (16), versions 0-5: by state from version 4 (KIP-518), by type from 5 (KIP-848). The
 * filters' words are compared without regard to case; none is all. */
#include "kafka/group_request.h"

#include <strings.h>

static bool same_word(mr_str word, const char *is)
{
	return word.len == strlen(is) && strncasecmp(word.ptr, is, word.len) == 0;
}

static bool wanted(const struct list_groups_request *in, const char *state_word, const char *kind)
{
	bool state = in->states_filter.count == 0, type = in->types_filter.count == 0;
	for (int32_t i = 0; i < in->states_filter.count; i++)
		state = state || same_word(in->states_filter.items[i], state_word);
	for (int32_t i = 0; i < in->types_filter.count; i++)
		type = type || same_word(in->types_filter.items[i], kind);
	return state && type;
}

enum step list_groups_step(struct request *r)
{
	const struct list_groups_request *in = r->in;
	struct list_groups_response *out = r->out;
	size_t count;
	const struct group_summary *all = groups_list(request_core(r)->groups, &count, &r->arena);
	size_t share_count;
	const struct share_group_view *shares =
	    share_groups_list(request_core(r)->share, &share_count, &r->arena);
	request_array(r, &out->groups, count + share_count);
	out->groups.count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!wanted(in, all[i].state, group_kind_name(all[i].kind)) ||
		    !request_may_group(r, ACL_DESCRIBE, all[i].name))
			continue;
		out->groups.items[out->groups.count++] = (struct list_groups_group){
		    .group_id = all[i].name,
		    .protocol_type = all[i].protocol_type,
		    .group_state = mr_str_from(all[i].state),
		    .group_type = mr_str_from(all[i].kind == GROUP_CONSUMER ? "Consumer" : "Classic"),
		};
	}
	for (size_t i = 0; i < share_count; i++) {
		if (!wanted(in, shares[i].state, "share") ||
		    !request_may_group(r, ACL_DESCRIBE, shares[i].name))
			continue;
		out->groups.items[out->groups.count++] = (struct list_groups_group){
		    .group_id = shares[i].name,
		    .protocol_type = MR_STR("share"),
		    .group_state = mr_str_from(shares[i].state),
		    .group_type = MR_STR("Share"),
		};
	}
	return STEP_DONE;
}
