"""A file scored in parts, so that a run that is killed can go on where it was, and several processes can share it.

A part is some rows of the source in their order. `source` cuts and reads them, `chunks` scores one, `merge` makes of
each a piece of the result, `scored_files` puts the pieces together and reads them back, and all of it stands in a
`work_folder` beside the result. `workers` do it, in this process and in other `processes`; `file_scoring` is the
recipe.
"""
