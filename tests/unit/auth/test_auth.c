#include "auth/sasl.h"
#include "env/disk_sim.h"
#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>

static struct auth *open_in(const char *dir, const struct auth_user_option *users, size_t count)
{
	struct auth_options options = {.env = env_linux(), .dir = dir, .users = users, .user_count = count};
	struct auth *auth;
	struct mr_error err;
	CHECK_OK(auth_open(&options, &auth, &err), err);
	return auth;
}

static bool may(struct auth *auth, const char *user, int operation, const char *topic)
{
	return auth_may(auth, mr_str_from(user), MR_STR("::1"), operation, ACL_TOPIC, mr_str_from(topic));
}

TEST(auth_enforces_from_the_first_user_on)
{
	const char *dir = test_folder();
	struct mr_error err;
	struct auth *auth = open_in(dir, NULL, 0);
	CHECK(!auth_enforced(auth) && may(auth, "ANONYMOUS", ACL_WRITE, "t"));
	CHECK_OK(auth_user_put(auth, MR_STR("root"), MR_STR("secret"), false, &err), err);
	CHECK_OK(auth_user_put(auth, MR_STR("alice"), MR_STR("pw"), false, &err), err);
	CHECK(auth_enforced(auth));
	CHECK(!may(auth, "ANONYMOUS", ACL_WRITE, "t") && !may(auth, "alice", ACL_WRITE, "t"));
	CHECK(may(auth, "root", ACL_WRITE, "t")); /* the first one is the super user */
	struct acl acl = {ACL_TOPIC,   ACL_LITERAL,          ACL_WRITE,  ACL_ALLOW,
			  MR_STR("t"), MR_STR("User:alice"), MR_STR("*")};
	CHECK_OK(auth_acl_add(auth, &acl, &err), err);
	struct quota_entity entity = {.user_part = QUOTA_NAMED, .user = MR_STR("alice")};
	CHECK_OK(auth_quota_put(auth, &entity, QUOTA_CONSUME, 12.5, &err), err);
	struct quota_entity all = {.client_part = QUOTA_DEFAULT};
	CHECK_OK(auth_quota_put(auth, &all, QUOTA_PRODUCE, 1e9, &err), err);
	auth_free(auth);

	auth = open_in(dir, NULL, 0); /* all of it is there again */
	CHECK(auth_enforced(auth));
	CHECK(may(auth, "alice", ACL_WRITE, "t") && !may(auth, "alice", ACL_READ, "t"));
	CHECK_INT(auth_operations(auth, MR_STR("alice"), MR_STR("::1"), ACL_TOPIC, MR_STR("t")),
		  1 << ACL_WRITE | 1 << ACL_DESCRIBE);
	CHECK(may(auth, "root", ACL_DELETE, "x"));
	CHECK_OK(auth_check_password(auth, MR_STR("alice"), MR_STR("pw"), &err), err);
	CHECK_OK(auth_check_password(auth, MR_STR("alice"), MR_STR("pw"), &err), err); /* by its mark */
	CHECK_INT(auth_check_password(auth, MR_STR("alice"), MR_STR("pW"), NULL), MR_ERR_INVALID);
	CHECK_INT(auth_check_password(auth, MR_STR("bob"), MR_STR("pw"), NULL), MR_ERR_INVALID);
	struct arena arena = {0};
	struct quota *quotas;
	CHECK_INT(auth_quotas(auth, &arena, &quotas), 2);
	CHECK_STR(quotas[0].entity.user, "alice");
	CHECK(quotas[0].rate[QUOTA_CONSUME] == 12.5 && quotas[1].entity.client_part == QUOTA_DEFAULT);
	CHECK(auth_throttle_ms(auth, QUOTA_CONSUME, MR_STR("alice"), MR_STR("c"), 1000) > 1000);
	CHECK_OK(auth_user_remove(auth, MR_STR("alice"), &err), err);
	CHECK_OK(auth_user_drop_credential(auth, MR_STR("root"), SCRAM_SHA_256, &err), err);
	CHECK_OK(auth_check_password(auth, MR_STR("root"), MR_STR("secret"), &err), err);
	CHECK_INT(auth_user_drop_credential(auth, MR_STR("root"), SCRAM_SHA_256, NULL), MR_ERR_NOT_FOUND);
	CHECK_OK(auth_user_drop_credential(auth, MR_STR("root"), SCRAM_SHA_512, &err), err);
	CHECK(!auth_enforced(auth));
	arena_release(&arena);
	auth_free(auth);
}

TEST(auth_without_users_guards_what_has_an_acl)
{
	const char *dir = test_folder();
	struct mr_error err;
	struct auth *auth = open_in(dir, NULL, 0);
	struct acl deny = {ACL_TOPIC,   ACL_LITERAL,      ACL_READ,   ACL_DENY,
			   MR_STR("t"), MR_STR("User:*"), MR_STR("*")};
	struct acl prefix = {ACL_TOPIC,     ACL_PREFIXED,     ACL_WRITE,  ACL_ALLOW,
			     MR_STR("pre"), MR_STR("User:*"), MR_STR("*")};
	struct acl cluster = {ACL_CLUSTER,      ACL_LITERAL,      ACL_ALL,    ACL_DENY,
			      ACL_CLUSTER_NAME, MR_STR("User:*"), MR_STR("*")};
	CHECK_OK(auth_acl_add(auth, &deny, &err), err);
	CHECK_OK(auth_acl_add(auth, &prefix, &err), err);
	CHECK_OK(auth_acl_add(auth, &cluster, &err), err);
	auth_free(auth);

	auth = open_in(dir, NULL, 0);
	CHECK(!auth_enforced(auth));
	CHECK(!may(auth, "ANONYMOUS", ACL_READ, "t") && !may(auth, "ANONYMOUS", ACL_WRITE, "t"));
	CHECK(may(auth, "ANONYMOUS", ACL_WRITE, "prefix") && !may(auth, "ANONYMOUS", ACL_READ, "prefix"));
	CHECK(may(auth, "ANONYMOUS", ACL_READ, "other"));
	CHECK(auth_may(auth, AUTH_ANONYMOUS, MR_STR("::1"), ACL_ALTER, ACL_CLUSTER, ACL_CLUSTER_NAME));
	struct arena arena = {0};
	struct acl *found;
	size_t count;
	CHECK_OK(auth_acls(auth, &deny, true, &arena, &found, &count, &err), err);
	CHECK_INT(count, 1);
	CHECK(may(auth, "ANONYMOUS", ACL_READ, "t"));
	arena_release(&arena);
	auth_free(auth);
}

TEST(auth_file_is_private)
{
	const char *dir = test_folder();
	struct auth *auth = open_in(dir, NULL, 0);
	CHECK_INT(auth_user_put(auth, MR_STR("a"), MR_STR("b"), false, NULL), 0);
	struct stat info;
	CHECK_INT(stat(test_path("%s/auth.json", dir), &info), 0);
	CHECK_INT(info.st_mode & 0777, 0600);
	auth_free(auth);
}

TEST(auth_users_of_the_configuration)
{
	const char *dir = test_folder();
	struct auth_user_option users[] = {{MR_STR("ops"), MR_STR("x"), true},
					   {MR_STR("app"), MR_STR("y"), false}};
	struct auth *auth = open_in(dir, users, 2);
	CHECK(auth_enforced(auth) && may(auth, "ops", ACL_ALTER, "t") && !may(auth, "app", ACL_ALTER, "t"));
	CHECK_INT(auth_user_put(auth, MR_STR("app"), MR_STR("z"), false, NULL), MR_ERR_INVALID);
	CHECK_INT(auth_user_remove(auth, MR_STR("app"), NULL), MR_ERR_INVALID);
	CHECK_INT(auth_user_put(auth, MR_STR("new"), MR_STR("z"), false, NULL), 0);
	CHECK(!may(auth, "new", ACL_READ, "t")); /* not the first: the configuration has users */
	auth_free(auth);
	auth = open_in(dir, NULL, 0);
	struct arena arena = {0};
	struct auth_user *rows;
	CHECK_INT(auth_users(auth, &arena, &rows), 1);
	CHECK_STR(rows[0].name, "new");
	arena_release(&arena);
	auth_free(auth);
}

TEST(auth_change_that_cannot_be_kept_is_not_made)
{
	struct mr_disk *disk = sim_disk_new(1);
	struct env env = *env_linux();
	env.disk = disk;
	struct auth_options options = {.env = &env, .dir = "d"};
	struct mr_error err;
	struct auth *auth;
	CHECK_OK(auth_open(&options, &auth, &err), err);
	CHECK(auth_user_put(auth, MR_STR("a"), MR_STR("b"), false, NULL) < 0); /* there is no folder d */
	CHECK(!auth_enforced(auth));
	struct acl acl = {ACL_TOPIC,   ACL_LITERAL,      ACL_WRITE,  ACL_ALLOW,
			  MR_STR("t"), MR_STR("User:a"), MR_STR("*")};
	CHECK(auth_acl_add(auth, &acl, NULL) < 0);
	struct arena arena = {0};
	struct acl *found, any = {1, 1, 1, 1, MR_STR_NULL, MR_STR_NULL, MR_STR_NULL};
	size_t count;
	CHECK_OK(auth_acls(auth, &any, false, &arena, &found, &count, &err), err);
	CHECK_INT(count, 0);
	arena_release(&arena);
	auth_free(auth);
	sim_disk_free(disk);
}

TEST(auth_damaged_file_is_named)
{
	const char *dir = test_folder();
	static const char *const texts[] = {
	    "{",
	    "{}",
	    "[]",
	    "{\"version\":2}",
	    "{\"version\":1,\"acls\":[{\"resource\":\"TOPIC\"}]}",
	    "{\"version\":1,\"users\":{\"a\":{\"SCRAM-SHA-256\":{\"iterations\":4096,\"salt\":\"!\"}}}}",
	    "{\"version\":1,\"quotas\":[{\"producer_byte_rate\":5}]}"};
	for (size_t i = 0; i < MR_COUNT(texts); i++) {
		CHECK_INT(disk_replace_file(env_linux()->disk, test_path("%s/auth.json", dir),
					    mr_str_from(texts[i]), NULL),
			  0);
		struct auth_options options = {.env = env_linux(), .dir = dir};
		struct auth *auth;
		struct mr_error err;
		CHECK_INT(auth_open(&options, &auth, &err), MR_ERR_CORRUPT);
		CHECK(strstr(err.message, "auth.json"));
	}
}

TEST(sasl_plain)
{
	struct mr_error err;
	struct auth *auth = open_in(NULL, NULL, 0);
	CHECK_OK(auth_user_put(auth, MR_STR("alice"), MR_STR("pw"), false, &err), err);
	static const struct {
		mr_str token;
		bool right;
	} cases[] = {
	    {MR_STR("\0alice\0pw"), true},     {MR_STR("alice\0alice\0pw"), true},
	    {MR_STR("bob\0alice\0pw"), false}, {MR_STR("\0alice\0pww"), false},
	    {MR_STR("\0bob\0pw"), false},      {MR_STR("\0alice\0"), false},
	    {MR_STR("alice"), false},          {MR_STR(""), false},
	    {MR_STR("\0alice"), false},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct sasl *sasl = sasl_new(auth, SASL_PLAIN);
		struct mr_buf reply = {0};
		CHECK_INT(sasl_step(sasl, cases[i].token, &reply, NULL), cases[i].right ? 0 : MR_ERR_INVALID);
		CHECK_STR(sasl_user(sasl), cases[i].right ? "alice" : "");
		CHECK_INT(sasl_step(sasl, MR_STR("\0alice\0pw"), &reply, NULL), MR_ERR_INVALID);
		mr_buf_release(&reply);
		sasl_free(sasl);
	}
	auth_free(auth);
}
