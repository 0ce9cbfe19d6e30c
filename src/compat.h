/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every guard on a version of libcurl or PostgreSQL.
 *
 * libcurl 7.81 or later, PostgreSQL 15 to 18, and what the first release
 * candidate of 19 has changed.  What is guarded for libcurl is macros only, so
 * that this header needs none of libcurl's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_COMPAT_H
#define OMF_COMPAT_H

#ifdef LIBCURL_VERSION_NUM

/* CURLOPT_PROTOCOLS_STR came with libcurl 7.85, which deprecated the other. */
#if LIBCURL_VERSION_NUM >= 0x075500
#define OMF_SET_PROTOCOLS(handle, encrypted)        \
	curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, \
					 (encrypted) ? "https" : "http")
#else
#define OMF_SET_PROTOCOLS(handle, encrypted)               \
	curl_easy_setopt(handle, CURLOPT_PROTOCOLS,            \
					 (long) ((encrypted) ? CURLPROTO_HTTPS \
										 : CURLPROTO_HTTP))
#endif

/*
 * Without CURLOPT_QUICK_EXIT, calling off a request whose name is being
 * looked up waits for the look-up's end.
 */
#if LIBCURL_VERSION_NUM >= 0x075700
#define OMF_SET_QUICK_EXIT(handle) \
	curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L)
#else
#define OMF_SET_QUICK_EXIT(handle) CURLE_OK
#endif

/*
 * What CURL_IGNORE_DEPRECATION is for is deprecated, but nothing replaces it.
 */
#ifndef CURL_IGNORE_DEPRECATION
#define CURL_IGNORE_DEPRECATION(statements) statements
#endif

/* CURL_WRITEFUNC_ERROR came with libcurl 7.87. */
#ifndef CURL_WRITEFUNC_ERROR
#define CURL_WRITEFUNC_ERROR 0xFFFFFFFF
#endif

/* CURLE_TOO_LARGE, which came with libcurl 8.6. */
#define OMF_CURLE_TOO_LARGE 100

#endif /* LIBCURL_VERSION_NUM */

#ifdef PG_VERSION_NUM

/* The mark of a function that does not return changed its place and name. */
#if PG_VERSION_NUM >= 180000
#define omf_noreturn pg_noreturn
#else
#define omf_noreturn pg_attribute_noreturn()
#endif

/* EXPLAIN's declarations moved. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/*
 * From PostgreSQL 17 on, EXPLAIN names the sub-select whose result an
 * expression has; before, it shows a "$0".
 */
#define OMF_NAMES_RESULTS (PG_VERSION_NUM < 170000)

/* Outer joins are among a query's relations from PostgreSQL 16 on. */
#if PG_VERSION_NUM >= 160000
#define omf_all_query_rels(root) ((root)->all_query_rels)
#else
#define omf_all_query_rels(root) ((root)->all_baserels)
#endif

/* What an expression was before those joins made NULLs of it. */
#if PG_VERSION_NUM >= 160000
#define omf_below_outer_joins(root, node) \
	remove_nulling_relids(node, (root)->outer_join_rels, NULL)
#else
#define omf_below_outer_joins(root, node) ((void) (root), (node))
#endif

/* A join clause's outer join counts from PostgreSQL 16 on. */
#if PG_VERSION_NUM >= 160000
#define omf_implied_equalities(root, both, outer, inner) \
	generate_join_implied_equalities(root, both, outer, inner, NULL)
#else
#define omf_implied_equalities(root, both, outer, inner) \
	generate_join_implied_equalities(root, both, outer, inner)
#endif

/*
 * PostgreSQL 19 aggregates below joins, too: what standard_join_search() does
 * for that.
 */
#if PG_VERSION_NUM >= 190000
#define omf_finish_grouped_rel(root, rel)                        \
	do                                                           \
	{                                                            \
		RelOptInfo *grouped_ = (rel)->grouped_rel;               \
		if (grouped_ != NULL &&                                  \
			!bms_equal((rel)->relids, omf_all_query_rels(root))) \
		{                                                        \
			generate_grouped_paths(root, grouped_, rel);         \
			set_cheapest(grouped_);                              \
		}                                                        \
	} while (0)
#else
#define omf_finish_grouped_rel(root, rel) ((void) (root), (void) (rel))
#endif

/* What an Append leaves out at execution moved to the statement. */
#if PG_VERSION_NUM >= 180000
#define omf_append_prunes(plan) ((plan)->part_prune_index >= 0)
#else
#define omf_append_prunes(plan) ((plan)->part_prune_info != NULL)
#endif

/* MERGE has a condition of its own join from PostgreSQL 17 on. */
#if PG_VERSION_NUM >= 170000
#define omf_merge_join_conditions(modify) ((modify)->mergeJoinConditions)
#else
#define omf_merge_join_conditions(modify) NIL
#endif

/* The user whose rights a scan has moved from the range table to the plan. */
#if PG_VERSION_NUM >= 160000
#define omf_check_as_user(plan, estate) ((plan)->checkAsUser)
#else
#define omf_check_as_user(plan, estate) \
	(exec_rt_fetch((plan)->scan.scanrelid, estate)->checkAsUser)
#endif
#if PG_VERSION_NUM >= 160000
#define omf_plan_check_as_user(plan, rtable) \
	((void) (rtable), (plan)->checkAsUser)
#else
#define omf_plan_check_as_user(plan, rtable) \
	(rt_fetch((plan)->scan.scanrelid, rtable)->checkAsUser)
#endif

/* The ACL check by class came with PostgreSQL 16. */
#if PG_VERSION_NUM >= 160000
#define omf_server_aclcheck(serverid, userid) \
	object_aclcheck(ForeignServerRelationId, serverid, userid, ACL_USAGE)
#else
#define omf_server_aclcheck(serverid, userid) \
	pg_foreign_server_aclcheck(serverid, userid, ACL_USAGE)
#endif

/* A WaitEventSet belongs to a ResourceOwner from PostgreSQL 17 on. */
#if PG_VERSION_NUM >= 170000
#define omf_create_wait_event_set(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define omf_create_wait_event_set(nevents) \
	CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/* Wait events with names of their own came with PostgreSQL 17. */
#if PG_VERSION_NUM >= 170000
#define omf_new_wait_event(name) WaitEventExtensionNew(name)
#else
#define omf_new_wait_event(name) PG_WAIT_EXTENSION
#endif

/*
 * Shared memory without shared_preload_libraries came with PostgreSQL 17;
 * before, it has to be asked for while the postmaster starts.
 */
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#define OMF_HAS_SHMEM_HOOKS 0
#if PG_VERSION_NUM >= 190000
static inline void
omf_init_shared_memory(void *memory, void *init)
{
	(*(void (**)(void *memory)) init)(memory);
}
#endif
static inline void *
omf_named_shared_memory(const char *name, size_t size,
						void (*init)(void *memory))
{
	bool found;

#if PG_VERSION_NUM >= 190000
	return GetNamedDSMSegment(name, size, omf_init_shared_memory, &found,
							  &init);
#else
	return GetNamedDSMSegment(name, size, init, &found);
#endif
}
#else
#define OMF_HAS_SHMEM_HOOKS 1
#define omf_named_shared_memory(name, size, init) ((void) (init), NULL)
#endif

/* From PostgreSQL 19 on, all processes know the name of a lock's tranche. */
#if PG_VERSION_NUM >= 190000
#define omf_new_tranche(name) LWLockNewTrancheId(name)
#define omf_name_tranche(tranche, name) ((void) (tranche), (void) (name))
#else
#define omf_new_tranche(name) LWLockNewTrancheId()
#define omf_name_tranche(tranche, name) LWLockRegisterTranche(tranche, name)
#endif

/*
 * The number of a backend's PGPROC got a name of its own with PostgreSQL 17.
 */
#if PG_VERSION_NUM >= 170000
#define omf_my_proc_number() MyProcNumber
#else
#define omf_my_proc_number() MyProc->pgprocno
#endif

/* Intervals can be infinite from PostgreSQL 17 on. */
#if PG_VERSION_NUM >= 170000
#define omf_interval_is_finite(interval) (!INTERVAL_NOT_FINITE(interval))
#else
#define omf_interval_is_finite(interval) true
#endif

/* Path and plan nodes grew arguments. */
#if PG_VERSION_NUM >= 180000
#define omf_create_foreignscan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, 0, startup, total,       \
							NIL, outer, NULL, NIL, NIL)
#elif PG_VERSION_NUM >= 170000
#define omf_create_foreignscan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total,          \
							NIL, outer, NULL, NIL, NIL)
#else
#define omf_create_foreignscan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total,          \
							NIL, outer, NULL, NIL)
#endif

#if PG_VERSION_NUM >= 190000
#define omf_create_append_path(root, rel, path)                         \
	create_append_path(root, rel,                                       \
					   (AppendPathInput){.subpaths = list_make1(path)}, \
					   NIL, NULL, 0, false, -1)
#else
#define omf_create_append_path(root, rel, path)                        \
	create_append_path(root, rel, list_make1(path), NIL, NIL, NULL, 0, \
					   false, -1)
#endif

/*
 * Whether a join may be a nested loop is an extension's say for each join from
 * PostgreSQL 19 on.  Before, it is the setting's alone, and that makes a nested
 * loop the last choice, which is to be had all the same: its cost says so.
 */
#if PG_VERSION_NUM >= 190000
#define omf_may_nestloop(extra) (((extra)->pgs_mask & PGS_NESTLOOP_PLAIN) != 0)
#define omf_initial_cost_nestloop(root, workspace, jointype, outer, inner, \
								  extra)                                   \
	initial_cost_nestloop(root, workspace, jointype,                       \
						  PGS_NESTLOOP_PLAIN | PGS_CONSIDER_NONPARTIAL,    \
						  outer, inner, extra)
#else
#define omf_may_nestloop(extra) ((void) (extra), true)
#define omf_initial_cost_nestloop(root, workspace, jointype, outer, inner, \
								  extra)                                   \
	initial_cost_nestloop(root, workspace, jointype, outer, inner, extra)
#endif

/*
 * What JOIN_UNIQUE_OUTER is to begin with.  From PostgreSQL 19 on, its outer
 * side has been made unique.
 */
#if PG_VERSION_NUM >= 190000
#define omf_unique_outer_path(root, rel, sjinfo) \
	((void) (root), (void) (sjinfo), (rel)->cheapest_total_path)
#else
#define omf_unique_outer_path(root, rel, sjinfo)                        \
	((Path *) create_unique_path(root, rel, (rel)->cheapest_total_path, \
								 sjinfo))
#endif

/* SELECT DISTINCT of sorted rows. */
#if PG_VERSION_NUM >= 190000
#define OMF_T_DISTINCT_PATH T_UniquePath
#define OmfDistinctPath UniquePath
#else
#define OMF_T_DISTINCT_PATH T_UpperUniquePath
#define OmfDistinctPath UpperUniquePath
#endif

/* ExecutorRun() lost an argument. */
#if PG_VERSION_NUM >= 180000
#define OMF_EXECUTOR_RUN_PARAMS \
	QueryDesc *query, ScanDirection direction, uint64 count
#define OMF_EXECUTOR_RUN_ARGS query, direction, count
#else
#define OMF_EXECUTOR_RUN_PARAMS \
	QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once
#define OMF_EXECUTOR_RUN_ARGS query, direction, count, execute_once
#endif

#if PG_VERSION_NUM >= 180000
#define omf_copy_disabled_nodes(path, from) \
	((path)->disabled_nodes = (from)->disabled_nodes)
#else
#define omf_copy_disabled_nodes(path, from) ((void) 0)
#endif

#if PG_VERSION_NUM >= 170000
#define omf_estimate_array_length(root, node) estimate_array_length(root, node)
#else
#define omf_estimate_array_length(root, node) estimate_array_length(node)
#endif

#endif /* PG_VERSION_NUM */

#endif /* OMF_COMPAT_H */
