/* app/table_watch.h - who hears of a table's new version, whoever made it: the flows that read it, and its
 * upkeep. */
#pragma once

#include "conf/project.h"
#include "flow/runner.h"
#include "query/catalog.h"
#include "upkeep/upkeep.h"

struct table_watch;

struct table_watch_options {
	const struct env *env;
	const struct project *project;
	struct catalog *catalog;
	struct runner *runner;
};

/* Before the tables' handles are shared: sets their delta_on_commit. */
void table_watch_new(const struct table_watch_options *options, struct table_watch **out);
/* The runner is gone, or about to be: from here on nobody hears of anything. */
void table_watch_stop(struct table_watch *watch);
void table_watch_free(struct table_watch *watch); /* after the tables' last commit; NULL is fine */
struct upkeep *table_watch_upkeep(struct table_watch *watch);
