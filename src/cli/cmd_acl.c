/* cli/cmd_acl.c - millrace acl: list, add, remove. */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/rows.h"
#include "cli/verbs.h"

#include <stdlib.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'f', "FORMAT", "box, csv, tsv, json, jsonl, markdown", false},
    {"user", 'u', "NAME", "who; '*' is everybody", false},
    {"operation", 0, "OPERATION", "read, write, create, delete, alter, describe, all, …", false},
    {"topic", 't', "NAME", "on this topic; '*' is every one", false},
    {"group", 'g', "NAME", "on this group", false},
    {"transactional-id", 0, "NAME", "on this transactional id", false},
    {"cluster", 0, NULL, "on the cluster", false},
    {"prefix", 0, NULL, "the name is a prefix", false},
    {"host", 0, "ADDRESS", "only from there", false},
    {"deny", 0, NULL, "add: a denial; list, remove: denials only", false},
};

static const struct {
	const char *option, *resource;
} resources[] = {{"topic", "TOPIC"}, {"group", "GROUP"}, {"transactional-id", "TRANSACTIONAL_ID"}};

static void put_acl(const struct args *args, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	for (size_t i = 0; i < MR_COUNT(resources); i++) {
		if (!args_get(args, resources[i].option))
			continue;
		json_member_cstr(&w, "resource", resources[i].resource);
		json_member_cstr(&w, "name", args_get(args, resources[i].option));
	}
	if (args_has(args, "cluster")) {
		json_member_cstr(&w, "resource", "CLUSTER");
		json_member_cstr(&w, "name", "kafka-cluster");
	}
	if (args_has(args, "prefix"))
		json_member_cstr(&w, "pattern", "PREFIXED");
	if (args_get(args, "user")) {
		char *principal = mr_asprintf("User:%s", args_get(args, "user"));
		json_member_cstr(&w, "principal", principal);
		free(principal);
	}
	if (args_get(args, "operation"))
		json_member_cstr(&w, "operation", args_get(args, "operation"));
	if (args_get(args, "host"))
		json_member_cstr(&w, "host", args_get(args, "host"));
	if (args_has(args, "deny"))
		json_member_cstr(&w, "permission", "DENY");
	json_end_object(&w);
}

static int show(struct target *target, const struct args *args, const char *verb, struct mr_error *err)
{
	static const char *const columns[] = {"principal", "permission", "operation", "resource",
					      "pattern",   "name",       "host"};
	struct mr_buf body = {0};
	put_acl(args, &body);
	int rc = rows_admin(target, verb, mr_buf_view(&body), args_get(args, "format"), "acls", columns,
			    MR_COUNT(columns), err);
	mr_buf_release(&body);
	return rc;
}

static int acl_list(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	(void)name;
	return show(target, args, "acl.list", err);
}

static int acl_remove_matching(struct target *target, const struct args *args, const char *name,
			       struct mr_error *err)
{
	(void)name;
	bool any = args_has(args, "cluster") || args_get(args, "user");
	for (size_t i = 0; i < MR_COUNT(resources); i++)
		any = any || args_get(args, resources[i].option);
	if (!any) {
		mr_fail(err, MR_ERR_INVALID, "which ACLs?");
		return mr_hint(err, "name a user or a resource: millrace acl remove --topic orders");
	}
	return show(target, args, "acl.remove", err);
}

static int acl_add_one(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	(void)name;
	struct mr_buf body = {0};
	if (!args_get(args, "user") || !args_get(args, "operation")) {
		mr_fail(err, MR_ERR_INVALID, "who may do what?");
		return mr_hint(err, "millrace acl add --user alice --operation read --topic orders");
	}
	put_acl(args, &body);
	int rc = rows_admin(target, "acl.add", mr_buf_view(&body), NULL, NULL, NULL, 0, err);
	mr_buf_release(&body);
	return rc;
}

static const struct cli_verb verbs[] = {
    {"list", NULL, acl_list}, {"add", NULL, acl_add_one}, {"remove", NULL, acl_remove_matching}};

int cmd_acl(int argc, char **argv)
{
	static const struct cli_verbs acl = {"acl", options, MR_COUNT(options), verbs, MR_COUNT(verbs), 1};
	return cli_verbs_run(&acl, argc, argv);
}
