#include "generator/strategy.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/symbol.h"
#include "generator/indicator_range.h"

/* The registry. */
static const struct strategy_type *const types[] = {
	&strategy_ema_cross,
	&strategy_rsi_reversion,
	&strategy_donchian_breakout,
	&strategy_macd_cross,
	&strategy_supertrend_flip,
	&strategy_bollinger_squeeze,
};
#define TYPES	(sizeof(types) / sizeof(types[0]))

#define WARMUP_MIN	500	/* unless the section says otherwise */
#define MEMORY_FACTOR	4	/* warm-ups until the last bit of a seed is gone, not only its weight */

/* The keys that all types have; the type's own follow it in memory. */
struct common {
	int			 type, timeframe;
	struct conf_list	 symbols, targets_r;
	int64_t			 atr_period;
	double			 stop_atr;
	int64_t			 expiry_candles, cooldown_candles, guard_stops, guard_candles, warmup, max_age_ms;
};

union values {			/* so that what follows `common` is aligned for anything */
	struct common	 common;
	max_align_t	 align;
};

struct strategy {
	char				*name;
	const struct strategy_type	*type;
	struct conf_key			*keys;		/* common ones and the type's, for one struct */
	union values			*values;	/* the type's parameters follow it */
	enum timeframe			 timeframe;
	struct book_rules		 rules;
	size_t				 warmup, memory;
	double				 targets_r[SIGNAL_TARGETS_MAX];
	int				 target_count;
	char				 params_hash[17];
};

struct strategy_state {
	const struct strategy	*strategy;
	size_t			 bars;
	struct atr		 atr;
	struct bar		 last;
	max_align_t		 own[];		/* the type's */
};

static const char *type_names[TYPES + 1];	/* from the registry, by strategy_new() */

static bool
markets_ok(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "* for all, or symbols BASE/QUOTE in capitals");
	return strcmp(value, "*") == 0 || symbol_ok(value, strlen(value));
}

static bool
target_ok(const char *value, char *why, size_t why_size)
{
	char	*end;
	double	 r = strtod(value, &end);

	snprintf(why, why_size, "1 to %d rising numbers from 0.1 to 100", SIGNAL_TARGETS_MAX);
	return end != value && *end == '\0' && r >= 0.1 && r <= 100;
}

static const struct conf_key common_keys[] = {
	{ .name = "type", .type = CONF_ENUM, .offset = offsetof(struct common, type),
	  .choices = type_names, .help = "the rules" },
	{ .name = "symbols", .type = CONF_LIST, .offset = offsetof(struct common, symbols), .def = "*",
	  .check = markets_ok, .help = "symbols it watches, BASE/QUOTE; * for all" },
	{ .name = "timeframe", .type = CONF_ENUM, .offset = offsetof(struct common, timeframe),
	  .choices = timeframe_names, .help = "the candles it judges" },
	{ .name = "atr_period", .type = CONF_INT, .offset = offsetof(struct common, atr_period), .def = "14",
	  .min = 2, .max = 1000, .help = "period of the average true range (ATR) that sets the stop" },
	{ .name = "stop_atr", .type = CONF_DOUBLE, .offset = offsetof(struct common, stop_atr), .def = "1.5",
	  .min = 0.1, .max = 100, .help = "distance from entry to stop, in ATR; this distance is 1 R" },
	{ .name = "targets_r", .type = CONF_LIST, .offset = offsetof(struct common, targets_r), .def = "1.5, 3",
	  .check = target_ok, .help = "distances from entry to the targets, in R" },
	{ .name = "expiry_candles", .type = CONF_INT, .offset = offsetof(struct common, expiry_candles), .def = "24",
	  .min = 1, .max = 100000, .help = "a signal stands this many candles" },
	{ .name = "cooldown_candles", .type = CONF_INT, .offset = offsetof(struct common, cooldown_candles), .def = "3",
	  .min = 0, .max = 100000, .help = "no new signal for this many candles after one has closed" },
	{ .name = "guard_stops", .type = CONF_INT, .offset = offsetof(struct common, guard_stops), .def = "4",
	  .min = 0, .max = 1000, .help = "this many losses at the stop within guard_candles pause the strategy on this symbol; 0: never" },
	{ .name = "guard_candles", .type = CONF_INT, .offset = offsetof(struct common, guard_candles), .def = "24",
	  .min = 1, .max = 100000, .help = "the window of guard_stops" },
	{ .name = "warmup", .type = CONF_INT, .offset = offsetof(struct common, warmup), .def = "0",
	  .min = 0, .max = 1000000, .help = "candles to see before the first signal; 0: what its indicators need, at least 500" },
	{ .name = "max_age", .type = CONF_DURATION, .offset = offsetof(struct common, max_age_ms), .def = "0ms",
	  .min = 0, .max = 31536000000, .help = "a signal stored later than this after its candle's end (an outage) is expired and void at once; 0ms: one candle" },
	{ .name = NULL }
};
#define COMMON_KEYS	(sizeof(common_keys) / sizeof(common_keys[0]) - 1)

double
strategy_clamp(double value)
{
	return value < 0 ? 0 : value > 1 ? 1 : value;
}

static bool
name_ok(const char *name)
{
	size_t	 len = strlen(name);

	return len >= 1 && len <= 48 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static const struct strategy_type *
find_type(const char *name)
{
	for (size_t i = 0; i < TYPES; i++) {
		type_names[i] = types[i]->name;
		if (name != NULL && strcmp(types[i]->name, name) == 0)
			return types[i];
	}
	return NULL;
}

/* One table for one struct: read, printed and freed in one go. */
static struct conf_key *
join_keys(const struct strategy_type *type)
{
	size_t		 count = 0;
	struct conf_key	*keys;

	while (type->keys[count].name != NULL)
		count++;
	keys = xcalloc(COMMON_KEYS + count + 1, sizeof(*keys));
	memcpy(keys, common_keys, sizeof(common_keys));
	memcpy(keys + COMMON_KEYS, type->keys, (count + 1) * sizeof(*keys));
	for (size_t i = COMMON_KEYS; i < COMMON_KEYS + count; i++)
		keys[i].offset += sizeof(union values);
	return keys;
}

static const void *
params(const struct strategy *s)
{
	return s->values + 1;
}

static void
check_targets(struct strategy *s, struct conf *file, const struct conf_section *section)
{
	const struct conf_list	*list = &s->values->common.targets_r;
	double			 r;

	for (size_t i = 0; i < list->count && i < SIGNAL_TARGETS_MAX; i++) {
		r = strtod(list->items[i], NULL);
		if (i > 0 && r <= s->targets_r[i - 1])
			conf_error(file, section, "targets_r", "%s does not rise: each target lies beyond the one before", list->items[i]);
		s->targets_r[s->target_count++] = r;
	}
	if (list->count < 1 || list->count > SIGNAL_TARGETS_MAX)
		conf_error(file, section, "targets_r", "%zu targets: 1 to %d are allowed", list->count, SIGNAL_TARGETS_MAX);
}

/*
 * The effective parameters as text: `key = value` lines in the tables' order,
 * numbers in one form however they were written, without the symbols (part of a
 * signal's identity anyway), max_age (no part of the rules) and the help.
 */
static char *
canonical_params(const struct strategy *s)
{
	char	*printed = NULL, *text = NULL, *line, *rest;
	size_t	 size = 0;
	FILE	*out = open_memstream(&printed, &size), *lines;

	if (out == NULL || (lines = open_memstream(&text, &size)) == NULL)
		fatal("strategy", "cannot print the parameters");
	strategy_print(s, out);
	fclose(out);
	fprintf(lines, "version = %d\n", s->type->version);
	for (line = strtok_r(printed, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		if (*line != ';' && *line != '[' && strncmp(line, "symbols ", 8) != 0 && strncmp(line, "targets_r ", 10) != 0 &&
		    strncmp(line, "max_age ", 8) != 0)
			fprintf(lines, "%s\n", line);
	fprintf(lines, "targets_r =");
	for (int i = 0; i < s->target_count; i++)
		fprintf(lines, " %.15g", s->targets_r[i]);
	fprintf(lines, "\n");
	if (fclose(lines) == EOF)
		fatal("strategy", "cannot print the parameters");
	free(printed);
	return text;
}

static void
hash_params(struct strategy *s)
{
	unsigned char	 digest[EVP_MAX_MD_SIZE];
	char		*text = canonical_params(s);

	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
		fatalx("strategy", "no SHA-256");
	for (int i = 0; i < 8; i++)
		snprintf(s->params_hash + 2 * i, 3, "%02x", digest[i]);
	free(text);
}

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void
derive(struct strategy *s)
{
	const struct common	*c = &s->values->common;
	size_t			 needed = larger(s->type->warmup(params(s)), atr_warmup((size_t)c->atr_period));
	int64_t			 tf_us;

	s->timeframe = (enum timeframe)c->timeframe;
	tf_us = timeframe_us(s->timeframe);
	s->rules = (struct book_rules){
		.cooldown_us = c->cooldown_candles * tf_us, .guard_us = c->guard_candles * tf_us, .guard_stops = (int)c->guard_stops
	};
	s->warmup = c->warmup > 0 ? (size_t)c->warmup : larger(WARMUP_MIN, needed);
	s->memory = MEMORY_FACTOR * larger(s->warmup, needed);
	hash_params(s);
}

/* Complain of a section without a type that there is. */
static void
refuse(struct conf *file, const struct conf_section *section)
{
	struct common	 scratch = { 0 };

	conf_fill(file, section, common_keys, &scratch);
	conf_clear(common_keys, &scratch);
}

struct strategy *
strategy_new(struct conf *file, const struct conf_section *section)
{
	const char			*name = conf_label(section);
	const struct strategy_type	*type;
	struct strategy			*s;

	(void)find_type(NULL);		/* fills in all the names, for the errors */
	type = find_type(conf_text(section, "type"));
	if (name == NULL || !name_ok(name)) {
		conf_error(file, section, NULL, "[strategy%s%s]: a name is needed, 1 to 48 of a-z 0-9 _",
		    name == NULL ? "" : " ", name == NULL ? "" : name);
		name = "unnamed";	/* go on, to find the other errors */
	}
	if (type == NULL) {
		refuse(file, section);
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->name = xstrdup(name);
	s->type = type;
	s->keys = join_keys(type);
	s->values = xcalloc(1, sizeof(*s->values) + type->params_size);
	conf_fill(file, section, s->keys, s->values);
	if (s->values->common.symbols.count == 0)
		conf_error(file, section, "symbols", "names none: list symbols, or * for all");
	check_targets(s, file, section);
	type->check(file, section, params(s));
	derive(s);
	return s;
}

void
strategy_free(struct strategy *s)
{
	if (s == NULL)
		return;
	conf_clear(s->keys, s->values);
	free(s->values);
	free(s->keys);
	free(s->name);
	free(s);
}

void
strategy_print(const struct strategy *s, FILE *out)
{
	conf_print(out, "strategy", s->name, s->keys, s->values);
}

const char *
strategy_name(const struct strategy *s)
{
	return s->name;
}

enum timeframe
strategy_timeframe(const struct strategy *s)
{
	return s->timeframe;
}

bool
strategy_watches(const struct strategy *s, const char *symbol)
{
	const struct conf_list	*list = &s->values->common.symbols;

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], "*") == 0 || strcmp(list->items[i], symbol) == 0)
			return true;
	return false;
}

const struct book_rules *
strategy_rules(const struct strategy *s)
{
	return &s->rules;
}

const char *
strategy_params_hash(const struct strategy *s)
{
	return s->params_hash;
}

size_t
strategy_warmup(const struct strategy *s)
{
	return s->warmup;
}

size_t
strategy_memory(const struct strategy *s)
{
	return s->memory;
}

int64_t
strategy_max_age_us(const struct strategy *s)
{
	return s->values->common.max_age_ms > 0 ? s->values->common.max_age_ms * 1000 : timeframe_us(s->timeframe);
}

/* Judging */

struct strategy_state *
strategy_state_new(const struct strategy *s)
{
	struct strategy_state	*st = xcalloc(1, sizeof(*st) + s->type->state_size);

	st->strategy = s;
	atr_init(&st->atr, (size_t)s->values->common.atr_period);
	s->type->init(st->own, params(s));
	return st;
}

void
strategy_state_free(struct strategy_state *st)
{
	if (st == NULL)
		return;
	st->strategy->type->release(st->own);
	free(st);
}

size_t
strategy_state_bars(const struct strategy_state *st)
{
	return st->bars;
}

/* Entry, stop and targets; false when there are no sound ones. */
static bool
set_levels(const struct strategy *s, double atr, struct signal *out)
{
	double		 entry = decimal_double(out->entry), sign = out->side == SIDE_LONG ? 1 : -1;
	double		 level = entry - sign * s->values->common.stop_atr * atr, risk;
	struct decimal	 before = out->entry;

	if (!(level > 0))
		return false;
	out->initial_stop = decimal_level(level, out->entry);
	if (out->initial_stop.units <= 0 || decimal_compare(out->initial_stop, out->entry) != -(int)sign)
		return false;
	/* From the stop as it is on the grid: r_multiple at a target is then what was configured. */
	risk = fabs(entry - decimal_double(out->initial_stop));
	for (int i = 0; i < s->target_count; i++) {
		level = entry + sign * s->targets_r[i] * risk;
		if (!(level > 0))
			return false;
		out->targets[i] = decimal_level(level, out->entry);
		if (out->targets[i].units <= 0 || decimal_compare(out->targets[i], before) != (int)sign)
			return false;
		before = out->targets[i];
	}
	out->target_count = s->target_count;
	return true;
}

static void
describe(const struct strategy *s, const struct decision *d, const struct candle *c, struct signal *out)
{
	int64_t	 tf_us = timeframe_us(s->timeframe);

	out->timeframe = s->timeframe;
	snprintf(out->strategy, sizeof(out->strategy), "%s", s->name);
	out->strategy_version = s->type->version;
	memcpy(out->params_hash, s->params_hash, sizeof(out->params_hash));
	out->candle_open_us = c->open_us;
	out->candle_close_us = c->open_us + tf_us;
	out->expires_us = out->candle_close_us + s->values->common.expiry_candles * tf_us;
	/* Four digits: as many as survive the column's type unchanged. */
	out->confidence = round(strategy_clamp(d->confidence) * 1e4) / 1e4;
	out->status = STATUS_ACTIVE;
	out->stop_loss = out->initial_stop;
	out->last_price = out->max_favorable = out->max_adverse = out->entry;
}

bool
strategy_step(const struct strategy *s, struct strategy_state *st, const struct candle *c, struct signal *out)
{
	struct bar	 b = { decimal_double(c->high), decimal_double(c->low), decimal_double(c->close) };
	struct decision	 d;
	bool		 fires;

	atr_update(&st->atr, &b);
	d.atr = st->atr.ready ? st->atr.value : 0;
	fires = s->type->step(st->own, params(s), &b, &d);
	st->last = b;
	st->bars++;
	if (!fires || st->bars < s->warmup || !st->atr.ready)
		return false;
	*out = (struct signal){ .side = d.side, .entry = c->close };
	if (!set_levels(s, st->atr.value, out))
		return false;
	describe(s, &d, c, out);
	return true;
}

void
strategy_explain(const struct strategy *s, const struct strategy_state *st, struct signal *out)
{
	struct jsonw		 w;
	struct explanation	 e = { .indicators = &w };

	jsonw_init_fixed(&w, out->indicators, sizeof(out->indicators));
	jsonw_object(&w, NULL);
	s->type->explain(st->own, params(s), &st->last, out->side, &e);
	jsonw_double(&w, "atr", st->atr.value, INDICATOR_DIGITS);
	jsonw_end_object(&w);
	if (w.failed)
		fatalx("strategy", "the indicators of one signal exceed %d bytes strategy=%s", SIGNAL_INDICATORS_MAX, s->name);
	snprintf(out->reason, sizeof(out->reason), "%s", e.reason);
}
