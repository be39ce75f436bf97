-- One row per published artifact.
--
-- step              varchar                the step that made it
-- fingerprint       varchar                its address
-- version           bigint                 version of the step
-- created_at        timestamp              when it was published, UTC
-- duration_seconds  double                 how long the last call took
-- num_files         bigint                 files, without the manifest
-- num_bytes         bigint                 size of the files
-- git_commit        varchar                commit of the code that made it, null outside a checkout
-- inputs            map(varchar, varchar)  fingerprint of each input artifact by its role
-- config            json                   the config sections the step read
-- summary           json                   counts and figures of the result
-- versions          json                   library versions that were in use
with texts as ( -- not by read_json, which takes ten times as long for thousands of small files
    select filename, if(json_valid(content), content, error(filename || ' is not a JSON file')) as content
    from read_text(getvariable('store') || '/artifacts/*/*/manifest.json')
),
parsed as (
    select
        split_part(filename, '/', -2) as fingerprint,
        from_json(
            content,
            '{
                "request": {
                    "step": "varchar",
                    "version": "bigint",
                    "config": "json",
                    "inputs": "map(varchar, varchar)"
                },
                "files": [{"path": "varchar", "num_bytes": "bigint"}],
                "summary": "json",
                "created_at": "varchar",
                "duration_seconds": "double",
                "git_commit": "varchar",
                "versions": "json"
            }'
        ) as manifest
    from texts
)
select
    manifest.request.step as step,
    fingerprint,
    manifest.request.version as version,
    manifest.created_at::timestamp as created_at,
    manifest.duration_seconds as duration_seconds,
    len(manifest.files)::bigint as num_files,
    coalesce(list_sum(list_transform(manifest.files, lambda file: file.num_bytes)), 0)::bigint as num_bytes,
    manifest.git_commit as git_commit,
    manifest.request.inputs as inputs,
    manifest.request.config as config,
    manifest.summary as summary,
    manifest.versions as versions
from parsed;
