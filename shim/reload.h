/*
 * reload.h
 *		Routes, signing keys and the OpenAPI document, as the database has them.
 *
 * One loop asks; the rows are handed to every loop, and each builds its own
 * tables from them.  Asked at the start, after NOTIFY sc_reload, at SIGHUP,
 * when a token names an unknown key, and every 30 seconds besides.
 */
#ifndef SHIM_RELOAD_H
#define SHIM_RELOAD_H

#include "shim/server.h"
#include "shim/token.h"

typedef struct Reload Reload;

/* On the loop of servers[0]; listens, asks, and goes on asking. */
extern Reload *reload_new(Process *p);
extern void reload_destroy(Reload *r);

/* From any loop: ask soon, at most once a second. */
extern void reload_ask(Process *p);

/* Frees what a server was given. */
extern void reload_forget(Server *s);

#endif							/* SHIM_RELOAD_H */
