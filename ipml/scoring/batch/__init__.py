"""A file scored in chunks, so that a run that is killed can go on where it was, and several processes can share it.

A chunk is some rows of the source in their order. `source` cuts and reads them, `chunks` scores one and makes of
it a shard of the result, `scored_files` puts the shards together and reads them back, and all of it stands in a
`work_folder` beside the result. A `worker_pool` does it, in this process or in others; `file_scoring` is the recipe.
"""
