"""Who may see what: common policy (RFC 4745), presence authorization rules (RFC 5025), OMA's additions.

read_rules(body)            -> Ruleset      BadRequest for what cannot be read
read_lists(documents)       -> Lists        the presentity's resource lists, for OMA's external-list
decide(rulesets, question)  -> Decision     every rule that matches counts; none that fails gives anything
"""
