#include "cli/process.h"

#include "env/env.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

sigset_t process_block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit then is an error like a full disk */
	return set;
}

void process_raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int process_remove_folder_after(const char *folder)
{
	int ends[2];
	if (pipe(ends) < 0)
		return -1;
	pid_t child = fork();
	if (child == 0) {
		/* Of its own session: Ctrl-C is not for it. It holds none of the parent's pipes open. */
		setsid();
		for (int fd = 0; fd < 64; fd++) {
			if (fd != ends[0])
				close(fd);
		}
		char byte;
		while (read(ends[0], &byte, 1) > 0)
			;
		(void)!disk_remove_all(env_linux()->disk, folder, NULL);
		_exit(0);
	}
	close(ends[0]);
	if (child < 0) {
		close(ends[1]);
		return -1;
	}
	return ends[1];
}
