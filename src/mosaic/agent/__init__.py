"""From a request in plain words to a plan: four visible steps, each from one named type to the next.

| step      | from                          | to              | where                       |
|-----------|-------------------------------|-----------------|-----------------------------|
| decompose | `Request`                     | `Decomposition` | a backend                   |
| retrieve  | `Decomposition`, `World`      | `Shortlist`     | `retrieving`                |
| weigh     | `Shortlist`, `World`          | `Ranking`       | `weighing`                  |
| emit      | `Brief` (all of the above)    | `Draft`s        | a backend, held by `repair` |

A backend (`backend.py`) reads the request and writes the plan: `offline` without any model, `openai` by an endpoint,
`local` by a model in this process. What may be named, what is allowed and what it may cost is never a backend's to say:
retrieving and weighing ask the catalog and the compiler, and `repair` holds every draft to the request.
"""
