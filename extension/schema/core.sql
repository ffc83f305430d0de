-- The ground: version, routes, problems, idempotency keys.

CREATE TABLE IF NOT EXISTS sc.schema_version (
    version text PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE sc.schema_version IS 'versions that the tables have had; the highest counts';
COMMENT ON COLUMN sc.schema_version.version IS 'version of the extension that made them so';
COMMENT ON COLUMN sc.schema_version.installed_at IS 'when sc.install() or sc.migrate() made it so';
INSERT INTO sc.schema_version (version) VALUES (sc.version()) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS sc.routes (
    id int PRIMARY KEY,
    method text NOT NULL CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
    path text NOT NULL CHECK (path ~ '^(/([A-Za-z0-9._-]+|\{[a-z][a-z0-9_]*\}))+$'),
    handler text NOT NULL,
    permission text,
    access text NOT NULL CHECK (access IN ('read', 'write')),
    lane text NOT NULL CHECK (lane IN ('read', 'hot', 'write', 'slow', 'stream')),
    cost text NOT NULL DEFAULT 'wait' CHECK (cost IN ('wait', 'cpu', 'hash')),
    lock_key text,
    status smallint CHECK (status BETWEEN 200 AND 299),
    cache_key text,
    cache_query text[],
    cache_tags text[] NOT NULL DEFAULT '{}',
    cache_ttl int NOT NULL DEFAULT 600 CHECK (cache_ttl > 0),
    public boolean NOT NULL DEFAULT false,
    rate text NOT NULL DEFAULT 'api' CHECK (rate IN ('api', 'exam', 'login', 'none')),
    auth text CHECK (auth IN ('attempt')),
    query text[] NOT NULL DEFAULT '{}',
    content_type text NOT NULL DEFAULT 'application/json',
    max_body bigint NOT NULL DEFAULT 1048576 CHECK (max_body BETWEEN 0 AND 67108864),
    response text,
    produces text,
    idempotent boolean NOT NULL DEFAULT false,
    idempotency boolean NOT NULL DEFAULT false,
    replica boolean NOT NULL DEFAULT false,
    tag text,
    summary text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT routes_method_path UNIQUE (method, path),
    CONSTRAINT routes_cache CHECK (cache_key IS NULL OR (access = 'read' AND (permission IS NULL OR permission = 'user'))),
    CONSTRAINT routes_idempotency CHECK (NOT idempotency OR access = 'write')
);
COMMENT ON TABLE sc.routes IS 'the REST calls: what runs for a method and a path; make rows with sc.route()';
COMMENT ON COLUMN sc.routes.id IS 'stable number, by which the shim calls dispatch';
COMMENT ON COLUMN sc.routes.method IS 'HTTP method; HEAD is served as GET';
COMMENT ON COLUMN sc.routes.path IS 'path below /api/v1, {name} stands for a parameter';
COMMENT ON COLUMN sc.routes.handler IS 'function with its schema';
COMMENT ON COLUMN sc.routes.permission IS 'NULL: anybody; user: any logged-in user; else a named permission';
COMMENT ON COLUMN sc.routes.access IS 'read: runs read-only; write';
COMMENT ON COLUMN sc.routes.lane IS 'set of connections it runs on';
COMMENT ON COLUMN sc.routes.cost IS 'what a slow request spends';
COMMENT ON COLUMN sc.routes.lock_key IS 'hot lane: parameter by which a batch is sorted';
COMMENT ON COLUMN sc.routes.status IS 'status of success; NULL = 200, or 204 for void';
COMMENT ON COLUMN sc.routes.cache_key IS 'Redis key; {param} and {actor} are filled; NULL = not cached';
COMMENT ON COLUMN sc.routes.cache_query IS 'query parameters that belong to the key; NULL = all';
COMMENT ON COLUMN sc.routes.cache_tags IS 'further keys whose invalidation voids the entry';
COMMENT ON COLUMN sc.routes.cache_ttl IS 'seconds';
COMMENT ON COLUMN sc.routes.public IS 'shared caches may keep the answer';
COMMENT ON COLUMN sc.routes.rate IS 'bucket of the rate limit';
COMMENT ON COLUMN sc.routes.auth IS 'attempt: an attempt token may stand in for the access token';
COMMENT ON COLUMN sc.routes.query IS 'parameters bound from the query although the method has a body';
COMMENT ON COLUMN sc.routes.content_type IS 'accepted type of the body';
COMMENT ON COLUMN sc.routes.max_body IS 'bytes a body may have';
COMMENT ON COLUMN sc.routes.response IS 'composite type of the answer where the handler returns sc_api.reply';
COMMENT ON COLUMN sc.routes.produces IS 'content type of a text answer';
COMMENT ON COLUMN sc.routes.idempotent IS 'the shim may send it again after a lost connection';
COMMENT ON COLUMN sc.routes.idempotency IS 'honours Idempotency-Key';
COMMENT ON COLUMN sc.routes.replica IS 'a replica may answer, some seconds behind for what others wrote';
COMMENT ON COLUMN sc.routes.tag IS 'group in the API document';
COMMENT ON COLUMN sc.routes.summary IS 'title in the API document';
COMMENT ON COLUMN sc.routes.created_at IS 'when the row was made';
COMMENT ON COLUMN sc.routes.updated_at IS 'when the row last changed';
CREATE OR REPLACE TRIGGER reload AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sc.routes
    FOR EACH STATEMENT EXECUTE FUNCTION sc.reload();

CREATE TABLE IF NOT EXISTS sc.problems (
    code text PRIMARY KEY CHECK (code ~ '^[a-z][a-z0-9_]*$'),
    status smallint NOT NULL CHECK (status BETWEEN 400 AND 599),
    title_en text NOT NULL,
    title_tr text NOT NULL,
    detail_en text,
    detail_tr text,
    constraint_name text UNIQUE,
    CONSTRAINT problems_details CHECK ((detail_en IS NULL) = (detail_tr IS NULL))
);
COMMENT ON TABLE sc.problems IS 'words of the problem documents; {name} stands for a parameter';
COMMENT ON COLUMN sc.problems.code IS 'code, as clients see it';
COMMENT ON COLUMN sc.problems.status IS 'usual HTTP status';
COMMENT ON COLUMN sc.problems.title_en IS 'title, English';
COMMENT ON COLUMN sc.problems.title_tr IS 'title, Turkish';
COMMENT ON COLUMN sc.problems.detail_en IS 'sentence, English';
COMMENT ON COLUMN sc.problems.detail_tr IS 'sentence, Turkish';
COMMENT ON COLUMN sc.problems.constraint_name IS 'constraint whose violation has this code';

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr) VALUES
    ('invalid_json', 400, 'Body is not JSON', 'İstek gövdesi JSON değil', 'Reading stopped at byte {offset}.', 'Okuma {offset}. baytta durdu.'),
    ('json_too_deep', 400, 'Body is nested too deeply', 'İstek gövdesi çok derin iç içe geçmiş', 'At most 64 levels are accepted.', 'En fazla 64 düzey kabul edilir.'),
    ('repeated_name', 400, 'A name occurs twice in an object', 'Bir nesnede aynı ad iki kez geçiyor', NULL, NULL),
    ('invalid_query', 400, 'Query string is not valid text', 'Sorgu dizgisi geçerli metin değil', NULL, NULL),
    ('invalid_utf8', 400, 'Not UTF-8 text', 'UTF-8 metin değil', 'The body has bytes that are not UTF-8; spreadsheets save it as "CSV UTF-8".', 'Gövdede UTF-8 olmayan baytlar var; hesap tabloları "CSV UTF-8" olarak kaydeder.'),
    ('invalid_idempotency_key', 400, 'Idempotency-Key is not usable', 'Idempotency-Key kullanılamaz', 'It has 1 to 200 visible ASCII characters.', '1–200 görünür ASCII karakterden oluşur.'),
    ('no_such_upload', 400, 'No such upload', 'Böyle bir yükleme yok', NULL, NULL),
    ('token_required', 401, 'Log in first', 'Önce oturum açın', NULL, NULL),
    ('token_revoked', 401, 'This log-in has ended', 'Bu oturum sona erdi', 'Log in again.', 'Yeniden oturum açın.'),
    ('inactive_user', 401, 'This account is closed', 'Bu hesap kapalı', NULL, NULL),
    ('forbidden', 403, 'You may not do this', 'Bunu yapmaya yetkiniz yok', NULL, NULL),
    ('not_found', 404, 'Not found', 'Bulunamadı', NULL, NULL),
    ('route_reload', 404, 'Unknown route', 'Bilinmeyen yol', NULL, NULL),
    ('conflict', 409, 'Already exists', 'Zaten var', NULL, NULL),
    ('reference_conflict', 409, 'Refers to something that is not there, or is still referred to', 'Var olmayan bir kayda başvuruyor ya da kayda hâlâ başvuruluyor', NULL, NULL),
    ('precondition_failed', 412, 'Changed in the meantime', 'Bu arada değişmiş', 'Fetch it again and repeat your change.', 'Yeniden alıp değişikliğinizi tekrarlayın.'),
    ('body_too_large', 413, 'Body is too large', 'İstek gövdesi çok büyük', 'At most {max_bytes} bytes are accepted.', 'En fazla {max_bytes} bayt kabul edilir.'),
    ('invalid_fields', 422, 'Some fields are not valid', 'Bazı alanlar geçerli değil', NULL, NULL),
    ('invalid_value', 422, 'Not a valid value', 'Geçerli bir değer değil', 'Expected: {expected}.', 'Beklenen: {expected}.'),
    ('invalid_type', 422, 'Wrong type', 'Türü yanlış', 'Expected: {expected}.', 'Beklenen: {expected}.'),
    ('invalid_length', 422, 'Too short or too long', 'Çok kısa ya da çok uzun', 'Between {min} and {max} characters.', '{min} ile {max} karakter arasında olmalı.'),
    ('unknown_value', 422, 'Not one of the known values', 'Bilinen değerlerden biri değil', NULL, NULL),
    ('out_of_range', 422, 'Out of range', 'Aralık dışında', 'Between {min} and {max}.', '{min} ile {max} arasında olmalı.'),
    ('required', 422, 'Required', 'Zorunlu', NULL, NULL),
    ('unknown_field', 422, 'Unknown field', 'Bilinmeyen alan', NULL, NULL),
    ('unknown_parameter', 422, 'Unknown parameter', 'Bilinmeyen parametre', NULL, NULL),
    ('repeated_parameter', 422, 'Given more than once', 'Birden fazla verilmiş', NULL, NULL),
    ('object_expected', 422, 'Body must be a JSON object', 'İstek gövdesi bir JSON nesnesi olmalı', NULL, NULL),
    ('idempotency_mismatch', 422, 'Idempotency-Key was used for another request', 'Idempotency-Key başka bir istekte kullanılmış', NULL, NULL),
    ('internal_error', 500, 'Something went wrong on our side', 'Bizim tarafımızda bir sorun oluştu', NULL, NULL),
    ('retry', 503, 'Busy, try again', 'Meşgul, yeniden deneyin', NULL, NULL),
    ('timeout', 504, 'Took too long', 'Çok uzun sürdü', NULL, NULL)
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS sc.idempotency_keys (
    route_id int NOT NULL,
    actor bigint NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    headers jsonb,
    body text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (route_id, actor, key)
);
COMMENT ON TABLE sc.idempotency_keys IS 'answers kept for a day, to be repeated to who sends a request again';
COMMENT ON COLUMN sc.idempotency_keys.route_id IS 'route';
COMMENT ON COLUMN sc.idempotency_keys.actor IS 'user; 0 = anonymous';
COMMENT ON COLUMN sc.idempotency_keys.key IS 'Idempotency-Key of the client';
COMMENT ON COLUMN sc.idempotency_keys.request_hash IS 'SHA-256 of path, query and body';
COMMENT ON COLUMN sc.idempotency_keys.status IS 'status answered';
COMMENT ON COLUMN sc.idempotency_keys.headers IS 'headers answered';
COMMENT ON COLUMN sc.idempotency_keys.body IS 'body answered';
COMMENT ON COLUMN sc.idempotency_keys.created_at IS 'when it was first used';
CREATE INDEX IF NOT EXISTS idx_idempotency_keys_created ON sc.idempotency_keys (created_at);
