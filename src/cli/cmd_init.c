/* cli/cmd_init.c - millrace init: a project folder to start from. */
#include "cli/command.h"

#include "cli/scaffold.h"
#include "env/env.h"

#include <stdio.h>

int cmd_init(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("init", "[FOLDER]", NULL, 0, 1, argc, argv, &args, &code))
		return code;
	const char *folder = args_positional(&args, 0) ? args_positional(&args, 0) : ".";
	struct mr_error err;
	if (scaffold_write(env_linux()->disk, folder, &err) < 0)
		return command_failed(&err);
	printf("Made a project in %s: millrace.yml, schemas/, transformations/, dags/.\n\n"
	       "  millrace up %s\n  millrace sql -C %s -c 'SELECT * FROM gold.views_per_minute LIMIT 10'\n",
	       folder, folder, folder);
	return EXIT_OK;
}
