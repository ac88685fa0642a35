#include "tests/bench/crowd/hooks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/superv/proc.h"

#define REQUEST_MAX	65536
#define EVENTS_MAX	256

struct hooks {
	int		 listener, ep;
	size_t		 count;
	hooks_fn	 take;
	void		*arg;
	uint64_t	 connects;
};

struct caller {
	int	 fd;
	size_t	 len;
	char	 request[REQUEST_MAX];
};

static void
watch(struct hooks *h, int fd, void *ptr)
{
	if (epoll_ctl(h->ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = ptr }) == -1)
		proc_die("epoll", strerror(errno));
}

struct hooks *
hooks_new(int port, size_t count, hooks_fn take, void *arg)
{
	struct hooks		*h = calloc(1, sizeof(*h));
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int			 one = 1;

	if (h == NULL)
		proc_die("memory", strerror(errno));
	*h = (struct hooks){ .count = count, .take = take, .arg = arg };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	h->ep = epoll_create1(EPOLL_CLOEXEC);
	h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(h->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(h->listener, (struct sockaddr *)&address, sizeof(address)) == -1 || listen(h->listener, 1024) == -1)
		proc_die("receivers", strerror(errno));
	watch(h, h->listener, NULL);
	return h;
}

void
hooks_free(struct hooks *h)
{
	close(h->listener);
	close(h->ep);
	free(h);
}

int
hooks_fd(const struct hooks *h)
{
	return h->ep;
}

uint64_t
hooks_connects(const struct hooks *h)
{
	return h->connects;
}

static void
welcome(struct hooks *h)
{
	struct caller	*c;
	int		 fd, one = 1;

	while ((fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) != -1) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if ((c = malloc(sizeof(*c))) == NULL)
			proc_die("memory", strerror(errno));
		c->fd = fd;
		c->len = 0;
		watch(h, fd, c);
		h->connects++;
	}
}

/* The value of a header up to the end of its line; `head` is terminated. */
static const char *
header(const char *head, const char *name)
{
	const char	*p = strcasestr(head, name);

	if (p == NULL)
		proc_die("a request without", name);
	p += strlen(name);
	return p + strspn(p, " ");
}

/* The request at the front, if it is whole: its length, else 0. */
static size_t
take_request(struct hooks *h, struct caller *c)
{
	static const char	 answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	char			*body = memmem(c->request, c->len, "\r\n\r\n", 4), *path;
	size_t			 length, index;

	if (body == NULL)
		return 0;
	body[2] = '\0';
	if (strncmp(c->request, "POST ", 5) != 0 || (path = strchr(c->request, '/')) == NULL)
		proc_die("no POST", c->request);
	length = strtoul(header(c->request, "\ncontent-length:"), NULL, 10);
	body[2] = '\r';
	body += 4;
	if (c->len < (size_t)(body - c->request) + length)
		return 0;
	if ((index = strtoul(path + 1, NULL, 10)) >= h->count)
		proc_die("no such receiver", path);
	h->take(index, body, length, proc_now_ns(), h->arg);
	if (send(c->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) == -1)
		c->len = 0;		/* it is gone; reading says so too */
	return (size_t)(body - c->request) + length;
}

static void
serve(struct hooks *h, struct caller *c)
{
	ssize_t	 n = read(c->fd, c->request + c->len, sizeof(c->request) - 1 - c->len);
	size_t	 taken;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close(c->fd);
		free(c);
		return;
	}
	c->len += (size_t)n;
	c->request[c->len] = '\0';
	while (c->len > 0 && (taken = take_request(h, c)) > 0 && taken <= c->len) {
		c->len -= taken;
		memmove(c->request, c->request + taken, c->len + 1);
	}
}

void
hooks_turn(struct hooks *h)
{
	struct epoll_event	 events[EVENTS_MAX];
	int			 n = epoll_wait(h->ep, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++)
		if (events[i].data.ptr == NULL)
			welcome(h);
		else
			serve(h, events[i].data.ptr);
}
