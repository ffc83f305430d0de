-- The queue's way in. What takes jobs out of it is the worker's.

CREATE FUNCTION sc.job_enqueue(kind text, args jsonb DEFAULT '{}', queue text DEFAULT 'default',
                               run_at timestamptz DEFAULT NULL, unique_key text DEFAULT NULL,
                               max_attempts int DEFAULT NULL, timeout_seconds int DEFAULT NULL,
                               request_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := clock_timestamp();
    job_id bigint;
BEGIN
    INSERT INTO sc.jobs AS j (queue, priority, kind, args, state, max_attempts, timeout_seconds, unique_key, request_id, run_at)
    VALUES (job_enqueue.queue,
            CASE job_enqueue.queue WHEN 'high' THEN 10 WHEN 'low' THEN 1 ELSE 5 END,
            job_enqueue.kind, coalesce(job_enqueue.args, '{}'),
            CASE WHEN job_enqueue.run_at > at THEN 'scheduled' ELSE 'available' END,
            coalesce(job_enqueue.max_attempts, 10), coalesce(job_enqueue.timeout_seconds, 60),
            job_enqueue.unique_key, job_enqueue.request_id, coalesce(job_enqueue.run_at, at))
    ON CONFLICT (unique_key) WHERE state IN ('scheduled', 'available', 'running', 'retryable') DO NOTHING
    RETURNING j.id INTO job_id;
    IF job_id IS NULL THEN
        SELECT j.id INTO job_id FROM sc.jobs AS j
        WHERE j.unique_key = job_enqueue.unique_key
          AND j.state IN ('scheduled', 'available', 'running', 'retryable');
    END IF;
    RETURN job_id;
END
$$;
COMMENT ON FUNCTION sc.job_enqueue(text, jsonb, text, timestamptz, text, int, int, text) IS
    'puts a job on a queue (high, default, low) in the caller''s transaction; an unfinished job with the same unique_key is kept and its id returned';
