-- What psql's \dx+, \df+, \dew+ show: each object of the extension has a
-- comment, and none is left out.
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS object
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid <> 'pg_type'::regclass
  AND e.extname = 'online_migrations_fdw'
  AND coalesce(obj_description(d.objid, d.classid::regclass::name), '') = '';
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS object,
       obj_description(d.objid, d.classid::regclass::name) AS comment
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid <> 'pg_type'::regclass
  AND e.extname = 'online_migrations_fdw'
ORDER BY pg_describe_object(d.classid, d.objid, d.objsubid) COLLATE "C";
SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'online_migrations_fdw';

-- The functions as they are declared: not strict, so that a NULL is an error
-- and not a silent NULL; volatile; not for parallel workers; not for PUBLIC.
SELECT proname, prokind, provolatile, proparallel, proisstrict, proretset, prosecdef,
       has_function_privilege('public', oid, 'EXECUTE') AS for_public
FROM pg_proc WHERE pronamespace = 'databases'::regnamespace AND proname LIKE 'databases\_%'
ORDER BY proname COLLATE "C";
\x on
SELECT proname, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result
FROM pg_proc WHERE pronamespace = 'databases'::regnamespace AND proname LIKE 'databases\_%'
ORDER BY proname COLLATE "C";
