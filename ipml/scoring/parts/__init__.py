"""A file scored in parts, so that a run that is killed can go on where it was, and several processes can share it.

A part is some rows of the source in their order. `source` cuts and reads them, `part` scores one, `keys` knows which
listings come again in another part, `hopeful` which rows may be explained, `pieces` makes of each part a piece of the
result, `joining` puts the pieces together, and all of it stands in a `folder` beside the result. `workers` do it, in
this process and in other `processes`; `run` says what may be gone on with.
"""
