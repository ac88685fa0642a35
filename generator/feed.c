#include "generator/feed.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/suite.h"
#include "common/symbol.h"

struct feed {
	struct feed_conf	 common;
	const struct feed_type	*type;
	void			*conf;		/* type->conf_size bytes */
	void			*state;		/* of the open feed; NULL before */
};

static const struct feed_type *const types[] = { &feed_sim, &feed_file, &feed_exec, &feed_binance, &feed_coinbase, &feed_kraken };
static const char *const feed_type_names[] = { "sim", "file", "exec", "binance", "coinbase", "kraken", NULL };
_Static_assert(sizeof(types) / sizeof(types[0]) + 1 == sizeof(feed_type_names) / sizeof(feed_type_names[0]),
    "a name for every type");

static bool
market_ok(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "\"%.60s\" is no BASE/QUOTE: each 1 to %d of A-Z 0-9 and point, as in BTC/USDT",
	    value, SYMBOL_PART_MAX);
	return symbol_ok(value, strlen(value));
}

static bool
exchange_ok(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "a letter, then up to 31 of a-z 0-9 _");
	return suite_name_ok(value) && strchr(value, '-') == NULL;
}

static const struct conf_key common_keys[] = {
	{ .name = "type", .type = CONF_ENUM, .offset = offsetof(struct feed_conf, type),
	  .choices = feed_type_names, .help = "where the market comes from: sim (made up, the same for the same seed), file (CSV or JSON lines), exec (a program that prints JSON lines), or live the exchange binance, coinbase or kraken" },
	{ .name = "exchange", .type = CONF_STR, .offset = offsetof(struct feed_conf, exchange),
	  .def = "", .check = exchange_ok, .help = "column exchange of the tables; empty: the feed's name" },
	{ .name = "symbols", .type = CONF_LIST, .offset = offsetof(struct feed_conf, symbols),
	  .check = market_ok, .help = "markets as BASE/QUOTE, as in BTC/USDT, ETH/USDT" },
	{ .name = "timeframe", .type = CONF_ENUM, .offset = offsetof(struct feed_conf, timeframe),
	  .def = "1m", .choices = timeframe_names, .help = "length of the base candles" },
	{ .name = NULL }
};

/* A symbol of one exchange has one source, or its candles would be a mixture. */
static void
check_symbols(struct conf *file, const struct conf_section *section, const struct feed *f, struct feed *const *others)
{
	const struct conf_list	*mine = &f->common.symbols, *theirs;

	for (size_t i = 0; i < mine->count; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(mine->items[i], mine->items[j]) == 0)
				conf_error(file, section, "symbols", "%s stands there twice", mine->items[i]);
	for (; *others != NULL; others++) {
		if (strcmp((*others)->common.exchange, f->common.exchange) != 0)
			continue;
		theirs = &(*others)->common.symbols;
		for (size_t i = 0; i < mine->count; i++)
			for (size_t j = 0; j < theirs->count; j++)
				if (strcmp(mine->items[i], theirs->items[j]) == 0)
					conf_error(file, section, "symbols", "%s of exchange %s comes from [feed %s] already: "
					    "give one of the two another exchange", mine->items[i], f->common.exchange,
					    (*others)->common.name);
	}
}

static struct feed *
read_feed(struct conf *file, const struct conf_section *section, struct feed *const *others)
{
	struct feed		*f = xcalloc(1, sizeof(*f));
	struct feed_conf	*common = &f->common;
	const char		*name = conf_label(section);

	common->name = xstrdup(name == NULL ? "" : name);
	conf_fill(file, section, common_keys, common);
	if (name == NULL || !suite_name_ok(name))
		conf_error(file, section, NULL, "[feed%s%s] has no good name: [feed NAME] with a letter, then up to 31 of a-z 0-9 _",
		    name == NULL ? "" : " ", common->name);
	else if (common->exchange == NULL && strchr(name, '-') != NULL)
		conf_error(file, section, NULL, "[feed %s] has a - in its name: a feed without exchange = lends it its name, "
		    "which is a letter, then up to 31 of a-z 0-9 _", name);
	if (common->exchange == NULL)
		common->exchange = xstrdup(common->name);
	if (conf_text(section, "symbols") != NULL && *conf_text(section, "symbols") != '\0' && common->symbols.count == 0)
		conf_error(file, section, "symbols", "names no market: BASE/QUOTE, as in BTC/USDT");
	check_symbols(file, section, f, others);
	f->type = types[common->type];
	f->conf = xcalloc(1, f->type->conf_size);
	conf_fill(file, section, f->type->keys, f->conf);
	if (f->type->check != NULL)
		f->type->check(file, section, common, f->conf);
	return f;
}

struct feed **
feed_read_all(struct conf *file)
{
	const struct conf_section	*section = NULL;
	struct feed			**feeds = xcalloc(1, sizeof(struct feed *));
	size_t				 count = 0;

	while ((section = conf_next(file, "feed", section)) != NULL) {
		feeds = xrealloc(feeds, (count + 2) * sizeof(struct feed *));
		feeds[count] = NULL;
		feeds[count] = read_feed(file, section, feeds);
		feeds[++count] = NULL;
	}
	return feeds;
}

void
feed_free_all(struct feed **feeds)
{
	struct feed	*f;

	if (feeds == NULL)
		return;
	for (size_t i = 0; (f = feeds[i]) != NULL; i++)
		if (f->state != NULL && f->type->stop != NULL)
			f->type->stop(f->state);
	for (size_t i = 0; (f = feeds[i]) != NULL; i++) {
		if (f->state != NULL)
			f->type->close(f->state);
		conf_clear(f->type->keys, f->conf);
		conf_clear(common_keys, &f->common);
		free(f->common.name);
		free(f->conf);
		free(f);
	}
	free(feeds);
}

void
feed_print_conf(const struct feed *f, void *out_file)
{
	char		*text = NULL, *own;
	size_t		 size = 0;
	FILE		*out = out_file, *memory;

	conf_print(out, "feed", f->common.name, common_keys, &f->common);
	/* The type's keys belong to the same section, so their header is left out. */
	if ((memory = open_memstream(&text, &size)) == NULL)
		fatal("feed", "no memory");
	conf_print(memory, "feed", f->common.name, f->type->keys, f->conf);
	if (fclose(memory) != 0)
		fatal("feed", "no memory");
	if ((own = strchr(text, '\n')) != NULL)
		fputs(own + 1, out);
	free(text);
}

const struct feed_conf *
feed_common(const struct feed *f)
{
	return &f->common;
}

enum candle_source
feed_source(const struct feed *f)
{
	return f->type->source;
}

bool
feed_brings_signals(const struct feed *f)
{
	return f->type->signals;
}

bool
feed_is_real_time(const struct feed *f)
{
	return f->type->real_time;
}

bool
feed_can_wait(const struct feed *f)
{
	return f->type->can_wait;
}

bool
feed_flat_out(struct feed *f)
{
	if (f->type->flat_out == NULL)
		return false;
	f->type->flat_out(f->conf);
	return true;
}

void
feed_open(struct feed *f, struct event_base *base, const int64_t *resume_us, size_t history,
    const struct feed_handler *handler, void *arg)
{
	f->state = f->type->open(base, &f->common, f->conf, resume_us, history, handler, arg);
}

void
feed_pause(struct feed *f)
{
	if (f->state != NULL)
		f->type->pause(f->state);
}

void
feed_resume(struct feed *f)
{
	if (f->state != NULL)
		f->type->resume(f->state);
}

bool
feed_is_degraded(const struct feed *f)
{
	return f->state != NULL && f->type->degraded != NULL && f->type->degraded(f->state);
}

void
feed_status_json(const struct feed *f, struct jsonw *w)
{
	jsonw_str(w, "type", f->type->name);
	jsonw_str(w, "exchange", f->common.exchange);
	if (f->state != NULL)
		f->type->status(f->state, w);
	else
		jsonw_str(w, "state", "closed");
}
