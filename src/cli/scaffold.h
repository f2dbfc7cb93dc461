/* cli/scaffold.h - the example project, written into a folder. */
#pragma once

#include "env/disk.h"

/* MR_ERR_EXISTS when the folder has a millrace.yml. */
MR_NODISCARD int scaffold_write(struct mr_disk *disk, const char *folder, struct mr_error *err);
