/* task/keeper_client.h - the server's end of the keeper: finds it or starts it, sends, listens.
 *
 * A thread reads. When the keeper dies it calls gone, starts another one, and calls ready; messages
 * sent meanwhile fail with MR_ERR_UNAVAILABLE.
 *
 * Threading: send and pid from any thread; the callbacks come from the reading thread.
 */
#pragma once

#include "base/error.h"
#include "codec/json.h"

#include <sys/types.h>

struct keeper_client;

struct keeper_client_options {
	const char *folder;  /* made when absent; on a file system with locks */
	const char *program; /* whose command `keeper` it is; NULL: this program */
	int64_t linger_ms;   /* of a keeper with nothing to do; 0: 10 s */
	void (*message)(void *arg, struct json_value message);
	void (*gone)(void *arg);
	void (*ready)(void *arg); /* not called for the first connection */
	void *arg;
};

/* Connects before it returns. */
MR_NODISCARD int keeper_client_new(const struct keeper_client_options *options, struct keeper_client **out,
				   struct mr_error *err);
/* The keeper goes on with its tasks. No callback comes after it returns. NULL is fine. */
void keeper_client_free(struct keeper_client *client);

MR_NODISCARD int keeper_client_send(struct keeper_client *client, mr_str json, struct mr_error *err);
pid_t keeper_client_pid(struct keeper_client *client); /* 0: there is none now */
