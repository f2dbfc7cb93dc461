/* conf/keys.h - the keys of the project file: the option table that fills struct project. */
#pragma once

#include "conf/options.h"

extern const struct option_table conf_project_table;
