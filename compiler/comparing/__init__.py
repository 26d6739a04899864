"""Plans compared by what they mean, not by how they are written.

Two programs are laid beside each other: plans by name, emits by file, experts by identity, the steps of a picture's
making in their order. What they are compared in is the form before anything that only saves work (`meaning`), so that
names, order of statements and layout, fragments and defaults are gone, and a window that moved is one change.

| module     | what it does                                                        |
|------------|---------------------------------------------------------------------|
| `changes`  | what is found, as data                                              |
| `meaning`  | a version of a plan, ready to be compared                           |
| `identity` | when experts and values of two programs are the same                |
| `pairing`  | which step, fusion or operand of one side is which of the other     |
| `making`   | what differs in how a file is made                                  |
| `plans`    | what differs between two plans, and between two sets of them        |
| `rights`, `costs` | what follows for whoever uses and pays for the results       |
| `text`, `markdown`, `document` | the comparison for a terminal, a pull request, a program |
| `normal`   | one version as text that is equal for equal meanings                |
"""
