#include "ingest_events.h"

#include "codec/columns.h"

#include <math.h>

static const char *pick(struct mr_rng *rng, const char *const *from, size_t count)
{
	return from[rng_below(rng, count)];
}

static double unit(struct mr_rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

/* Of a hundred requests so many, in this order. */
static const char *method(struct mr_rng *rng)
{
	uint64_t n = rng_below(rng, 100);
	return n < 80 ? "GET" : n < 94 ? "POST" : n < 97 ? "PUT" : "DELETE";
}

static int status(struct mr_rng *rng)
{
	static const struct {
		unsigned below;
		int status;
	} table[] = {{86, 200}, {91, 304}, {93, 301}, {97, 404}, {98, 403}, {99, 500}, {100, 503}};
	uint64_t n = rng_below(rng, 100);
	size_t i = 0;
	while (n >= table[i].below)
		i++;
	return table[i].status;
}

void event_maker_init(struct event_maker *maker, uint64_t seed, uint64_t count)
{
	*maker = (struct event_maker){
	    .start_ms = INT64_C(1767225600000), .span_ms = 3600 * 1000, .count = count ? count : 1};
	rng_seed(&maker->rng, seed);
}

mr_str event_maker_next(struct event_maker *maker, struct mr_buf *out)
{
	static const char *const sections[] = {"products", "cart", "search",       "account",
					       "help",     "img",  "api/v1/items", "api/v1/orders"};
	static const char *const referers[] = {
	    "-", "/", "/search?q=shoes", "/products/", "/account/login", "/help/faq"};
	static const char *const agents[] = {
	    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
	    "Mozilla/5.0 (Macintosh; Intel Mac OS X) AppleWebKit/605.1.15 Safari/605.1.15",
	    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0",
	    "curl/8.5.0 (x86_64-pc-linux-gnu)", "okhttp/4.12.0"};
	struct mr_rng *rng = &maker->rng;
	char id[37], ts[32];
	rng_uuid(rng, id);
	format_timestamp_ms(
	    maker->start_ms + (int64_t)((double)maker->made * (double)maker->span_ms / (double)maker->count),
	    ts);
	maker->made++;
	mr_buf_clear(out);
	mr_buf_printf(out, "{\"id\":\"%s\",\"ts\":\"%s\",\"method\":\"%s\",\"path\":\"", id, ts, method(rng));
	size_t path = out->len;
	mr_buf_printf(out, "/%s/%d", pick(rng, sections, MR_COUNT(sections)),
		      (int)(pow(unit(rng), 3) * 50000));
	size_t path_end = out->len;
	mr_buf_printf(out, "\",\"status\":%d,\"bytes\":%d,\"referer\":\"%s\",\"agent\":\"%s\"}", status(rng),
		      (int)(200 + pow(unit(rng), 2) * 60000), pick(rng, referers, MR_COUNT(referers)),
		      pick(rng, agents, MR_COUNT(agents)));
	return mr_str_n(out->ptr + path, path_end - path);
}

const char *event_schema_json(void)
{
	return "{\"type\":\"object\",\"required\":[\"id\",\"ts\"],\"properties\":{"
	       "\"id\":{\"type\":\"string\"},\"ts\":{\"type\":\"string\",\"format\":\"date-time\"},"
	       "\"method\":{\"type\":\"string\"},\"path\":{\"type\":\"string\"},"
	       "\"status\":{\"type\":\"integer\"},\"bytes\":{\"type\":\"integer\"},"
	       "\"referer\":{\"type\":\"string\"},\"agent\":{\"type\":\"string\"}}}";
}
