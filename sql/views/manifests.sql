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
select
    request.step as step,
    split_part(filename, '/', -2) as fingerprint,
    request.version as version,
    created_at::timestamp as created_at,
    duration_seconds,
    len(files)::bigint as num_files,
    coalesce(list_sum(list_transform(files, lambda file: file.num_bytes)), 0)::bigint as num_bytes,
    git_commit,
    request.inputs as inputs,
    request.config as config,
    summary,
    versions
from read_json(
    getvariable('store') || '/artifacts/*/*/manifest.json',
    format = 'unstructured',
    filename = true,
    hive_partitioning = false,
    columns = {
        'request': 'struct(step varchar, version bigint, config json, inputs map(varchar, varchar))',
        'files': 'struct(path varchar, num_bytes bigint)[]',
        'summary': 'json',
        'created_at': 'varchar',
        'duration_seconds': 'double',
        'git_commit': 'varchar',
        'versions': 'json'
    }
);
