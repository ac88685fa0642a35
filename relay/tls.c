#include "relay/tls.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/log.h"

/* For TLS 1.2: forward secrecy and authenticated encryption only (1.3 knows no other). */
#define CIPHERS	"ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls {
	SSL_CTX	*ctx;
	char	*cert, *key;
};

/* What OpenSSL says began it; its queue of errors is empty then. */
static const char *
first_error(void)
{
	static char	 text[256];
	unsigned long	 code = ERR_get_error();

	if (code == 0)
		return "unknown";
	ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return text;
}

/* Nobody is there to type a passphrase. */
static int
no_passphrase_cb(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static SSL_CTX *
read_files(const char *cert, const char *key)
{
	SSL_CTX	*ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1)
		fatalx("tls", "openssl cannot be used error=\"%s\"", first_error());
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* A connection that waits keeps no buffers; one that writes may come back with its bytes elsewhere in memory. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase_cb);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		log_errorx("tls", "tls_cert holds no certificate (PEM) that can be read path=%s error=\"%s\"", cert, first_error());
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		log_errorx("tls", "tls_key holds no key (PEM, without a passphrase) that can be read, or another certificate's path=%s error=\"%s\"",
		    key, first_error());
	else if (SSL_CTX_check_private_key(ctx) != 1)
		log_errorx("tls", "tls_key is not the key of tls_cert path=%s error=\"%s\"", key, first_error());
	else
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

struct tls *
tls_new(const char *cert, const char *key)
{
	SSL_CTX		*ctx = read_files(cert, key);
	struct tls	*t;

	if (ctx == NULL)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->ctx = ctx;
	t->cert = xstrdup(cert);
	t->key = xstrdup(key);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t->cert);
	free(t->key);
	free(t);
}

bool
tls_reload(struct tls *t)
{
	SSL_CTX	*ctx = read_files(t->cert, t->key);

	if (ctx == NULL) {
		log_warnx("tls", "the certificate known before stays");
		return false;
	}
	SSL_CTX_free(t->ctx);	/* each connection holds a reference to its own */
	t->ctx = ctx;
	log_info("tls", "certificate read path=%s", t->cert);
	return true;
}

struct bufferevent *
tls_accept(struct tls *t, struct event_base *base, int fd)
{
	SSL			*ssl = SSL_new(t->ctx);
	struct bufferevent	*bev;

	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	/* Whoever hangs up without TLS's goodbye has hung up, too: a request's end is told by HTTP. */
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

void
tls_finish(struct bufferevent *bev)
{
	SSL	*ssl = bufferevent_openssl_get_ssl(bev);

	ERR_clear_error();
	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
}
