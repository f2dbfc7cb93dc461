#include "kafka/kafka_fixture.h"

#include "test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>

void kafka_fixture_start(struct kafka_fixture *f, const char *folder)
{
	kafka_fixture_start_with(f, folder, &(struct kafka_server_options){.listen = "127.0.0.1:0"});
}

void kafka_fixture_start_with(struct kafka_fixture *f, const char *folder,
			      const struct kafka_server_options *options)
{
	struct mr_error err;
	signal(SIGPIPE, SIG_IGN); /* as the program does: neither sendfile nor OpenSSL has MSG_NOSIGNAL */
	*f = (struct kafka_fixture){0};
	struct log_store_options store = {.env = env_linux(), .dir = folder, .journal_bytes = 4 << 20};
	CHECK_OK(log_store_open(&store, &f->store, &err), err);
	struct broker_options broker = {.env = env_linux(), .store = f->store, .auto_create = true};
	log_topic_config_default(&broker.topic_default);
	broker.topic_default.partitions = 3;
	CHECK_OK(broker_new(&broker, &f->broker, &err), err);
	struct groups_options groups;
	groups_options_default(&groups);
	groups.env = env_linux();
	groups.broker = f->broker;
	CHECK_OK(groups_open(&groups, &f->groups, &err), err);
	struct txns_options txns;
	txns_options_default(&txns);
	txns.env = env_linux();
	txns.broker = f->broker;
	txns.groups = f->groups;
	CHECK_OK(txns_open(&txns, &f->txns, &err), err);
	struct share_options share;
	share_options_default(&share);
	share.env = env_linux();
	share.broker = f->broker;
	share.groups = f->groups;
	CHECK_OK(share_open(&share, &f->share, &err), err);
	struct kafka_server_options server = *options;
	server.env = env_linux();
	server.broker = f->broker;
	server.groups = f->groups;
	server.txns = f->txns;
	server.share = f->share;
	server.cluster_id = FIXTURE_CLUSTER_ID;
	CHECK_OK(kafka_server_start(&server, &f->server, &err), err);
	snprintf(f->address, sizeof f->address, "127.0.0.1:%d", kafka_server_port(f->server));
}

void kafka_fixture_stop(struct kafka_fixture *f)
{
	kafka_server_stop(f->server, 2000);
	share_close(f->share);
	txns_close(f->txns);
	groups_close(f->groups);
	broker_free(f->broker);
	log_store_close(f->store);
}

struct log_topic *kafka_fixture_topic(struct kafka_fixture *f, const char *name, int32_t partitions)
{
	struct mr_error err;
	struct log_topic *topic;
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.partitions = partitions;
	CHECK_OK(log_topic_create(f->store, mr_str_from(name), &config, &topic, &err), err);
	return topic;
}

void kafka_fixture_certificate(const char *folder, const char *name, const char *common_name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_NAME *subject = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1,
				   0);
	X509_set_issuer_name(certificate, subject);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	FILE *f = fopen(test_path("%s/%s.key", folder, name), "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = fopen(test_path("%s/%s.crt", folder, name), "w");
	PEM_write_X509(f, certificate);
	fclose(f);
	X509_free(certificate);
	EVP_PKEY_free(key);
}
