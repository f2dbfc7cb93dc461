/* cli/topic_consume.h - millrace topic consume: records as they come, by pieces (admin/consume.h). */
#pragma once

#include "cli/args.h"
#include "cli/target.h"

/* Until --count, the end of the range, or with --end (and without a server, to which nothing comes) the end
 * of the topic. */
MR_NODISCARD int topic_consume(struct target *target, const struct args *args, const char *name,
			       struct mr_error *err);
