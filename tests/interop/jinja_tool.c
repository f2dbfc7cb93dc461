/* tests/interop/jinja_tool.c - renders templates for jinja_compare.py.
 *
 * Each line of the input is {"template": …, "context": {…}}; a context value {"$time": us} is a time.
 * Each line of the output is {"text": …} or {"error": …}.
 */
#include "jinja/jinja.h"

#include <stdio.h>
#include <stdlib.h>

static int lookup(void *arg, struct jinja_state *state, mr_str name, struct jinja_value *out,
		  struct mr_error *err)
{
	(void)state;
	(void)err;
	const struct jinja_value *context = arg, *found = jinja_dict_get(context->dict, jinja_str(name));
	if (!found)
		return 1;
	const struct jinja_value *us =
	    found->type == JINJA_DICT ? jinja_dict_get(found->dict, jinja_str(MR_STR("$time"))) : NULL;
	*out = us ? jinja_time(us->integer) : *found;
	return 0;
}

static int answer(mr_str line, struct mr_buf *text, struct mr_error *err)
{
	struct arena arena = {0};
	struct jinja_value request, none = jinja_none();
	struct jinja_template *template = NULL;
	int rc = jinja_parse_json(&arena, line, &request, err);
	if (rc == 0) {
		const struct jinja_value *source =
		    jinja_dict_get(request.dict, jinja_str(MR_STR("template")));
		const struct jinja_value *context =
		    jinja_dict_get(request.dict, jinja_str(MR_STR("context")));
		struct jinja_context names = {lookup, NULL, (void *)(context ? context : &none)};
		rc = jinja_parse(source->text, NULL, 0, &template, err);
		if (rc == 0)
			rc = jinja_render(template, &names, &arena, text, err);
	}
	jinja_free(template);
	arena_release(&arena);
	return rc;
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	while ((len = getline(&line, &cap, stdin)) > 0) {
		struct mr_buf text = {0}, json = {0};
		struct mr_error err;
		int rc = answer(mr_str_n(line, (size_t)len), &text, &err);
		struct json_writer w = json_writer(&json);
		json_begin_object(&w);
		if (rc == 0)
			json_member_str(&w, "text", mr_buf_view(&text));
		else
			json_member_cstr(&w, "error", err.message);
		json_end_object(&w);
		printf("%s\n", mr_buf_view(&json).ptr);
		mr_buf_release(&text);
		mr_buf_release(&json);
	}
	free(line);
	return 0;
}
