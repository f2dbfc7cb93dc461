/* cli/process.h - what a command that serves asks of its process. */
#pragma once

#include <signal.h>

/* Before any thread starts: every thread inherits the mask, so SIGINT and SIGTERM are seen only by
 * sigwait on the set that is returned. */
sigset_t process_block_signals(void);
/* A partition in use holds a descriptor, and so does a connection: take all that the system gives. */
void process_raise_descriptor_limit(void);
/* A child of this process that removes the folder as soon as this process is gone, whatever ended it.
 * Before any thread starts. Returns the descriptor that keeps it waiting (never to be closed), or -1. */
int process_remove_folder_after(const char *folder);
