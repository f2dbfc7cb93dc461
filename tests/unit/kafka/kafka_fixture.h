/* A broker on a fresh folder and its server on a free port of 127.0.0.1. */
#pragma once

#include "kafka/server.h"
#include "share/share.h"

struct kafka_fixture {
	struct log_store *store;
	struct broker *broker;
	struct groups *groups;
	struct txns *txns;
	struct share *share;
	struct kafka_server *server;
	char address[64];
};

#define FIXTURE_CLUSTER_ID "AbCdEfGhIjKlMnOpQrStUv"

void kafka_fixture_start(struct kafka_fixture *f, const char *folder);
/* The same; `server` says what the listeners are, the rest of it is filled in. */
void kafka_fixture_start_with(struct kafka_fixture *f, const char *folder,
			      const struct kafka_server_options *server);
void kafka_fixture_stop(struct kafka_fixture *f);
/* A durable topic without a contract. */
struct log_topic *kafka_fixture_topic(struct kafka_fixture *f, const char *name, int32_t partitions);
/* FOLDER/NAME.key and the certificate that it signs for itself, FOLDER/NAME.crt, as PEM. */
void kafka_fixture_certificate(const char *folder, const char *name, const char *common_name);
