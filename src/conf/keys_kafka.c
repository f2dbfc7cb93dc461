/* conf/keys_kafka.c - the keys of `kafka:` and `users:`. */
#include "conf/keys.h"
#include "conf/project.h"
#include "conf/values.h"

static int read_advertised(const struct option_place *place, const struct option *option, void *to,
			   struct mr_error *err)
{
	(void)option;
	return conf_read_address(place, to, err);
}

static const char *const client_auth_words[] = {"none", "requested", "required"};

static const struct option tls_options[] = {
    {.key = "listen",
     .type = OPTION_CUSTOM,
     AT(struct conf_tls, listen),
     .read = conf_read_address_or_off,
     .shown_type = "address, `off`",
     .shown_default = "`off`",
     .help = "The Kafka protocol over TLS 1.2 and 1.3."},
    {.key = "advertised",
     .type = OPTION_CUSTOM,
     AT(struct conf_tls, advertised),
     .read = read_advertised,
     .shown_type = "address",
     .shown_default = "the address a client connected to",
     .help = "Where clients of this listener find the broker."},
    {.key = "certificate",
     .type = OPTION_CUSTOM,
     AT(struct conf_tls, certificate),
     .read = conf_read_path,
     .shown_type = "path",
     .help = "PEM, with its chain. Read again when it changes."},
    {.key = "key",
     .type = OPTION_CUSTOM,
     AT(struct conf_tls, key),
     .read = conf_read_path,
     .shown_type = "path",
     .help = "PEM, without a passphrase."},
    {.key = "client_ca",
     .type = OPTION_CUSTOM,
     AT(struct conf_tls, client_ca),
     .read = conf_read_path,
     .shown_type = "path",
     .help = "Whose signature clients' certificates bear."},
    {.key = "client_auth",
     .type = OPTION_WORD,
     AT(struct conf_tls, client_auth),
     .preset = "none",
     .words = client_auth_words,
     .word_count = MR_COUNT(client_auth_words),
     .help = "Whether a client shows a certificate; its subject then is the user."},
};

static int check_tls(const struct option_place *place, void *item, struct mr_error *err)
{
	const struct conf_tls *tls = item;
	if (tls->listen.len && (!tls->certificate || !tls->key))
		return option_fail(place, err, "%s: a listener needs a certificate and a key",
				   place->path.ptr);
	if (!mr_str_is(tls->client_auth, "none") && !tls->client_ca)
		return option_fail(place, err, "%s: client_auth needs client_ca", place->path.ptr);
	return 0;
}

static const struct option_table tls_table = OPTION_TABLE(struct conf_tls, tls_options, .check = check_tls);

static const struct option kafka_options[] = {
    {.key = "listen",
     .type = OPTION_CUSTOM,
     AT(struct project, kafka_listen),
     .preset = "127.0.0.1:9092",
     .read = conf_read_address_or_off,
     .shown_type = "address, `off`",
     .help = "The Kafka protocol. Port 0 picks one. Beyond loopback only with users."},
    {.key = "advertised",
     .type = OPTION_CUSTOM,
     AT(struct project, kafka_advertised),
     .read = read_advertised,
     .shown_type = "address",
     .shown_default = "the address a client connected to",
     .help = "Where clients find the broker."},
    {.key = "tls",
     .type = OPTION_SECTION,
     AT(struct project, kafka_tls),
     .table = &tls_table,
     .help = "A second listener, with TLS."},
    {.key = "num_partitions",
     .type = OPTION_INT32,
     AT(struct project, num_partitions),
     .preset = "1",
     .min = 1,
     .max = 10000,
     .help = "Partitions of topics that are made without a number of them."},
    {.key = "auto_create_topics",
     .type = OPTION_BOOL,
     AT(struct project, auto_create_topics),
     .preset = "true",
     .help = "A topic that a client names and that is not there is made."},
    {.key = "max_connections",
     .type = OPTION_INT32,
     AT(struct project, kafka_max_connections),
     .preset = "2000",
     .min = 1,
     .max = 1000000,
     .help = "Connections at the same time; more are closed at once."},
    {.key = "connections_max_idle",
     .type = OPTION_DURATION,
     AT(struct project, kafka_max_idle_ms),
     .preset = "10m",
     .min = 1000,
     .max = 86400000,
     .help = "A connection on which nothing moves for this long is closed."},
};
const struct option_table conf_kafka_table = OPTION_TABLE(struct project, kafka_options);

static const struct option user_options[] = {
    {.key = "password",
     .type = OPTION_STR,
     AT(struct conf_user, password),
     .required = true,
     .help = "Best as `${file:PATH}` or `${VARIABLE}`."},
    {.key = "super",
     .type = OPTION_BOOL,
     AT(struct conf_user, super),
     .preset = "false",
     .help = "May do everything, whatever the ACLs say."},
};

static int check_user(const struct option_place *place, void *item, struct mr_error *err)
{
	struct conf_user *user = item;
	struct option_place at = *place;
	at.node = place->key;
	user->name = place->key->text;
	if (user->name.len == 0 || user->name.len > 255)
		return option_fail(&at, err, "a user's name has 1 to 255 bytes");
	if (user->password.len == 0)
		return option_fail(&at, err, "%s: the password is empty", place->path.ptr);
	return 0;
}

const struct option_table conf_user_table = OPTION_TABLE(struct conf_user, user_options, .check = check_user);
