/* lake/retire.h - before DROP FEATURE deletionVectors: what still uses it goes. */
#pragma once

#include "lake/change.h"
#include "lake/define.h"

/* Files with vectors are written again without, and the property is set to false: 1, `change` is to be
 * committed, and the feature stays. 0: nothing uses the feature any more, and the log does not tell of it, or
 * did until now and was truncated (then change->base is a newer version's). */
MR_NODISCARD int retire_vectors(struct change *c, struct definition *def, bool truncates,
				struct mr_error *err);
/* What then is to be said. Always fails. */
int retire_wait(struct mr_error *err);
