/* feed_file_conf: the keys of a [feed NAME] of type file, checked against the file itself. */
#ifndef TOCSIN_GENERATOR_FEED_FILE_CONF_H
#define TOCSIN_GENERATOR_FEED_FILE_CONF_H
#include <stdbool.h>

#include "generator/feed.h"
#include "generator/feed_file_layout.h"
#include "generator/lines.h"

enum on_error { ON_ERROR_SKIP, ON_ERROR_STOP };

struct feed_file_conf {
	char			*path, *separator;
	struct layout_conf	 layout;
	int			 on_error;
	double			 pace;		/* market seconds per second; 0: flat out */
};

extern const struct conf_key file_keys[];
extern const char *const file_format_names[];	/* by enum file_format */

char	 file_separator(const struct feed_file_conf *conf);

/*
 * Open the file and find out what its lines are; the next line is the first one
 * with data.  False with nothing open when `problem` had to be told of something.
 */
bool	 file_find_data(struct lines *l, struct layout *layout, const struct feed_file_conf *conf,
	    const struct feed_conf *common, layout_problem_cb problem, void *arg);

/* For line_parse(). */
struct line_market file_market(const struct feed_conf *common);

/* The check of struct feed_type. */
void	 file_check(struct conf *file, const struct conf_section *section, const struct feed_conf *common, void *conf);
#endif
