/* page: the dashboard's files, carried inside the program. */
#ifndef TOCSIN_RELAY_PAGE_H
#define TOCSIN_RELAY_PAGE_H

struct request;

/* Answer with the file that the path names (/ is index.html), or 404. */
void	 page_serve(struct request *req);
#endif
