"""Batch scoring: scores a file in chunks, so that a killed run can continue and several processes can share it.

A chunk is a range of rows of the source. `source` cuts and reads them, `chunks` scores one and makes of it a shard of
the result, `scored_files` joins the shards and reads results; all of it is in a `work_folder` beside the result. A
`worker_pool` runs it, in this process or in others; `file_scoring` is the recipe.
"""
