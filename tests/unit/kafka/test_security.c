/* Who may do what, seen by librdkafka: SASL over TLS, ACLs, and a port that others can reach. */
#include "kafka/kafka_fixture.h"

#include "auth/auth.h"
#include "base/buf.h"
#include "base/mem.h"
#include "env/env.h"
#include "test.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>

struct secured {
	struct kafka_fixture kafka;
	struct auth *auth;
	const char *folder;
	char tls_address[64];
};

static void start(struct secured *s, enum tls_client_auth client_auth)
{
	struct mr_error err;
	s->folder = test_folder();
	kafka_fixture_certificate(s->folder, "server", "127.0.0.1");
	kafka_fixture_certificate(s->folder, "client", "carol");
	struct auth_user_option root = {MR_STR("root"), MR_STR("rootpw"), true};
	struct auth_options auth = {.env = env_linux(), .users = &root, .user_count = 1};
	CHECK_OK(auth_open(&auth, &s->auth, &err), err);
	CHECK_OK(auth_user_put(s->auth, MR_STR("alice"), MR_STR("alicepw"), false, &err), err);
	struct kafka_server_options server = {
	    .auth = s->auth,
	    .listen = "127.0.0.1:0",
	    .tls_listen = "127.0.0.1:0",
	    .tls = {test_path("%s/server.crt", s->folder), test_path("%s/server.key", s->folder),
		    test_path("%s/client.crt", s->folder), client_auth},
	};
	kafka_fixture_start_with(&s->kafka, s->folder, &server);
	snprintf(s->tls_address, 64, "127.0.0.1:%d", kafka_server_tls_port(s->kafka.server));
	kafka_fixture_topic(&s->kafka, "t", 1);
}

static void stop(struct secured *s)
{
	kafka_fixture_stop(&s->kafka);
	auth_free(s->auth);
}

struct login {
	const char *protocol, *mechanism, *user, *password;
	bool certificate;
};

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	*(rd_kafka_resp_err_t *)opaque = message->err;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char why[256];
	if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
		test_fail(__FILE__, __LINE__, "%s=%s: %s", key, value, why);
}

/* What becomes of one message sent as this user. */
static rd_kafka_resp_err_t send_as(const struct secured *s, const struct login *login, const char *value)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	bool tls = strstr(login->protocol, "SSL") != NULL;
	set(conf, "bootstrap.servers", tls ? s->tls_address : s->kafka.address);
	set(conf, "security.protocol", login->protocol);
	set(conf, "message.timeout.ms", "3000");
	set(conf, "log_level", "0");
	if (tls) {
		set(conf, "ssl.ca.location", test_path("%s/server.crt", s->folder));
		set(conf, "ssl.endpoint.identification.algorithm", "none");
	}
	if (login->certificate) {
		set(conf, "ssl.certificate.location", test_path("%s/client.crt", s->folder));
		set(conf, "ssl.key.location", test_path("%s/client.key", s->folder));
	}
	if (login->mechanism) {
		set(conf, "sasl.mechanism", login->mechanism);
		set(conf, "sasl.username", login->user);
		set(conf, "sasl.password", login->password);
	}
	rd_kafka_resp_err_t result = RD_KAFKA_RESP_ERR_UNKNOWN;
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set_opaque(conf, &result);
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (!rk)
		test_fail(__FILE__, __LINE__, "%s", why);
	rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_PARTITION(0),
			  RD_KAFKA_V_VALUE((void *)value, strlen(value)),
			  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	rd_kafka_flush(rk, 6000);
	rd_kafka_destroy(rk);
	return result;
}

static void allow_write(struct secured *s, const char *principal)
{
	struct mr_error err;
	struct acl acl = {ACL_TOPIC,  ACL_LITERAL, ACL_WRITE, ACL_ALLOW, MR_STR("t"), mr_str_from(principal),
			  MR_STR("*")};
	CHECK_OK(auth_acl_add(s->auth, &acl, &err), err);
}

TEST(security_sasl_and_acls)
{
	struct secured s = {0};
	start(&s, TLS_CLIENT_NONE);
	struct login root = {"SASL_PLAINTEXT", "SCRAM-SHA-256", "root", "rootpw", false};
	struct login alice = {"SASL_SSL", "SCRAM-SHA-512", "alice", "alicepw", false};
	struct login plain = {"SASL_SSL", "PLAIN", "alice", "alicepw", false};
	struct login wrong = {"SASL_PLAINTEXT", "PLAIN", "alice", "nonsense", false};
	struct login nobody = {"PLAINTEXT", NULL, NULL, NULL, false};
	CHECK_INT(send_as(&s, &root, "1"), 0);
	CHECK_INT(send_as(&s, &alice, "x"), RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	allow_write(&s, "User:alice");
	CHECK_INT(send_as(&s, &alice, "2"), 0);
	CHECK_INT(send_as(&s, &plain, "3"), 0);
	CHECK(send_as(&s, &wrong, "x") != 0);
	CHECK_INT(send_as(&s, &nobody, "x"), RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	struct log_topic *topic = log_topic_find(s.kafka.store, MR_STR("t"));
	CHECK_INT(log_stable_offset(log_partition_at(topic, 0)), 3);
	stop(&s);
}

TEST(security_client_certificates_and_renewal)
{
	struct secured s = {0};
	start(&s, TLS_CLIENT_REQUIRED);
	struct login carol = {"SSL", NULL, NULL, NULL, true}, nobody = {"SSL", NULL, NULL, NULL, false};
	allow_write(&s, "User:CN=carol");
	CHECK_INT(send_as(&s, &carol, "1"), 0);
	CHECK(send_as(&s, &nobody, "x") != 0);
	kafka_fixture_certificate(s.folder, "server", "127.0.0.1"); /* the client trusts the new one only */
	CHECK_INT(send_as(&s, &carol, "2"), 0);
	/* A file that is no certificate changes nothing for those who come now. */
	struct mr_error err;
	CHECK_OK(
	    disk_replace_file(env_linux()->disk, test_path("%s/server.key", s.folder), MR_STR("x"), &err),
	    err);
	CHECK_INT(send_as(&s, &carol, "3"), 0);
	stop(&s);
}

TEST(security_large_messages_over_tls)
{
	struct secured s = {0};
	start(&s, TLS_CLIENT_NONE);
	struct login root = {"SASL_SSL", "PLAIN", "root", "rootpw", false};
	char *value = mr_alloc(900001);
	memset(value, 'v', 900000);
	value[900000] = 0;
	for (int i = 0; i < 3; i++)
		CHECK_INT(send_as(&s, &root, value), 0);
	free(value);
	stop(&s);
}

TEST(security_refuses_to_listen_to_the_world)
{
	struct kafka_fixture f = {0};
	kafka_fixture_start(&f, test_folder());
	struct kafka_server_options options = {.env = env_linux(),
					       .broker = f.broker,
					       .groups = f.groups,
					       .txns = f.txns,
					       .listen = "0.0.0.0:0"};
	struct kafka_server *server;
	struct mr_error err;
	CHECK_INT(kafka_server_start(&options, &server, &err), MR_ERR_INVALID);
	CHECK(strstr(err.hint, "--insecure"));
	options.tls_listen = "127.0.0.1:0";
	options.listen = NULL;
	options.tls = (struct tls_options){.certificate = "missing.crt", .key = "missing.key"};
	CHECK_INT(kafka_server_start(&options, &server, &err), MR_ERR_INVALID);
	CHECK(strstr(err.message, "missing.crt"));
	kafka_fixture_stop(&f);
}
