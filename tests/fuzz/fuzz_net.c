/* What strangers send before and beside Kafka's frames: SASL tokens, syslog lines. */
#include "fuzz.h"

#include "auth/auth.h"
#include "auth/sasl.h"
#include "auth/scram.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/syslog.h"
#include "env/env.h"
#include "env/rng.h"
#include "service/rules.h"

#include <stdlib.h>

/* ---- SCRAM: as the message that begins an exchange, and as the one that ends it ---- */

static void *start_rng(void)
{
	struct mr_rng *rng = mr_alloc(sizeof *rng);
	rng_seed(rng, 1);
	return rng;
}

/* Nothing that is fed proves a password. */
static void feed_scram(void *state, mr_str input)
{
	static const uint8_t secret[32] = {1};
	for (int begin = 0; begin < 2; begin++) {
		struct scram_exchange exchange;
		struct mr_buf reply = {0};
		scram_exchange_init(&exchange, SCRAM_SHA_256);
		mr_str first = begin ? input : MR_STR("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
		if (scram_first(&exchange, first, NULL) == 0) {
			scram_challenge(&exchange, NULL, secret, state, &reply);
			CHECK(scram_final(&exchange, input, &reply, NULL) < 0);
		}
		mr_buf_release(&reply);
		scram_exchange_release(&exchange);
	}
}

const struct fuzz_target fuzz_scram = {
    .name = "scram", .rounds = 8000, .start = start_rng, .feed = feed_scram, .stop = free};

/* ---- SASL as a connection sees it: the first byte is the mechanism, 0 ends a token ---- */

static void *start_auth(void)
{
	struct mr_error err;
	struct auth *auth;
	struct auth_options options = {.env = env_linux()};
	CHECK_OK(auth_open(&options, &auth, &err), err);
	CHECK_OK(auth_user_put(auth, MR_STR("anna"), MR_STR("not to be guessed"), false, &err), err);
	return auth;
}

static void feed_sasl(void *state, mr_str input)
{
	if (input.len == 0)
		return;
	enum sasl_mechanism mechanism = (uint8_t)input.ptr[0] % SASL_MECHANISMS;
	struct sasl *sasl = sasl_new(state, mechanism);
	input = mr_str_tail(input, 1);
	for (int step = 0; step < 4; step++) {
		struct mr_buf reply = {0};
		const char *end = mechanism == SASL_PLAIN ? NULL : memchr(input.ptr, '\n', input.len);
		mr_str token = mr_str_n(input.ptr, end ? (size_t)(end - input.ptr) : input.len);
		int rc = sasl_step(sasl, token, &reply, NULL);
		mr_buf_release(&reply);
		CHECK(rc != 0);
		if (rc < 0 || !end)
			break;
		input = mr_str_tail(input, token.len + 1);
	}
	sasl_free(sasl);
}

static bool seed_sasl(void *state, size_t n, struct mr_buf *out)
{
	static const char plain[] = "\0\0anna\0wrong";
	static const char other[] = "\0somebody\0anna\0wrong";
	static const char scram[] = "\1n,,n=anna,r=abcdef\nc=biws,r=abcdef,p=AAAA";
	static const char sha512[] = "\2n,a=x,n=anna,r=abcdef\nc=biws,r=abcdef,p=AAAA";
	static const mr_str seeds[] = {{plain, sizeof plain - 1},
				       {other, sizeof other - 1},
				       {scram, sizeof scram - 1},
				       {sha512, sizeof sha512 - 1}};
	if (n < MR_COUNT(seeds))
		mr_buf_str(out, seeds[n]);
	return n < MR_COUNT(seeds);
}

static void stop_auth(void *state)
{
	auth_free(state);
}

const struct fuzz_target fuzz_sasl = {.name = "sasl",
				      .rounds = 500,
				      .seed = seed_sasl,
				      .start = start_auth,
				      .feed = feed_sasl,
				      .stop = stop_auth};

/* ---- syslog: a stream in two pieces, the first byte says where it is cut ---- */

static const char *const syslog_texts[] = {
    "a<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed\n",
    "b<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time.\n",
    "c<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [ex@32473 iut=\"3\" a=\"\\\"q\\]\"][b@1 c=\"d\"] "
    "An event\n",
    "d<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8\n",
    "e<13>2026-01-01T00:00:00.123+01:00 host app[123]: text\n",
    "f11 <13>1 - - -12 <14>Jan  1 x\n",
    "g99999999999999999999 <13>long\nplain text\n<999>not a priority\n",
    NULL,
};

static void look_at(mr_str line)
{
	struct syslog_message m;
	struct mr_buf scratch = {0};
	syslog_parse(line, &m);
	CHECK(m.priority >= 0 && m.priority < 192);
	CHECK(m.msg.len <= line.len);
	(void)syslog_sd_get(m.structured_data, MR_STR("ex@32473"), MR_STR("a"), &scratch);
	(void)syslog_facility_name(m.priority);
	(void)syslog_severity_name(m.priority);
	mr_buf_release(&scratch);
}

static void cut_stream(mr_str input, size_t first_piece)
{
	struct syslog_framer framer = {.line_bytes_max = 64};
	size_t at = 0, seen = mr_min_size(first_piece, input.len);
	for (;;) {
		mr_str line;
		size_t used = 0;
		enum syslog_frame frame =
		    syslog_frame_next(&framer, mr_str_n(input.ptr + at, seen - at), &line, &used);
		CHECK(used <= seen - at);
		at += used;
		if (frame != SYSLOG_FRAME_MORE) {
			CHECK(line.len <= framer.line_bytes_max);
			CHECK(used > 0);
			look_at(line);
		} else if (seen < input.len) {
			seen = input.len;
		} else if (used == 0) {
			break;
		}
	}
	CHECK(seen - at < syslog_frame_room(&framer));
}

static void feed_syslog(void *state, mr_str input)
{
	if (input.len == 0)
		return;
	look_at(mr_str_tail(input, 1));
	cut_stream(mr_str_tail(input, 1), (uint8_t)input.ptr[0]);
}

const struct fuzz_target fuzz_syslog = {
    .name = "syslog", .rounds = 20000, .texts = syslog_texts, .feed = feed_syslog};

/* ---- a line through the gateway's rules: whatever it holds, an event is JSON where rules say so ---- */

static const char *const rule_texts[] = {
    "<13>1 2026-01-01T00:00:00Z host app - - - {\"n\":1,\"kind\":\"login\",\"user\":{\"id\":7}}",
    "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /apache_pb.gif HTTP/1.0\" 200 2326",
    "<34>Oct 11 22:14:15 web nginx: 10.0.0.1 - - [1/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 404 -",
    "\xff\xfe not utf-8 \xc3",
    NULL,
};

struct rules_state {
	struct mr_rng rng;
	struct rules *rules;
	struct json_parser *parser;
};

static void *start_rules(void)
{
	static struct conf_action merge[] = {
	    {CONF_MERGE, {"{\"seen\":\"{{uuid}}\",\"host\":\"{{hostname}}\"}", 43}, 1},
	    {CONF_FORWARD, {"events", 6}, 2}};
	static struct conf_action replace[] = {
	    {CONF_REPLACE,
	     {"{\"client\":\"{{client}}\",\"status\":\"{{status|int}}\",\"at\":\"{{time|clf}}\"}", 71},
	     3},
	    {CONF_FORWARD, {"access", 6}, 4}};
	struct conf_rule rules[] = {
	    {.match = CONF_MATCH_JMESPATH,
	     .pattern = MR_STR("kind == 'login'"),
	     .field = MR_STR("msg"),
	     .actions = merge,
	     .action_count = 2},
	    {.match = CONF_MATCH_REGEX,
	     .pattern =
		 MR_STR("^(?<client>\\S+) \\S+ \\S+ \\[(?<time>[^\\]]+)\\] \"[^\"]*\" (?<status>\\d{3})"),
	     .field = MR_STR("msg"),
	     .actions = replace,
	     .action_count = 2},
	};
	struct rules_state *s = mr_calloc(1, sizeof *s);
	struct mr_error err;
	merge[0].text = mr_str_from(merge[0].text.ptr);
	replace[0].text = mr_str_from(replace[0].text.ptr);
	rng_seed(&s->rng, 1);
	s->parser = json_parser_new();
	CHECK_OK(rules_compile(rules, MR_COUNT(rules), &s->rng, &s->rules, &err), err);
	return s;
}

static void feed_rules(void *state, mr_str input)
{
	struct rules_state *s = state;
	struct rules_line line = {input, MR_STR("127.0.0.1:4000"), 1700000000000, NULL};
	struct rules_result result = {0};
	struct json_value v;
	rules_apply(s->rules, &line, &result);
	if (result.outcome == RULES_FORWARD) {
		struct mr_error err;
		CHECK_OK(json_parse(s->parser, result.event, &v, &err), err);
	}
}

static void stop_rules(void *state)
{
	struct rules_state *s = state;
	rules_free(s->rules);
	json_parser_free(s->parser);
	free(s);
}

const struct fuzz_target fuzz_gateway_rules = {.name = "gateway_rules",
					       .rounds = 10000,
					       .texts = rule_texts,
					       .start = start_rules,
					       .feed = feed_rules,
					       .stop = stop_rules};
