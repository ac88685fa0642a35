#include "relay/webhooks.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/net.h"
#include "common/pg.h"
#include "relay/cursor.h"
#include "relay/listener.h"
#include "relay/reader.h"
#include "relay/webhook.h"
#include "relay/webhook_conf.h"

#define TICK_S		1
#define SURE_US		INT64_C(3000000)	/* without an answer; the server drops us after 4 s at the earliest, see etc/sql/0005 */
#define SAVE_MS		500
#define QUIET_US	INT64_C(10000000)	/* between two saves of places that only moved past what is not wanted */

#define CLAIM_SQL	"SELECT n FROM json_array_elements_text($1::json) AS n " \
			"WHERE pg_try_advisory_lock(hashtext('tocsin.webhook'), hashtext(n))"
#define FIRST_SQL	"INSERT INTO webhooks (name, seq) SELECT n, coalesce((SELECT max(seq) FROM signal_events), 0) " \
			"FROM json_array_elements_text($1::json) AS n ON CONFLICT DO NOTHING"
#define LOAD_SQL	"SELECT " EPOCH_SQL ", name, seq, (extract(epoch FROM failing_since) * 1000000)::bigint, parked_why, " \
			"(SELECT max(seq) FROM signal_events) " \
			"FROM webhooks WHERE name IN (SELECT json_array_elements_text($1::json))"
#define SAVE_SQL	"UPDATE webhooks w SET seq = v.seq, failing_since = to_timestamp(v.failing / 1000000.0), " \
			"parked_at = CASE WHEN v.why IS NOT NULL THEN clock_timestamp() END, parked_why = v.why, " \
			"updated_at = clock_timestamp() " \
			"FROM json_to_recordset($1::json) AS v(name text, seq bigint, failing bigint, why text) WHERE w.name = v.name"

/* A place on its way into the database. */
struct saving {
	struct webhook_record	 record;
	bool			 under_way;
};

/* Who trusts other certificates than the system's has a net of its own. */
struct trust {
	struct net		*net;
	const char		*ca_file;	/* NULL: the system's */
};

struct webhooks {
	struct webhook_context	 context;
	struct pg		*pg;
	struct trust		*trusts;
	size_t			 trust_count;
	struct webhook		**items;
	struct saving		*savings;
	size_t			 count;
	struct event		*tick, *wake, *save;
	bool			 asking, saving;	/* claims and loads, or places, are on their way */
	int64_t			 asked_us, sure_us;	/* monotonic: when was asked what is being, and what was answered last */
	int64_t			 quiet_us;
	bool			 was_sure, stopping;
	void			(*stopped)(void *arg);
	void			*stopped_arg;
};

/* Claiming and loading */

static size_t
put_names(const struct webhooks *set, struct jsonw *w, bool (*of)(const struct webhook *w))
{
	size_t	 count = 0;

	jsonw_init(w);
	jsonw_array(w, NULL);
	for (size_t i = 0; i < set->count; i++)
		if (of(set->items[i])) {
			jsonw_str(w, NULL, webhook_name(set->items[i]));
			count++;
		}
	jsonw_end_array(w);
	return count;
}

static bool
is_unclaimed(const struct webhook *w)
{
	return webhook_state(w) == WEBHOOK_STANDBY;
}

static bool
is_loading(const struct webhook *w)
{
	return webhook_state(w) == WEBHOOK_LOADING;
}

/* A parked one is asked about for ever: somebody may resume it, through another relay too. */
static bool
is_to_load(const struct webhook *w)
{
	return is_loading(w) || (webhook_state(w) == WEBHOOK_PARKED && webhook_is_saved(w));
}

static struct webhook *
find(const struct webhooks *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (name != NULL && strcmp(webhook_name(set->items[i]), name) == 0)
			return set->items[i];
	return NULL;
}

static void
log_failure(const struct pg_result *res, const char *what)
{
	if (!pg_ok(res) && !pg_lost(res) && !pg_skipped(res))
		log_warnx("webhook", "the query failed, again in a while what=%s sqlstate=%s why=\"%s\"", what, pg_sqlstate(res),
		    pg_error(res));
}

/* The sessions may reach another log one after the other, and this is about the one that is followed. */
static bool
is_followed(const struct webhooks *set, const struct pg_result *res, int row)
{
	const char	*epoch = listener_epoch(set->context.readers.listener), *newest = pg_text(res, row, 5);

	return epoch != NULL && pg_text(res, row, 0) != NULL && strcmp(pg_text(res, row, 0), epoch) == 0 &&
	    (newest == NULL || pg_int(res, row, 5) >= listener_cursor(set->context.readers.listener));
}

static void
load_cb(const struct pg_result *res, void *arg)
{
	struct webhooks		*set = arg;
	struct webhook_record	 record;
	struct webhook		*w;

	log_failure(res, "load");
	if (!pg_ok(res))
		return;
	for (int i = 0; i < pg_rows(res); i++) {
		if (!is_followed(set, res, i))
			return;
		record = (struct webhook_record){
			.seq = pg_int(res, i, 2), .wall_failing_us = pg_int(res, i, 3), .parked_why = pg_text(res, i, 4)
		};
		if ((w = find(set, pg_text(res, i, 1))) != NULL)
			webhook_load(w, &record);
	}
}

static void
begun_cb(const struct pg_result *res, void *arg)
{
	(void)arg;
	log_failure(res, "begin");
}

static void
send_load(struct webhooks *set)
{
	struct jsonw	 names;
	const char	*values[1];

	if (put_names(set, &names, is_loading) > 0) {
		values[0] = names.buf;
		(void)pg_query(set->pg, FIRST_SQL, 1, values, begun_cb, NULL);	/* the load tells its outcome */
	}
	jsonw_release(&names);
	if (put_names(set, &names, is_to_load) > 0) {
		values[0] = names.buf;
		(void)pg_query(set->pg, LOAD_SQL, 1, values, load_cb, set);	/* fails with the session only */
	}
	jsonw_release(&names);
}

static void
claim_cb(const struct pg_result *res, void *arg)
{
	struct webhooks	*set = arg;
	struct webhook	*w;

	set->asking = false;
	log_failure(res, "claim");
	if (!pg_ok(res))
		return;
	set->sure_us = set->asked_us;
	for (int i = 0; i < pg_rows(res); i++)
		if ((w = find(set, pg_text(res, i, 0))) != NULL && is_unclaimed(w)) {
			log_info("webhook", "sends from here on name=%s", webhook_name(w));
			webhook_hold(w);
		}
	send_load(set);
	if (!set->was_sure)
		webhooks_wake(set);
	set->was_sure = true;
}

static void
ask(struct webhooks *set)
{
	struct jsonw	 names;
	const char	*values[1];

	if (set->asking || set->stopping || !pg_is_up(set->pg))
		return;
	(void)put_names(set, &names, is_unclaimed);	/* none, too: it has to answer */
	values[0] = names.buf;
	set->asked_us = clock_mono_us();
	set->asking = pg_query(set->pg, CLAIM_SQL, 1, values, claim_cb, set) == 0;
	jsonw_release(&names);
}

static bool
may_send_cb(void *arg)
{
	struct webhooks	*set = arg;

	if (clock_mono_us() - set->sure_us < SURE_US)
		return true;
	if (set->was_sure)
		log_warnx("webhook", "the database does not answer: nothing is sent until it does");
	return set->was_sure = false;
}

/* Saving */

static void	 save(struct webhooks *set);

static bool
is_settled(const struct webhooks *set)
{
	struct webhook_record	 record;
	bool			 urgent;

	for (size_t i = 0; i < set->count; i++)
		if (webhook_is_sending(set->items[i]) || (pg_is_up(set->pg) && webhook_unsaved(set->items[i], &record, &urgent)))
			return false;
	return !set->saving;
}

static void
tell_stopped(struct webhooks *set)
{
	void	(*stopped)(void *arg) = set->stopped;

	if (stopped == NULL || !is_settled(set))
		return;
	set->stopped = NULL;
	stopped(set->stopped_arg);
}

static void
save_cb(const struct pg_result *res, void *arg)
{
	struct webhooks	*set = arg;

	set->saving = false;
	log_failure(res, "save");
	for (size_t i = 0; i < set->count; i++) {
		if (set->savings[i].under_way && pg_ok(res))
			webhook_saved(set->items[i], &set->savings[i].record);
		set->savings[i].under_way = false;
	}
	if (set->stopping && pg_ok(res))
		save(set);
	tell_stopped(set);
}

static void
put_place(struct jsonw *w, const char *name, const struct webhook_record *r)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "name", name);
	jsonw_int(w, "seq", r->seq);
	if (r->wall_failing_us != 0)
		jsonw_int(w, "failing", r->wall_failing_us);
	if (r->parked_why != NULL)
		jsonw_str(w, "why", r->parked_why);
	jsonw_end_object(w);
}

/* All that differs from what was saved; false when nothing does, or nothing that cannot wait. */
static bool
gather_places(struct webhooks *set, struct jsonw *w)
{
	bool	 any = false, urgent, hurry = set->stopping || clock_mono_us() - set->quiet_us > QUIET_US;

	jsonw_array(w, NULL);
	for (size_t i = 0; i < set->count; i++) {
		struct saving	*s = &set->savings[i];

		urgent = false;
		s->under_way = webhook_unsaved(set->items[i], &s->record, &urgent);
		hurry = hurry || urgent;
		any = any || s->under_way;
		if (s->under_way)
			put_place(w, webhook_name(set->items[i]), &s->record);
	}
	jsonw_end_array(w);
	return any && hurry;
}

static void
save(struct webhooks *set)
{
	struct jsonw	 places;
	const char	*values[1];

	if (set->saving || !pg_is_up(set->pg))
		return;
	jsonw_init(&places);
	if (gather_places(set, &places)) {
		set->quiet_us = clock_mono_us();
		values[0] = places.buf;
		set->saving = pg_query(set->pg, SAVE_SQL, 1, values, save_cb, set) == 0;
	}
	jsonw_release(&places);
}

static void
save_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	save(arg);
}

static void
changed_cb(void *arg)
{
	struct webhooks	*set = arg;
	struct timeval	 after = clock_timeval_ms(SAVE_MS);

	if (set->stopping) {
		save(set);
		tell_stopped(set);
	} else if (!event_pending(set->save, EV_TIMEOUT, NULL))
		event_add(set->save, &after);
}

/* The session */

static void
up_cb(void *arg)
{
	struct webhooks	*set = arg;

	/* Fails with the session only. */
	(void)pg_query(set->pg, "SET statement_timeout = '5s'", 0, NULL, NULL, NULL);
	ask(set);
}

static void
down_cb(void *arg)
{
	struct webhooks	*set = arg;

	set->asking = set->saving = false;
	for (size_t i = 0; i < set->count; i++)
		webhook_release(set->items[i]);
	tell_stopped(set);
}

/* Time */

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct webhooks	*set = arg;
	int64_t		 now_us = clock_mono_us();

	(void)fd, (void)what;
	ask(set);
	for (size_t i = 0; i < set->count; i++)
		webhook_tick(set->items[i], now_us);
	save(set);
}

static void
wake_cb(evutil_socket_t fd, short what, void *arg)
{
	struct webhooks	*set = arg;

	(void)fd, (void)what;
	for (size_t i = 0; i < set->count; i++)
		webhook_wake(set->items[i]);
}

/* What the relay calls */

void
webhooks_wake(struct webhooks *set)
{
	if (set != NULL)
		event_active(set->wake, EV_TIMEOUT, 0);
}

void
webhooks_begin(struct webhooks *set)
{
	for (size_t i = 0; set != NULL && i < set->count; i++)
		webhook_begin(set->items[i]);
}

void
webhooks_rebased(struct webhooks *set)
{
	for (size_t i = 0; set != NULL && i < set->count; i++)
		webhook_reload(set->items[i]);
}

bool
webhooks_stop(struct webhooks *set, void (*stopped)(void *arg), void *arg)
{
	if (set == NULL)
		return false;
	set->stopping = true;
	for (size_t i = 0; i < set->count; i++)
		webhook_stop(set->items[i]);
	save(set);
	if (is_settled(set))
		return false;
	set->stopped = stopped;
	set->stopped_arg = arg;
	return true;
}

static struct net *
find_net(struct webhooks *set, const char *ca_file)
{
	char		 why[NET_WHY_MAX];
	struct trust	*t;

	for (size_t i = 0; i < set->trust_count; i++) {
		t = &set->trusts[i];
		if (t->ca_file == ca_file || (t->ca_file != NULL && ca_file != NULL && strcmp(t->ca_file, ca_file) == 0))
			return t->net;
	}
	set->trusts = xrealloc(set->trusts, (set->trust_count + 1) * sizeof(*t));
	t = &set->trusts[set->trust_count++];
	t->ca_file = ca_file;
	if ((t->net = net_new(set->context.base, ca_file, why, sizeof(why))) == NULL)
		fatalx("webhook", "no TLS without certificates to trust ca_file=%s why=\"%s\"", ca_file == NULL ? "" : ca_file, why);
	return t->net;
}

static struct event *
add_event(struct webhooks *set, short what, event_callback_fn cb)
{
	struct event	*ev = event_new(set->context.base, -1, what, cb, set);

	if (ev == NULL)
		fatalx("webhook", "cannot make an event");
	return ev;
}

struct webhooks *
webhooks_new(struct event_base *base, const struct webhook_confs *confs, const char *conninfo, const struct reader_context *readers)
{
	const struct pg_handler	 handler = { .up = up_cb, .down = down_cb };
	const struct pg_params	 params = {
		.name = "webhooks", .conninfo = conninfo, .connect_timeout_ms = 10000, .answer_timeout_ms = 8000,
		.backoff_base_ms = 1000, .backoff_max_ms = 30000, .needs_session = true,	/* for its locks */
	};
	struct webhooks		*set;

	if (confs->count == 0)
		return NULL;
	set = xcalloc(1, sizeof(*set));
	set->context = (struct webhook_context){
		.base = base, .readers = *readers, .may_send = may_send_cb, .changed = changed_cb, .arg = set
	};
	set->pg = pg_new(base, &params, &handler, set);
	set->tick = add_event(set, EV_PERSIST, tick_cb);
	set->wake = add_event(set, 0, wake_cb);
	set->save = add_event(set, 0, save_timer_cb);
	set->items = xcalloc(confs->count, sizeof(struct webhook *));
	set->savings = xcalloc(confs->count, sizeof(*set->savings));
	for (; set->count < confs->count; set->count++)
		set->items[set->count] = webhook_new(&set->context, &confs->items[set->count],
		    find_net(set, confs->items[set->count].ca_file));
	return set;
}

void
webhooks_start(struct webhooks *set)
{
	struct timeval	 every = { .tv_sec = TICK_S };

	if (set == NULL)
		return;
	pg_start(set->pg);
	event_add(set->tick, &every);
}

void
webhooks_free(struct webhooks *set)
{
	if (set == NULL)
		return;
	pg_free(set->pg);
	for (size_t i = 0; i < set->count; i++)
		webhook_free(set->items[i]);
	event_free(set->tick);
	event_free(set->wake);
	event_free(set->save);
	for (size_t i = 0; i < set->trust_count; i++)
		net_free(set->trusts[i].net);
	free(set->trusts);
	free(set->items);
	free(set->savings);
	free(set);
}

size_t
webhooks_count(const struct webhooks *set)
{
	return set == NULL ? 0 : set->count;
}

const struct webhook *
webhooks_at(const struct webhooks *set, size_t i)
{
	return set->items[i];
}

const struct webhook *
webhooks_find(const struct webhooks *set, const char *name, size_t len)
{
	for (size_t i = 0; i < webhooks_count(set); i++)
		if (strlen(webhook_name(set->items[i])) == len && memcmp(webhook_name(set->items[i]), name, len) == 0)
			return set->items[i];
	return NULL;
}

struct pg *
webhooks_session(const struct webhooks *set)
{
	return set == NULL ? NULL : set->pg;
}

void
webhooks_status_json(const struct webhooks *set, struct jsonw *w, const char *key, long long newest)
{
	jsonw_array(w, key);
	for (size_t i = 0; i < webhooks_count(set); i++)
		webhook_status_json(set->items[i], w, newest);
	jsonw_end_array(w);
}

void
webhooks_heartbeat_json(const struct webhooks *set, struct jsonw *w, const char *key)
{
	int64_t	 counts[4] = { 0 }, failing = 0;

	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++) {
		counts[webhook_state(set->items[i])]++;
		failing += webhook_is_failing(set->items[i]) ? 1 : 0;
	}
	jsonw_object(w, key);
	jsonw_int(w, "running", counts[WEBHOOK_RUNNING]);
	jsonw_int(w, "failing", failing);
	jsonw_int(w, "parked", counts[WEBHOOK_PARKED]);
	jsonw_int(w, "standby", counts[WEBHOOK_STANDBY] + counts[WEBHOOK_LOADING]);
	jsonw_end_object(w);
}
