/* app/system_fill.h - between the files that fill system.* tables. */
#pragma once

#include "app/system.h"
#include "group/group.h"

#define SYSTEM_COLUMN(column_name, column_type) \
	{ \
		.name = {column_name, sizeof(column_name) - 1}, .type = column_type \
	}
/* `name`_columns and fill_`name` are its parts. */
#define SYSTEM_TABLE(table_name) \
	{ \
#table_name, table_name##_columns, MR_COUNT(table_name##_columns), fill_##table_name, NULL \
	}

extern const struct system_table system_group_tables[]; /* system_groups.c */
extern const size_t system_group_table_count;

extern const struct system_table system_lake_tables[]; /* system_lake.c */
extern const size_t system_lake_table_count;
