#include "common/net.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/log.h"

#define END_TURNS	3	/* the two of closer_cb(), and what they leave */

/* What tells one state of a file from another; all zero: not there. */
struct file_mark {
	struct timespec	 changed;
	ino_t		 inode;
	off_t		 size;
};

/* Name servers and hosts as their files were once.  Outlives its net when it is being asked something. */
struct names {
	struct evdns_base	*dns;
	bool			 was_asked;	/* a name server; its answers may be on their way through the loop */
	struct event		*closer;	/* when it is retired */
	bool			 has_turned;
};

struct net {
	struct event_base	*base;
	SSL_CTX			*tls;
	struct names		*names;		/* NULL: to be made at the next lookup */
	const char		*resolv_conf, *hosts;
	struct file_mark	 resolv_mark, hosts_mark;
};

struct net_lookup {
	struct event		*deliver;
	net_lookup_cb		 cb;
	void			*arg;
	bool			 answered, cancelled;
	struct net_addresses	 addresses;
	char			 why[NET_WHY_MAX];
};

/* What OpenSSL says began it; its queue of errors is empty then. */
static const char *
tls_error(void)
{
	unsigned long	 code = ERR_get_error();
	const char	*text;

	text = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
	ERR_clear_error();
	return text == NULL ? "unknown error" : text;
}

/* What evdns and TLS's bufferevents have to say, in our log's form. */
static void
libevent_log_cb(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		log_warnx("libevent", "%s", text);
	else
		log_debug("libevent", "%s", text);
}

/* Its failures are told by those who asked; it warns of every nameserver that does not answer, each time. */
static void
evdns_log_cb(int is_warning, const char *text)
{
	(void)is_warning;
	log_debug("dns", "%s", text);
}

static void
close_names(struct names *n)
{
	evdns_base_free(n->dns, 1);
	if (n->closer != NULL)
		event_free(n->closer);
	free(n);
}

/* What was scheduled when they were retired has run at the first call; what that has scheduled, at the second. */
static void
closer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct names	*n = arg;

	(void)fd, (void)what;
	if (n->has_turned) {
		close_names(n);
		return;
	}
	n->has_turned = true;
	event_active(n->closer, EV_TIMEOUT, 0);
}

/*
 * Let go of the name servers.  Who has asked them meanwhile gets a failure.
 * Answers that evdns has taken but not told yet would still use its base: they
 * are let through first, while nothing new can come.
 */
static void
retire_names(struct net *net)
{
	struct names	*n = net->names;

	net->names = NULL;
	if (n == NULL)
		return;
	if (!n->was_asked) {
		close_names(n);
		return;
	}
	(void)evdns_base_clear_nameservers_and_suspend(n->dns);
	if ((n->closer = evtimer_new(net->base, closer_cb, n)) == NULL)
		fatalx("net", "no memory");
	event_active(n->closer, EV_TIMEOUT, 0);
}

struct net *
net_new(struct event_base *base, const char *ca_file, char *why, size_t why_size)
{
	struct net	*net = xcalloc(1, sizeof(*net));

	event_set_log_callback(libevent_log_cb);
	evdns_set_log_fn(evdns_log_cb);
	net->base = base;
	net->resolv_conf = "/etc/resolv.conf";
	net->hosts = "/etc/hosts";
	if ((net->tls = SSL_CTX_new(TLS_client_method())) == NULL ||
	    SSL_CTX_set_min_proto_version(net->tls, TLS1_2_VERSION) != 1)
		fatalx("net", "openssl cannot be used error=\"%s\"", tls_error());
	SSL_CTX_set_verify(net->tls, SSL_VERIFY_PEER, NULL);
	if (ca_file != NULL && SSL_CTX_load_verify_file(net->tls, ca_file) != 1) {
		snprintf(why, why_size, "%.120s holds no certificates (PEM) that can be read: %s", ca_file, tls_error());
		net_free(net);
		return NULL;
	}
	if (ca_file == NULL && SSL_CTX_set_default_verify_paths(net->tls) != 1) {
		snprintf(why, why_size, "the system's certificates cannot be read: %s", tls_error());
		net_free(net);
		return NULL;
	}
	return net;
}

void
net_free(struct net *net)
{
	if (net == NULL)
		return;
	retire_names(net);
	SSL_CTX_free(net->tls);
	free(net);
}

void
net_end(struct event_base *base)
{
	for (int i = 0; i < END_TURNS; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

bool
net_ca_file_ok(const char *path, char *why, size_t why_size)
{
	X509_STORE	*store = X509_STORE_new();
	bool		 ok = store != NULL && X509_STORE_load_file(store, path) == 1;

	if (!ok)
		snprintf(why, why_size, "a file of certificates (PEM): this cannot be read: %s", tls_error());
	X509_STORE_free(store);
	return ok;
}

struct event_base *
net_base(const struct net *net)
{
	return net->base;
}

void
net_set_files(struct net *net, const char *resolv_conf, const char *hosts)
{
	if (resolv_conf != NULL)
		net->resolv_conf = resolv_conf;
	if (hosts != NULL)
		net->hosts = hosts;
}

void
net_random(void *bytes, size_t len)
{
	if (RAND_bytes(bytes, (int)len) != 1)
		fatalx("net", "openssl has no random bytes error=\"%s\"", tls_error());
}

/* Names */

static struct file_mark
file_mark(const char *path)
{
	struct file_mark	 mark = { .size = 0 };
	struct stat		 st;

	if (stat(path, &st) == 0) {
		mark.changed = st.st_mtim;
		mark.inode = st.st_ino;
		mark.size = st.st_size;
	}
	return mark;
}

static bool
same_mark(const struct file_mark *a, const struct file_mark *b)
{
	return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
	    a->inode == b->inode && a->size == b->size;
}

static struct names *
read_names(struct net *net)
{
	struct names	*n = xcalloc(1, sizeof(*n));

	if ((n->dns = evdns_base_new(net->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE)) == NULL)
		fatalx("net", "evdns cannot be used");
	/* Without the file there is no name server, and not one supposed on 127.0.0.1; addresses and hosts still work. */
	(void)evdns_base_resolv_conf_parse(n->dns,
	    DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC | DNS_OPTION_NAMESERVERS_NO_DEFAULT, net->resolv_conf);
	/* Without this one libevent knows localhost by itself. */
	(void)evdns_base_load_hosts(n->dns, net->hosts);
	/* How long, in seconds, the answer for one kind of address waits for that for the other. */
	(void)evdns_base_set_option(n->dns, "getaddrinfo-allow-skew:", "1");
	return n;
}

static void
refresh_names(struct net *net)
{
	struct file_mark	 resolv = file_mark(net->resolv_conf), hosts = file_mark(net->hosts);

	if (net->names != NULL && same_mark(&resolv, &net->resolv_mark) && same_mark(&hosts, &net->hosts_mark))
		return;
	retire_names(net);
	net->resolv_mark = resolv;
	net->hosts_mark = hosts;
	net->names = read_names(net);
}

static void
lookup_free(struct net_lookup *l)
{
	event_free(l->deliver);
	free(l);
}

static void
deliver_cb(evutil_socket_t fd, short what, void *arg)
{
	struct net_lookup	*l = arg;

	(void)fd, (void)what;
	l->cb(l->addresses.count > 0 ? &l->addresses : NULL, l->why, l->arg);
	lookup_free(l);
}

static const char *
dns_error(int result)
{
	switch (result) {
	case 0:
	case EVUTIL_EAI_NODATA:
		return "the name has no address";
	case EVUTIL_EAI_NONAME:
		return "no such name";
	case EVUTIL_EAI_FAIL:
		return "the name servers failed or do not answer";
	default:
		return evutil_gai_strerror(result);
	}
}

static void
take_addresses(struct net_addresses *out, const struct evutil_addrinfo *ai)
{
	for (; ai != NULL && out->count < NET_ADDRESSES_MAX; ai = ai->ai_next)
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, out->text[out->count], NET_ADDRESS_MAX, NULL, 0,
		    NI_NUMERICHOST) == 0)
			out->count++;
}

/* Comes at once, for an address or a name in hosts, or later. */
static void
resolved_cb(int result, struct evutil_addrinfo *list, void *arg)
{
	struct net_lookup	*l = arg;

	l->answered = true;
	if (result == 0)
		take_addresses(&l->addresses, list);
	if (list != NULL)
		evutil_freeaddrinfo(list);
	if (l->cancelled) {
		lookup_free(l);
		return;
	}
	if (l->addresses.count == 0 && *l->why == '\0')
		snprintf(l->why, sizeof(l->why), "dns: %s", dns_error(result));
	event_active(l->deliver, EV_TIMEOUT, 0);
}

struct net_lookup *
net_lookup(struct net *net, const char *host, net_lookup_cb cb, void *arg)
{
	struct net_lookup	*l = xcalloc(1, sizeof(*l));
	/* Both families, whatever the machine has today: an address that cannot be reached is told at once, and the next tried. */
	struct evutil_addrinfo	 hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };

	refresh_names(net);
	l->cb = cb;
	l->arg = arg;
	if ((l->deliver = evtimer_new(net->base, deliver_cb, l)) == NULL)
		fatalx("net", "no memory");
	if (evdns_getaddrinfo(net->names->dns, host, NULL, &hints, resolved_cb, l) != NULL)
		net->names->was_asked = true;
	if (!l->answered && evdns_base_count_nameservers(net->names->dns) == 0) {
		/* It would wait for one for ever. */
		snprintf(l->why, sizeof(l->why), "dns: no name server in %.100s", net->resolv_conf);
		retire_names(net);
	}
	return l;
}

void
net_lookup_cancel(struct net_lookup *l)
{
	if (l == NULL)
		return;
	/*
	 * Not evdns_getaddrinfo_cancel(): what it puts off uses the evdns_base,
	 * which may be gone by then.  evdns answers sooner or later.
	 */
	if (l->answered)
		lookup_free(l);
	else
		l->cancelled = true;
}

/* TLS */

struct bufferevent *
net_tls_new(struct net *net, const struct net_url *url)
{
	SSL			*ssl = SSL_new(net->tls);
	struct bufferevent	*bev;
	int			 ok;

	if (ssl == NULL)
		fatalx("net", "openssl cannot be used error=\"%s\"", tls_error());
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (url->is_address)
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url->host);
	else
		ok = SSL_set1_host(ssl, url->host) == 1 && SSL_set_tlsext_host_name(ssl, url->host) == 1;
	if (ok != 1)
		fatalx("net", "openssl does not take the host host=%s error=\"%s\"", url->host, tls_error());
	bev = bufferevent_openssl_socket_new(net->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev == NULL)
		fatalx("net", "no memory");
	return bev;
}

struct bufferevent *
net_plain_new(struct net *net)
{
	struct bufferevent	*bev;

	if ((bev = bufferevent_socket_new(net->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)) == NULL)
		fatalx("net", "no memory");
	return bev;
}

void
net_tls_free(struct bufferevent *bev)
{
	SSL	*ssl;

	if (bev == NULL)
		return;
	ssl = bufferevent_openssl_get_ssl(bev);
	/* After a failure OpenSSL must not be asked for a goodbye, and says so by itself. */
	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
	bufferevent_free(bev);
}

void
net_tls_connect(struct bufferevent *bev, const char *address, uint16_t port)
{
	/* It is an address, so there is nothing to be asked for; every failure comes to the event callback. */
	(void)bufferevent_socket_connect_hostname(bev, NULL, AF_UNSPEC, address, port);
}

void
net_tls_connected(struct bufferevent *bev)
{
	int	 on = 1;

	/* Without it all is well but later. */
	(void)setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Without TLS there is only what the kernel says. */
static char *
plain_why(short what, int err, char why[NET_WHY_MAX])
{
	if ((what & BEV_EVENT_EOF) != 0 || err == ECONNRESET || err == EPIPE)
		snprintf(why, NET_WHY_MAX, "connection closed by the other side");
	else if ((what & BEV_EVENT_TIMEOUT) != 0)
		snprintf(why, NET_WHY_MAX, "timeout");
	else
		snprintf(why, NET_WHY_MAX, "connect: %s", err == 0 ? "failed" : strerror(err));
	errno = err;
	return why;
}

static void
say_errno(int err, bool established, char why[NET_WHY_MAX])
{
	if (err == ECONNRESET || err == EPIPE)
		snprintf(why, NET_WHY_MAX, "connection reset by the other side%s", established ? "" : " before TLS was set up");
	else
		snprintf(why, NET_WHY_MAX, "%s: %s", established ? "connection" : "connect", err == 0 ? "failed" : strerror(err));
}

char *
net_why(struct bufferevent *bev, short what, char why[NET_WHY_MAX])
{
	int		 err = EVUTIL_SOCKET_ERROR();
	SSL		*ssl = bufferevent_openssl_get_ssl(bev);
	bool		 established;
	long		 verdict;
	unsigned long	 code;
	const char	*text;

	if (ssl == NULL)
		return plain_why(what, err, why);
	established = SSL_is_init_finished(ssl);
	verdict = SSL_get_verify_result(ssl);
	/* The first ones told are libevent's own: SSL_ERROR_SYSCALL and the like, without a library. */
	while ((code = bufferevent_get_openssl_error(bev)) != 0 && (ERR_SYSTEM_ERROR(code) || ERR_GET_LIB(code) == 0))
		;
	text = code == 0 ? NULL : ERR_reason_error_string(code);
	if (verdict != X509_V_OK)
		snprintf(why, NET_WHY_MAX, "TLS: %s%s", X509_verify_cert_error_string(verdict),
		    verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ?
		    " (a certificate authority that is not known here: see ca_file, or install ca-certificates)" : "");
	else if ((what & BEV_EVENT_EOF) != 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		snprintf(why, NET_WHY_MAX, "connection closed by the other side%s", established ? "" : " before TLS was set up");
	else if (code != 0)
		snprintf(why, NET_WHY_MAX, "TLS: %s", text == NULL ? "unknown error" : text);
	else if ((what & BEV_EVENT_TIMEOUT) != 0)
		snprintf(why, NET_WHY_MAX, "timeout");
	else
		say_errno(err, established, why);
	errno = err;
	return why;
}
