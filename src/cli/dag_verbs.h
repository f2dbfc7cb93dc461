/* cli/dag_verbs.h - what `millrace dag` does, a function a word. 1: the work failed, and was shown. */
#pragma once

#include "base/error.h"
#include "cli/args.h"

typedef int dag_verb_fn(const struct args *args, struct mr_error *err);

dag_verb_fn dag_show, dag_next, dag_rule;                                          /* dag_files.c */
dag_verb_fn dag_list, dag_runs, dag_trigger, dag_pause, dag_unpause, dag_backfill; /* dag_runs.c */
dag_verb_fn dag_test;                                                              /* dag_test.c */

/* The DAG that the command is about; NULL and an error when none is named. */
const char *dag_named(const struct args *args, const char *verb, struct mr_error *err);
