"""Five incidents on a local AWS, each detected, alarmed, repaired by the words of its runbook, and audited."""
