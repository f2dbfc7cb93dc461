#include "kafka/label.h"

#include "kafka/security.h"

#include <stdio.h>

static bool differs(const char *have, size_t size, mr_str now)
{
	size_t len = mr_min_size(now.len, size - 1);
	return strncmp(have, now.ptr ? now.ptr : "", len) != 0 || have[len] != 0;
}

static void replace(struct conn *conn, char *have, size_t size, mr_str now)
{
	if (!differs(have, size, now))
		return;
	pthread_mutex_lock(&conn->core->labels_lock);
	snprintf(have, size, "%.*s", MR_FMT(now));
	pthread_mutex_unlock(&conn->core->labels_lock);
}

void conn_label_request(struct conn *conn, const struct request *r)
{
	struct conn_label *label = &conn->label;
	replace(conn, label->client_id, sizeof label->client_id, r->header.client_id);
	replace(conn, label->user, sizeof label->user, conn_user(conn));
	atomic_fetch_add_explicit(&conn->requests, 1, memory_order_relaxed);
}

void conn_label_software(struct conn *conn, mr_str name, mr_str version)
{
	struct conn_label *label = &conn->label;
	replace(conn, label->software_name, sizeof label->software_name, name);
	replace(conn, label->software_version, sizeof label->software_version, version);
}
