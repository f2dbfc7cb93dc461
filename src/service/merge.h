/* service/merge.h - a JSON object with templates merged into a JSON object, text to text.
 *
 * Objects merge member by member, at every depth; any other value of the patch takes the
 * place of what was there, or is added at the end. Members that the patch does not name are
 * copied byte for byte, so numbers keep their digits and members their order.
 */
#pragma once

#include "base/mem.h"
#include "codec/template.h"

struct merge;

/* json: an object. The merge lives in the arena; json is needed during the call only. */
MR_NODISCARD int merge_compile(struct arena *arena, struct json_value json, template_resolve_fn resolve,
			       void *arg, const struct merge **out, struct mr_error *err);

/* object: the text of an object that json_parse has accepted (that is what makes the short
 * scanner here safe). The merged text is appended to out. */
void merge_apply(const struct merge *merge, mr_str object, struct template_context *context,
		 struct mr_buf *out);
