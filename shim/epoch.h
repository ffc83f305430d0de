/*
 * epoch.h
 *		When may this process believe what the cache in Redis says?
 *
 * One Epoch for the process, living on loop 0; the functions below may be
 * called from every loop unless they say otherwise.
 */
#ifndef SHIM_EPOCH_H
#define SHIM_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/loop.h"
#include "daemon/redis.h"
#include "shim/server.h"

#define SERVER_ID_SIZE 84		/* two run ids of Redis, and a sign between */

typedef struct Epoch Epoch;
typedef struct EpochWait EpochWait;

/* Somebody whose invalidations could not be delivered; see epoch_wait(). */
struct EpochWait
{
	LoopTask	task;
	Epoch	   *epoch;
	EpochWait  *next;
	Loop	   *loop;			/* where done() is to be called */
	void		(*done) (EpochWait *self);
	void	   *data;
};

typedef struct EpochStats
{
	int64_t		epoch;
	bool		trusted;
	bool		lost;			/* we have declared that we cannot invalidate */
	uint64_t	renewals;		/* begun by us */
	uint64_t	declared;		/* losses declared by us */
} EpochStats;

/* Loop 0. */
extern Epoch *epoch_new(Server *home);
extern void epoch_stop(Epoch *e);	/* does nothing more by itself */
extern void epoch_keep(Epoch *e);	/* for each gate; not while loops run */
extern void epoch_release(Epoch *e);
extern void epoch_listening(Epoch *e, bool up);
extern void epoch_notified(Epoch *e);
extern void epoch_farewell(Epoch *e, RedisCmd *cmd);	/* cmd->done() when
														 * Redis knows */

/*
 * The epoch whose values may be read and filled in the servers `server_id`,
 * or 0: the cache is to be passed by.  True at this very moment, so ask after
 * the value has come.
 */
extern int64_t epoch_trusted(Epoch *e, const char *server_id);

/*
 * Has the database answered in the last seconds?  Behind a pooler a connection
 * that is up does not say so.
 */
extern bool epoch_answered(Epoch *e);

/* Does an invalidation that these servers confirmed reach every reader? */
extern bool epoch_delivers(Epoch *e, const char *server_id);

/* Will they in a moment, when a change of servers has settled? */
extern bool epoch_opening(Epoch *e, const char *server_id);

/* The epoch as known, trusted or not; what session entries are marked with. */
extern int64_t epoch_known(Epoch *e);

/*
 * Calls w->done() on w->loop as soon as nobody can read from the cache what
 * was not invalidated: declares the loss and waits until everybody knows.
 */
extern void epoch_wait(Epoch *e, EpochWait *w);

/* Does everybody know already? */
extern bool epoch_settled(Epoch *e);

/* Something may have been missed: begin a new epoch soon. */
extern void epoch_renew(Epoch *e, const char *why);

/* A loop's Redis links came up or went down, all of them together. */
extern void epoch_links(Epoch *e, bool up);

/* A delivery began or ended: there is no good-bye while one is under way. */
extern void epoch_delivering(Epoch *e, int change);

extern void epoch_stats(Epoch *e, EpochStats *out);

#endif							/* SHIM_EPOCH_H */
