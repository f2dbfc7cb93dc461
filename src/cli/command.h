/* cli/command.h - the commands, one file each (cmd_<name>.c), one row each in main.c. */
#pragma once

#include "base/buf.h"
#include "cli/args.h"
#include "cli/print.h"

/* argv[0] is the first word after the command's name. Returns the exit code; has printed its
 * own errors. */
typedef int command_fn(int argc, char **argv);

command_fn cmd_broker, cmd_init, cmd_demo, cmd_up, cmd_sql, cmd_topic, cmd_group, cmd_user, cmd_acl,
    cmd_table, cmd_pipeline, cmd_status, cmd_doctor, cmd_play, cmd_gateway, cmd_dag, cmd_task, cmd_export,
    cmd_keeper;

/* Parse, or print what is wrong (or the help that was asked for) and say so: true when the
 * command is to go on; else *exit_code is what it returns. Every command has --help. */
bool command_args(const char *name, const char *synopsis, const struct arg_option *options,
		  size_t option_count, size_t positionals_max, int argc, char **argv, struct args *out,
		  int *exit_code);

/* Prints err and returns its exit code: return command_failed(&err); */
int command_failed(const struct mr_error *err);
