-- Queries whose right answer is "no rows".
\t on
\pset format unaligned
-- functions of the extension
CREATE TEMP VIEW ours AS
SELECT p.*, n.nspname, p.oid::regprocedure AS name
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname IN ('sc', 'sc_api', 'sc_report')
JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e';

-- 1. functions without a comment
SELECT name FROM ours WHERE obj_description(oid, 'pg_proc') IS NULL;
-- 2. functions that anybody may execute, or that sc_owner does not own
SELECT name FROM ours WHERE has_function_privilege('public', oid, 'EXECUTE');
SELECT name FROM ours WHERE proowner <> 'sc_owner'::regrole;
-- 3. C symbols that are not named after their function
SELECT name, prosrc FROM ours
WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
  AND prosrc <> CASE nspname WHEN 'sc' THEN 'sc_' ELSE 'sc_api_' END || proname
  AND prosrc !~ ('^sc_' || proname || '(_[a-z0-9]+)*$');
-- 4. SECURITY DEFINER functions without a pinned search_path
SELECT name FROM ours
WHERE prosecdef AND NOT coalesce(array_to_string(proconfig, ',') ~ 'search_path=pg_catalog(, sc)?, pg_temp', false);
-- 5. functions that sc_app may execute and that are not entry points
SELECT name FROM ours
WHERE has_function_privilege('sc_app', oid, 'EXECUTE') AND NOT (nspname = 'sc_api' AND prosecdef);
-- 6. tables that the shim or an analyst may read
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace = 'sc'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
  AND (has_table_privilege('sc_app', c.oid, 'SELECT') OR has_table_privilege('sc_reader', c.oid, 'SELECT'));
-- 7. signatures that name a table or view: they would stop a table from being dropped and restored
SELECT o.name, t.oid::regtype
FROM ours AS o
JOIN pg_type AS t ON t.oid = ANY (coalesce(o.proallargtypes, o.proargtypes::oid[]) || o.prorettype)
JOIN pg_class AS c ON c.oid = t.typrelid AND c.relkind <> 'c';
-- 8. tables that belong to the extension, or whose columns have its types
SELECT d.objid::regclass FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'p')
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relnamespace = 'sc'::regnamespace;
SELECT a.attrelid::regclass, a.attname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND c.relnamespace = 'sc'::regnamespace
JOIN pg_depend AS d ON d.classid = 'pg_type'::regclass AND d.objid = a.atttypid AND d.deptype = 'e'
WHERE NOT a.attisdropped;
-- 9. tables without a primary key (but logs, which are only appended to), a comment, or comments on their columns
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace = 'sc'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
  AND c.relname NOT LIKE '%\_log';
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace = 'sc'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT a.attrelid::regclass, a.attname FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'sc'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
WHERE a.attnum > 0 AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL;
-- 10. foreign keys without an index that begins with their columns
SELECT k.conrelid::regclass, k.conname FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid AND c.relnamespace = 'sc'::regnamespace AND NOT c.relispartition
WHERE k.contype = 'f'
  AND NOT EXISTS (
      SELECT FROM pg_index AS i
      WHERE i.indrelid = k.conrelid
        AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
        AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] <@ k.conkey
        AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) ~ 'IS NOT NULL|IS NULL|= true|=|state|status'));
-- 11. routes whose handler is missing or cannot be what the route says
SELECT r.id, r.handler FROM sc.routes AS r WHERE to_regproc(r.handler) IS NULL;
SELECT r.id, r.handler FROM sc.routes AS r JOIN pg_proc AS p ON p.oid = to_regproc(r.handler)
WHERE (r.access = 'read' AND p.provolatile = 'v')
   OR (p.prorettype <> 'void'::regtype AND p.prorettype <> 'text'::regtype
       AND (SELECT t.typtype FROM pg_type AS t WHERE t.oid = p.prorettype) <> 'c');
-- every route compiles: with no path at all the answer is 401, 404 or about fields
SELECT r.id, d.status, d.body FROM sc.routes AS r
CROSS JOIN LATERAL sc_api.dispatch(r.id, NULL, NULL, NULL, ARRAY['x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'], '', NULL, NULL) AS d
WHERE d.status NOT IN (401, 404);
-- 12. a lock key that is no parameter; a cache key or tag that names none
SELECT r.id, r.lock_key FROM sc_api.routes() AS r
WHERE r.lock_key IS NOT NULL AND NOT EXISTS (SELECT FROM jsonb_array_elements(r.params) AS p WHERE p->>'name' = r.lock_key);
SELECT r.id, m[1] FROM sc_api.routes() AS r, unnest(r.cache_tags || r.cache_key) AS key, regexp_matches(key, '\{([^}]*)\}', 'g') AS m
WHERE m[1] <> 'actor' AND NOT EXISTS (SELECT FROM jsonb_array_elements(r.params) AS p WHERE p->>'name' = m[1]);
-- 13. problem codes raised in function bodies or in triggers of the house without a row in sc.problems
SELECT DISTINCT o.name, m[1] FROM ours AS o,
    regexp_matches(o.prosrc, '(?:refuse|reply)\(\s*[0-9]{3},\s*''([a-z0-9_]+)''', 'g') AS m
WHERE NOT EXISTS (SELECT FROM sc.problems AS p WHERE p.code = m[1]);
SELECT DISTINCT o.name, m[1] FROM ours AS o,
    regexp_matches(o.prosrc, 'invalid\([^,;]*,\s*''([a-z0-9_]+)''', 'g') AS m
WHERE NOT EXISTS (SELECT FROM sc.problems AS p WHERE p.code = m[1]);
-- 14. constraints named by problems that do not exist
SELECT p.code, p.constraint_name FROM sc.problems AS p
WHERE p.constraint_name IS NOT NULL
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conname = p.constraint_name)
  AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.relname = p.constraint_name AND c.relkind = 'i');
-- 15. permissions that routes ask for and no role holds
SELECT r.id, r.permission FROM sc.routes AS r
WHERE r.permission <> 'user' AND NOT EXISTS (SELECT FROM sc.roles AS x WHERE r.permission = ANY (x.permissions));
-- 16. handlers that read the transaction's clock
SELECT o.name FROM ours AS o WHERE o.prosrc ~* '\m(now\(\)|current_timestamp|current_date|localtimestamp)';
-- 17. reserved parameters of another type than dispatch knows: they would be bound from input
SELECT o.name, a.name, a.type::regtype FROM ours AS o
JOIN sc.routes AS r ON to_regproc(r.handler) = o.oid
CROSS JOIN LATERAL ROWS FROM (unnest(o.proargnames), unnest(o.proargtypes::oid[])) AS a(name, type)
WHERE a.name IN ('actor', 'jti', 'given', 'body', 'ctx', 'raw')
  AND (a.name, a.type) NOT IN (('actor', 'int8'::regtype), ('jti', 'uuid'::regtype), ('given', 'text[]'::regtype), ('body', 'jsonb'::regtype),
                               ('ctx', 'jsonb'::regtype), ('raw', 'text'::regtype));
