/* app/lock.h - one process a data folder. */
#pragma once

#include "base/error.h"

/* Takes DATA/lock (made when absent) for this process; the kernel drops it when the process
 * ends, however it ends. MR_ERR_LOCKED names the holder. *fd_out is to be closed. */
MR_NODISCARD int data_lock(const char *data_dir, int *fd_out, struct mr_error *err);
/* Whether some process holds it. */
bool data_is_locked(const char *data_dir);
