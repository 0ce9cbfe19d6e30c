SELECT id, status, status_since, first_seen
FROM migration_jobs.migration_history
WHERE database_cluster_uuid = :'cluster'
ORDER BY created_at, first_seen;

SELECT cron.alter_job(jobid, schedule => '*/5 * * * *') FROM cron.job;
