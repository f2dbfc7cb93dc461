/* env/disk_linux.h - the real disk; static, never freed. */
#pragma once

#include "env/disk.h"

struct mr_disk *disk_linux(void);
/* The same with syncs that do nothing: for what ends with the process. */
struct mr_disk *disk_linux_unsynced(void);
