-- The cache's epoch and its losses: what coachd processes tell each other
-- through the database when Redis cannot be asked. The protocol stands at the
-- head of shim/epoch.c.

CREATE FUNCTION sc_api.cache_state(OUT epoch bigint, OUT server text, OUT serving boolean, OUT losses int, OUT overdue boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SECURITY DEFINER SET search_path = pg_catalog, sc, pg_temp
AS $$
BEGIN
    SELECT e.epoch, e.server, e.opens_at <= clock_timestamp(), l.n, l.overdue
      INTO cache_state.epoch, cache_state.server, cache_state.serving, cache_state.losses, cache_state.overdue
      FROM sc.cache_epoch AS e,
           (SELECT count(*)::int AS n,
                   coalesce(bool_or(x.seen_at < clock_timestamp() - interval '15 seconds'), false) AS overdue
              FROM sc.cache_losses AS x) AS l;
END
$$;
COMMENT ON FUNCTION sc_api.cache_state() IS
    'the epoch of the cache, the Redis servers it is kept in, whether these may serve yet, how many processes cannot invalidate, and whether one of those fell silent';

CREATE FUNCTION sc_api.cache_lost(instance text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, sc, pg_temp
AS $$
BEGIN
    UPDATE sc.cache_losses AS l SET seen_at = clock_timestamp() WHERE l.instance = cache_lost.instance;
    IF NOT FOUND THEN
        INSERT INTO sc.cache_losses (instance) VALUES (cache_lost.instance)
        ON CONFLICT ON CONSTRAINT cache_losses_pkey DO UPDATE SET seen_at = clock_timestamp();
        PERFORM pg_notify('sc_epoch', 'lost');
    END IF;
END
$$;
COMMENT ON FUNCTION sc_api.cache_lost(text) IS
    'declares, and renews, that a process cannot invalidate: from now on nobody uses the cache';

CREATE FUNCTION sc_api.cache_renew(reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, sc, pg_temp
AS $$
BEGIN
    DELETE FROM sc.cache_losses AS l WHERE l.seen_at < clock_timestamp() - interval '15 seconds';
    UPDATE sc.cache_epoch AS e
       SET epoch = greatest(e.epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint),
           reason = cache_renew.reason,
           updated_at = clock_timestamp();
    PERFORM pg_notify('sc_epoch', 'renewed');
END
$$;
COMMENT ON FUNCTION sc_api.cache_renew(text) IS
    'begins a new epoch of the cache, and forgets processes that lost it and fell silent';

CREATE FUNCTION sc_api.cache_found(instance text, server text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, sc, pg_temp
AS $$
DECLARE
    was text;
BEGIN
    SELECT e.server INTO was FROM sc.cache_epoch AS e FOR UPDATE;
    DELETE FROM sc.cache_losses AS l WHERE l.instance = cache_found.instance;
    IF NOT FOUND AND was = cache_found.server THEN
        RETURN;
    END IF;
    -- Whoever still uses the servers of before has stopped by opens_at.
    UPDATE sc.cache_epoch AS e
       SET server = cache_found.server,
           opens_at = CASE WHEN was IN ('', cache_found.server) THEN e.opens_at
                           ELSE clock_timestamp() + interval '2.5 seconds' END;
    PERFORM sc_api.cache_renew(CASE WHEN was = cache_found.server THEN 'link back' ELSE 'other server' END);
END
$$;
COMMENT ON FUNCTION sc_api.cache_found(text, text) IS
    'a process can invalidate again, in these servers: begins a new epoch unless nothing was missed';

CREATE FUNCTION sc_api.revocations()
RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SECURITY DEFINER SET search_path = pg_catalog, sc, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT format('1:session:jwt:blacklist:%s=1@%s', t.jti,
                  ceil(extract(epoch FROM t.expires_at - clock_timestamp()))::bigint)
      FROM sc.revoked_tokens AS t
     WHERE t.expires_at > clock_timestamp();
END
$$;
COMMENT ON FUNCTION sc_api.revocations() IS
    'session entries of all revoked access tokens that have not expired, for a Redis that may have missed them';
