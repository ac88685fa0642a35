#include "common/pg_dial.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net.h"
#include "common/pg_hosts.h"
#include "common/pg_result.h"

/*
 * A peer that has gone without a word is noticed while we are silent by
 * keepalives: asked after 2 s, then each second, given up in the fifth; while
 * something of ours is unanswered, 4 s after it was sent first.  At worst that
 * is sent just before the keepalives would have told: 5 + 4 = 9 s.  (With
 * tcp_user_timeout Linux takes no heed of keepalives_count.)
 */
#define KEEPALIVES_IDLE_S	"2"
#define KEEPALIVES_INTERVAL_S	"1"
#define KEEPALIVES_COUNT	"3"
#define USER_TIMEOUT_MS		"4000"

struct pg_dial {
	struct event_base	*base;
	struct net		*net;		/* made for the first name */
	struct net_lookup	*lookup;
	struct net_addresses	 addresses;	/* of the host at hand, when it is a name */
	struct event		*io, *limit, *next;
	PGconn			*conn;		/* being connected */
	struct pg_hosts		 hosts;
	size_t			 host, address;
	bool			 is_running;
	char			*name, *application, *conninfo;
	unsigned		 limit_ms;
	char			 errors[PG_ERROR_MAX];	/* of this round, joined */
	pg_dial_cb		 cb;
	void			*arg;
};

static void	 io_cb(evutil_socket_t fd, short what, void *arg);

static void
put_errors(struct pg_dial *d, const char *text)
{
	size_t	 len = strlen(d->errors);

	snprintf(d->errors + len, sizeof(d->errors) - len, "%s%s", len > 0 ? "; " : "", text);
}

/* Libpq's notices (of triggers, say) would go to stderr unformatted. */
static void
notice_cb(void *arg, const char *message)
{
	char	 line[PG_ERROR_MAX];

	pg_copy_error(line, message);
	log_debug(arg, "notice text=\"%s\"", line);
}

static void
unwatch(struct pg_dial *d)
{
	if (d->io != NULL)
		event_free(d->io);
	d->io = NULL;
}

/* Anew each time: libpq may have gone on to another socket. */
static void
watch(struct pg_dial *d, short what)
{
	unwatch(d);
	if ((d->io = event_new(d->base, PQsocket(d->conn), (short)(what | EV_PERSIST), io_cb, d)) == NULL ||
	    event_add(d->io, NULL) == -1)
		fatalx(d->name, "cannot watch the socket");
}

static void
hang_up(struct pg_dial *d)
{
	unwatch(d);
	event_del(d->limit);
	net_lookup_cancel(d->lookup);
	d->lookup = NULL;
	PQfinish(d->conn);
	d->conn = NULL;
}

static void
arm_limit(struct pg_dial *d)
{
	struct timeval	 after = clock_timeval_ms(d->limit_ms);

	event_add(d->limit, &after);
}

/* This address is none; the next one's turn comes from the loop. */
static void
failed(struct pg_dial *d, const char *why)
{
	char	 line[PG_ERROR_MAX];

	pg_copy_error(line, why);
	put_errors(d, line);
	hang_up(d);
	if (d->address + 1 < d->addresses.count)
		d->address++;
	else {
		d->host++;
		d->addresses.count = d->address = 0;
	}
	event_active(d->next, EV_TIMEOUT, 0);
}

static void
failed_at(struct pg_dial *d, const char *what)
{
	const struct pg_host	*h = &d->hosts.items[d->host];
	char			 line[PG_ERROR_MAX];

	snprintf(line, sizeof(line), "%.100s%s%.50s%s: %s", pg_host_name(h), d->addresses.count > 0 ? " (" : "",
	    d->addresses.count > 0 ? d->addresses.text[d->address] : "", d->addresses.count > 0 ? ")" : "", what);
	failed(d, line);
}

static void
connected(struct pg_dial *d)
{
	PGconn	*conn = d->conn;

	d->conn = NULL;
	d->is_running = false;
	hang_up(d);
	d->cb(conn, NULL, d->arg);
}

static void
step(struct pg_dial *d)
{
	switch (PQconnectPoll(d->conn)) {
	case PGRES_POLLING_READING:
		watch(d, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		watch(d, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		connected(d);
		break;
	default:
		failed(d, PQerrorMessage(d->conn));
	}
}

static void
io_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	step(arg);
}

/* `address` NULL: as the host itself says. */
static void
dial(struct pg_dial *d, const char *address)
{
	const struct pg_host	*h = &d->hosts.items[d->host];
	/* Later words win: what the conninfo says goes over our defaults, and the host of this turn over its list. */
	const char		*keys[] = { "application_name", "client_encoding", "keepalives_idle", "keepalives_interval",
				    "keepalives_count", "tcp_user_timeout", "target_session_attrs", "dbname", "host", "hostaddr",
				    "port", NULL };
	const char		*values[] = { d->application, "UTF8", KEEPALIVES_IDLE_S, KEEPALIVES_INTERVAL_S, KEEPALIVES_COUNT,
				    USER_TIMEOUT_MS, "read-write", d->conninfo, h->host, address == NULL ? h->address : address,
				    h->port, NULL };

	if ((d->conn = PQconnectStartParams(keys, values, 1)) == NULL)
		fatalx(d->name, "out of memory");
	PQsetNoticeProcessor(d->conn, notice_cb, d->name);
	if (PQstatus(d->conn) == CONNECTION_BAD) {
		failed(d, PQerrorMessage(d->conn));
		return;
	}
	arm_limit(d);
	watch(d, EV_WRITE);
}

static void
lookup_cb(const struct net_addresses *addresses, const char *why, void *arg)
{
	struct pg_dial	*d = arg;

	d->lookup = NULL;
	event_del(d->limit);
	if (addresses == NULL) {
		failed_at(d, why);
		return;
	}
	d->addresses = *addresses;
	d->address = 0;
	dial(d, d->addresses.text[0]);
}

static void
look_up(struct pg_dial *d)
{
	char	 why[NET_WHY_MAX];

	if (d->net == NULL && (d->net = net_new(d->base, NULL, why, sizeof(why))) == NULL) {
		failed_at(d, why);
		return;
	}
	arm_limit(d);
	d->lookup = net_lookup(d->net, d->hosts.items[d->host].host, lookup_cb, d);
}

static void
next_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pg_dial	*d = arg;

	(void)fd, (void)what;
	if (!d->is_running)
		return;
	if (d->host == d->hosts.count) {
		d->is_running = false;
		d->cb(NULL, d->errors, d->arg);
	} else if (d->addresses.count > 0)
		dial(d, d->addresses.text[d->address]);
	else if (d->hosts.items[d->host].is_name)
		look_up(d);
	else
		dial(d, NULL);
}

static void
limit_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pg_dial	*d = arg;
	char		 text[64];

	(void)fd, (void)what;
	snprintf(text, sizeof(text), "no answer within %u ms", d->limit_ms);
	failed_at(d, d->lookup != NULL ? "the name servers do not answer" : text);
}

struct pg_dial *
pg_dial_new(struct event_base *base, const char *name, const char *conninfo, unsigned limit_ms, pg_dial_cb cb, void *arg)
{
	struct pg_dial	*d = xcalloc(1, sizeof(*d));

	d->base = base;
	d->name = xstrdup(name);
	d->conninfo = xstrdup(conninfo);
	if (asprintf(&d->application, "tocsin-%s", name) == -1)
		fatalx(name, "out of memory");
	pg_hosts_read(&d->hosts, conninfo);
	d->limit_ms = d->hosts.connect_timeout_ms > 0 ? d->hosts.connect_timeout_ms : limit_ms;
	d->cb = cb;
	d->arg = arg;
	d->limit = event_new(base, -1, 0, limit_cb, d);
	d->next = event_new(base, -1, 0, next_cb, d);
	if (d->limit == NULL || d->next == NULL)
		fatalx(name, "out of memory");
	return d;
}

void
pg_dial_free(struct pg_dial *d)
{
	if (d == NULL)
		return;
	pg_dial_stop(d);
	event_free(d->limit);
	event_free(d->next);
	net_free(d->net);
	pg_hosts_release(&d->hosts);
	free(d->name);
	free(d->application);
	free(d->conninfo);
	free(d);
}

void
pg_dial_start(struct pg_dial *d)
{
	pg_dial_stop(d);
	d->is_running = true;
	d->host = d->address = d->addresses.count = 0;
	d->errors[0] = '\0';
	event_active(d->next, EV_TIMEOUT, 0);
}

void
pg_dial_stop(struct pg_dial *d)
{
	d->is_running = false;
	event_del(d->next);
	hang_up(d);
}
