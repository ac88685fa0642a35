/* tls_peer: for tests of clients: an authority of certificates, made anew each time, and a listening TLS socket. */
#ifndef TOCSIN_TESTS_TLS_PEER_H
#define TOCSIN_TESTS_TLS_PEER_H
#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct authority {
	EVP_PKEY	*key;
	X509		*cert;
	char		 path[64];	/* its certificate, PEM */
};

static inline void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX	 ctx;
	X509_EXTENSION	*extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* A certificate for `names` ("DNS:a,IP:b"; NULL: an authority), valid until `expires_s` from now; signed by `by`, or by itself. */
static inline X509 *
make_certificate(EVP_PKEY *key, const char *common_name, const char *names, long expires_s, const struct authority *by)
{
	static long	 serial = 1;
	X509		*cert = X509_new(), *issuer = by == NULL ? cert : by->cert;
	X509_NAME	*name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), time(NULL) * 1000 + serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), -172800);
	X509_gmtime_adj(X509_getm_notAfter(cert), expires_s);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	add_extension(cert, issuer, NID_basic_constraints, names == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (names != NULL)
		add_extension(cert, issuer, NID_subject_alt_name, names);
	assert_int_not_equal(X509_sign(cert, by == NULL ? key : by->key, EVP_sha256()), 0);
	return cert;
}

static inline void
authority_init(struct authority *a, const char *name)
{
	FILE	*file;
	int	 fd;

	a->key = EVP_EC_gen("P-256");
	a->cert = make_certificate(a->key, name, NULL, 86400, NULL);
	strcpy(a->path, "/tmp/tocsin-ca-XXXXXX");
	assert_true((fd = mkstemp(a->path)) >= 0);
	file = fdopen(fd, "w");
	PEM_write_X509(file, a->cert);
	fclose(file);
}

static inline void
authority_release(struct authority *a)
{
	unlink(a->path);
	X509_free(a->cert);
	EVP_PKEY_free(a->key);
}

/* What a server with a certificate for `names` needs. */
static inline SSL_CTX *
server_context(const struct authority *a, const char *names, long expires_s)
{
	SSL_CTX		*ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY	*key = EVP_EC_gen("P-256");
	X509		*cert = make_certificate(key, "server", names, expires_s, a);

	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

/* A listening socket on 127.0.0.1; its port. */
static inline struct evconnlistener *
listen_on_loopback(struct event_base *base, evconnlistener_cb cb, void *arg, unsigned *port)
{
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(address);
	struct evconnlistener	*listener = evconnlistener_new_bind(base, cb, arg, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
				    16, (struct sockaddr *)&address, sizeof(address));

	assert_non_null(listener);
	assert_int_equal(getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return listener;
}

/* A listening socket on this address and port that nobody accepts from; its descriptor. */
static inline int
listen_and_ignore(const char *address, unsigned port)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int			 fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, address, &sin.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* A resolv.conf (its path into `path`) that names a server which never answers: its socket. */
static inline int
name_mute_server(char path[64])
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(sin);
	int			 fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	FILE			*file;

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	strcpy(path, "/tmp/tocsin-resolv-XXXXXX");
	file = fdopen(mkstemp(path), "w");
	assert_non_null(file);
	fprintf(file, "nameserver 127.0.0.1:%u\n", ntohs(sin.sin_port));
	fclose(file);
	return fd;
}

static inline void
deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	*(bool *)arg = true;
}

/* Turn the loop until `*done`, at most 20 s.  False when the time is over. */
static inline bool
turn_until(struct event_base *base, const bool *done)
{
	struct timeval	 limit = { .tv_sec = 20 };
	bool		 late = false;
	struct event	*timer = evtimer_new(base, deadline_cb, &late);

	event_add(timer, &limit);
	while (!*done && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	return *done;
}

/* Turn it for `ms`: to see that something does not come. */
static inline void
turn_for(struct event_base *base, unsigned ms)
{
	struct timeval	 limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	bool		 late = false;
	struct event	*timer = evtimer_new(base, deadline_cb, &late);

	event_add(timer, &limit);
	while (!late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
}
#endif
