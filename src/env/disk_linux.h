/* env/disk_linux.h - the real disk; static, never freed. */
#pragma once

#include "env/disk.h"

struct mr_disk *disk_linux(void);
