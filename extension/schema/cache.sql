-- What coachd processes agree on about the cache in Redis.

CREATE TABLE IF NOT EXISTS sc.cache_epoch (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    epoch bigint NOT NULL,
    server text NOT NULL,
    opens_at timestamptz NOT NULL,
    reason text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE sc.cache_epoch IS 'the one epoch of the cache: a cached value of another epoch is void';
COMMENT ON COLUMN sc.cache_epoch.id IS 'always 1';
COMMENT ON COLUMN sc.cache_epoch.epoch IS 'grows; never comes back, not even after a restore';
COMMENT ON COLUMN sc.cache_epoch.server IS 'run ids of the Redis servers in use';
COMMENT ON COLUMN sc.cache_epoch.opens_at IS 'before this moment the servers are not used';
COMMENT ON COLUMN sc.cache_epoch.reason IS 'why it began';
COMMENT ON COLUMN sc.cache_epoch.updated_at IS 'when it began';
INSERT INTO sc.cache_epoch (epoch, server, opens_at, reason)
VALUES (1, '', clock_timestamp(), 'installed')
ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS sc.cache_losses (
    instance text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE sc.cache_losses IS 'processes that cannot invalidate: while there is a row nobody uses the cache';
COMMENT ON COLUMN sc.cache_losses.instance IS 'name of the process';
COMMENT ON COLUMN sc.cache_losses.created_at IS 'since when';
COMMENT ON COLUMN sc.cache_losses.seen_at IS 'last sign of life of the process';
