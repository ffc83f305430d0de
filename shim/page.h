/*
 * page.h
 *		What the shim serves by itself: health, metrics, OpenAPI and /docs.
 */
#ifndef SHIM_PAGE_H
#define SHIM_PAGE_H

#include "shim/request.h"

/* Reads the files of /docs into memory; a missing folder means no /docs. */
extern void page_load(const char *docs_dir);
extern void page_unload(void);

/* Answers the request if its path is one of these. */
extern bool page_serve(Request *r);

#endif							/* SHIM_PAGE_H */
