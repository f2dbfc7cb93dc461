/* cli/main.c - the command line: finds the command, hands it the rest. */
#include <stdio.h>

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("millrace " MR_VERSION);
	return 0;
}
