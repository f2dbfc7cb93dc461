/* cli/embedded.h - examples/weblog inside the binary, for `init` and `demo`; made by
 * tools/embed.py while building. */
#pragma once

#include "base/types.h"

struct embedded_file {
	const char *path; /* relative: "transformations/page_views.sql" */
	const char *bytes;
	size_t size;
};

extern const struct embedded_file embedded_files[];
extern const size_t embedded_file_count;
