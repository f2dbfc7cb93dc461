/* conf/files.h - the SQL files a project names. */
#pragma once

#include "conf/project.h"
#include "env/disk.h"

/* Whole-path match: ? is one character, * any within a name, ** any across folders. */
bool conf_glob_match(const char *pattern, const char *path);

/* Fill project->sql_files from project->libraries, sorted by path, each once. Hidden files and
 * folders are not looked at. A Python file that a pattern finds is an error; other files are not
 * for us. Limits: 10,000 entries, 16 levels, 4 MiB a file. */
MR_NODISCARD int conf_load_sql_files(struct mr_disk *disk, struct project *project, struct mr_error *err);
