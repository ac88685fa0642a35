/* conf_text: a configuration from a text, and its errors as one. */
#ifndef TOCSIN_TESTS_UNIT_CONF_TEXT_H
#define TOCSIN_TESTS_UNIT_CONF_TEXT_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"

static struct conf *
conf_of(const char *text)
{
	char		 path[] = "/tmp/tocsin-test-XXXXXX";
	int		 fd = mkstemp(path);
	struct conf	*c;

	if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	c = conf_read(path);
	unlink(path);
	return c;
}

/* The errors, one a line; "" when there are none.  The caller frees it. */
static char *
conf_verdict(struct conf *c)
{
	char	*text = NULL;
	size_t	 size = 0;
	FILE	*out = open_memstream(&text, &size);

	if (out == NULL)
		abort();
	(void)conf_finish(c, out);	/* the text says it all */
	fclose(out);
	return text;
}
#endif
