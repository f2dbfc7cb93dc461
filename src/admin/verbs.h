/* admin/verbs.h - between admin.c, which has the table, and the files of verbs. */
#pragma once

#include "admin/admin.h"
#include "codec/json.h"

struct admin_call {
	const struct admin *admin;
	struct arena arena;
	struct json_value in;
	struct json_writer w; /* inside the object that is the answer */
};

typedef int admin_verb(struct admin_call *call, struct mr_error *err);

admin_verb admin_topic_create, admin_topic_alter, admin_topic_delete, admin_topic_configs, admin_topic_trim;
admin_verb admin_group_seek, admin_group_delete, admin_group_forget;
admin_verb admin_user_list, admin_user_put, admin_user_remove;
admin_verb admin_acl_list, admin_acl_add, admin_acl_remove;

/* Arguments. */
mr_str admin_text(const struct admin_call *call, const char *name); /* empty when absent */
/* MR_ERR_INVALID when it is absent or empty. */
MR_NODISCARD int admin_need(const struct admin_call *call, const char *name, mr_str *out,
			    struct mr_error *err);
MR_NODISCARD int admin_topic(const struct admin_call *call, struct log_topic **out, struct mr_error *err);
