#include "relay/inherit.h"

#include <errno.h>
#include <event2/util.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/suite.h"

#define FIRST_FD	3
#define FDS_MAX		64
#define BACKLOG		4096

int
inherit_is_loopback(const struct sockaddr *sa)
{
	struct in_addr	 v4;
	struct in6_addr	 v6;

	if (sa->sa_family == AF_UNIX)
		return 1;
	if (sa->sa_family == AF_INET) {
		v4 = ((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		return ntohl(v4.s_addr) >> 24 == 127;
	}
	if (sa->sa_family != AF_INET6)
		return 0;
	v6 = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

static void
describe(const struct sockaddr *sa, socklen_t len, char *buf, size_t size)
{
	char	 host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(buf, size, "?");
	else
		snprintf(buf, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static int
check_address(const struct sockaddr *sa, socklen_t len, bool guarded)
{
	char	 text[NI_MAXHOST + NI_MAXSERV + 4];

	describe(sa, len, text, sizeof(text));
	if (guarded || inherit_is_loopback(sa)) {
		log_info("http", "listening address=%s", text);
		return EXIT_DONE;
	}
	log_errorx("http", "%s is not a loopback address, and nobody would be asked for a token: add a [token NAME] "
	    "(tocsin-relay token NAME makes one) or jwt_secret_file, or listen on 127.0.0.1 or [::1]", text);
	return EXIT_USAGE;
}

static int
check_inherited(int fd, bool guarded)
{
	struct sockaddr_storage	 sa = { 0 };
	socklen_t		 len = sizeof(sa), size = sizeof(int);
	int			 listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == -1 || !listens ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) == -1) {
		log_errorx("http", "LISTEN_FDS names a descriptor that is no listening socket fd=%d", fd);
		return EXIT_USAGE;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || fd_nonblock(fd) == -1) {
		log_error("http", "inherited socket fd=%d", fd);
		return EXIT_TEMPORARY;
	}
	return check_address((struct sockaddr *)&sa, len, guarded);
}

/* The number of sockets that were meant for this very process; 0: none. */
static size_t
inherited_count(void)
{
	const char	*count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	long		 n = 0;

	if (count != NULL && pid != NULL && strtol(pid, NULL, 10) == (long)getpid())
		n = strtol(count, NULL, 10);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return n < 0 ? 0 : n > FDS_MAX ? FDS_MAX : (size_t)n;
}

/* An address alone is read as port 0, which would be any. */
static bool
has_port(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET ? ((const struct sockaddr_in *)(const void *)sa)->sin_port != 0 :
	    ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port != 0;
}

static int
open_socket(const char *word, bool guarded, int *fd)
{
	struct sockaddr_storage	 sa = { 0 };
	int			 len = sizeof(sa), one = 1, code;
	const char		*address = word + strcspn(word, "=") + 1;

	if (strncmp(word, "listen=", 7) != 0 || evutil_parse_sockaddr_port(address, (struct sockaddr *)&sa, &len) == -1 ||
	    !has_port((struct sockaddr *)&sa)) {
		log_errorx("http", "not understood word=\"%s\": say listen=127.0.0.1:8787 or listen=[::1]:8787", word);
		return EXIT_USAGE;
	}
	if ((code = check_address((struct sockaddr *)&sa, (socklen_t)len, guarded)) != EXIT_DONE)
		return code;
	if ((*fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) == -1 ||
	    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
	    bind(*fd, (struct sockaddr *)&sa, (socklen_t)len) == -1 || listen(*fd, BACKLOG) == -1) {
		log_error("http", "cannot listen address=%s", address);
		return EXIT_TEMPORARY;
	}
	return EXIT_DONE;
}

int
inherit_sockets(char *const *words, bool guarded, int **fds, size_t *count)
{
	size_t	 inherited = inherited_count(), opened = 0;
	int	 code = EXIT_DONE;

	*count = 0;
	for (opened = 0; inherited == 0 && words[opened] != NULL; opened++)
		;
	*fds = xcalloc(inherited + opened + 1, sizeof(int));
	for (size_t i = 0; code == EXIT_DONE && i < inherited; i++) {
		(*fds)[(*count)++] = FIRST_FD + (int)i;
		code = check_inherited(FIRST_FD + (int)i, guarded);
	}
	for (size_t i = 0; code == EXIT_DONE && i < opened; i++) {
		(*fds)[*count] = -1;
		code = open_socket(words[i], guarded, &(*fds)[(*count)++]);
	}
	if (code == EXIT_DONE && *count == 0) {
		log_errorx("http", "no sockets to listen on: start it from the watchdog, or add listen=127.0.0.1:8787");
		code = EXIT_USAGE;
	}
	if (code == EXIT_DONE)
		return code;
	while (*count > 0)
		fd_close(&(*fds)[--*count]);
	free(*fds);
	*fds = NULL;
	return code;
}

bool
inherit_all_loopback(const int *fds, size_t count)
{
	struct sockaddr_storage	 sa;
	socklen_t		 len;

	for (size_t i = 0; i < count; i++) {
		sa.ss_family = AF_UNSPEC;
		len = sizeof(sa);
		if (getsockname(fds[i], (struct sockaddr *)&sa, &len) == -1 || !inherit_is_loopback((struct sockaddr *)&sa))
			return false;
	}
	return true;
}
