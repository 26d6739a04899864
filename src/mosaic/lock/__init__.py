"""`mosaic.lock`: what plans were made of, to the byte, so that they can be made of it again.

| part           | what                                                                   |
|----------------|------------------------------------------------------------------------|
| `document`     | a lock as data                                                         |
| `writing`      | a lock to TOML; `reading`: TOML to a lock, every doubt told at its line |
| `making`       | compiled plans to a lock                                               |
| `comparing`    | what would change                                                      |
| `experts`      | the compiler's `Experts`, answered from a lock; and what was asked     |
| `projects`     | a `Project` that is held to a lock                                     |
| `verifying`    | whether this machine would give the locked picture                     |

Nothing here imports torch; `mosaic lock` is as quick as `mosaic plan`.
"""
