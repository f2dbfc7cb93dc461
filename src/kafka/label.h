/* kafka/label.h - who is at the other end of a connection, for other threads to read: system.connections.
 *
 * The loop's thread writes under core->labels_lock, and only when something changed; readers copy
 * under the same lock. Texts are cut to fit.
 */
#pragma once

#include "base/types.h"

struct conn;
struct request;

struct conn_label {
	char client_id[96];
	char software_name[48], software_version[32]; /* from ApiVersions 3 on */
	char user[64];
};

/* Before a request is stepped: its client id and its user, when they are new. */
void conn_label_request(struct conn *conn, const struct request *r);
void conn_label_software(struct conn *conn, mr_str name, mr_str version);
